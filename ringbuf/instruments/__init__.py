"""Instruments on their way into the database: contracts come in, records go out, through a ring like all others.

May import `ringbuf.ring` and `ringbuf.trading`.
"""
