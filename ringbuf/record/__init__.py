"""What one record is: schema, fields and words of EXECUTION, values as fields hold them, seqs, sessions.

Values of any kind come in, bytes of a record go out. Imports nothing of the package but `ringbuf.errors`.
"""
