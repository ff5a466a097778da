"""Starts processes for demo, benchmarks and tests: the writer, ClickHouse and Redis servers, and any other program.

A command or a data directory comes in, a process that is ready and ends with its owner goes out. May import
`ringbuf.ring` and `ringbuf.state`.
"""
