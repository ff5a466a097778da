"""Records on disk: frames in segment files, appended and read.

Records come in with their session and go out as they were. `files.py` is how any file of a data directory is replaced.
May import `ringbuf.record`.
"""
