"""Starts the product's own processes, and those it is measured with, for demo, benchmarks and tests.

A module and its arguments come in, a process that ends with its owner goes out. May import `ringbuf.ring`.
"""
