"""Everyday questions, asked by name: fills, orders, positions, fees and profit.

A selection comes in, rows go out as they come, exact and complete. May import what `ringbuf.query` may.
"""
