"""Records in shared memory, from one producer to one consumer, and whoever looks on.

Records come in by `Producer` or by the native core, and go out by `Consumer`. May import `ringbuf.record`.
"""
