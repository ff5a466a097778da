"""The demonstration behind `ringbuf demo`: two exchanges, strategies, a writer. Only the command line calls it.

A verdict goes out: whether order pages, inventories, exchanges and database agree.
"""
