"""Where the loader brings records: one folder for each kind of destination.

Records come in as bytes, with the token of their insert; a sink knows no loader and no journal. May import
`ringbuf.record` and `ringbuf.trading`.
"""
