"""Records on disk: frames in segment files, appended and read.

Records come in with their session and go out as they were. May import `ringbuf.record`.
"""
