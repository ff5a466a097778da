"""The demonstration behind `ringbuf demo`: an exchange, strategies, a writer. Only the command line calls it, by name.

A verdict goes out: whether exchange, strategies and database agree.
"""
