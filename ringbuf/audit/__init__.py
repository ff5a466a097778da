"""Proves that every record is somewhere: in a ring, the journal, the database, or in quarantine.

A data directory comes in, an audit goes out. May import query, ring and journal, and what is below them.
"""
