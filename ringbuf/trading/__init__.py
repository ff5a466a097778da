"""The rules of orders, trades and positions: pure, and the same for a live record, a look-back, an import or a replay.

Reports come in, in any order and with any copies; orders with what they may still trade, trades and positions go out.
May import `ringbuf.record`.
"""
