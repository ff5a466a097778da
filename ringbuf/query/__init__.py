"""The way into a database for those who only read.

SQL comes in, rows go out, whether a writer runs or not. May import `ringbuf.sinks` and `ringbuf.state`.
"""
