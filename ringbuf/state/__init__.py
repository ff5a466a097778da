"""What a data directory holds beside the journal: who owns it, checkpoint, status, quarantine, query socket.

Each file is written by the writer alone and read by every tool. May import `ringbuf.journal` and `ringbuf.record`.
"""
