"""Proves that every record is somewhere: in a ring, the journal, the database, or in quarantine.

A namespace, a data directory and a database come in, a reconciliation goes out. May import everything below the tools.
"""
