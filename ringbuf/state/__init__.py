"""The map of a data directory, and what it holds beside the journal: lock, checkpoint, status, quarantine, socket.

Each file is written by the writer alone and read by every tool. May import `ringbuf.journal` and `ringbuf.record`.
"""
