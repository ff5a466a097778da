"""Deriving: what the records come to, one row for each order and fill, kept in the database. May import the sinks."""
