"""A venue's, library's or user's own messages as updates, so that one call of the user does everything for a message.

What comes in is a message as it was received; what goes out are updates (mappings of EXECUTION's fields) to a target
with `apply`, usually an `OrderPages`, and what cannot be kept is counted, logged once for each kind, and listed. May
import `ringbuf.record` and `ringbuf.trading`, and the libraries that it reads the messages of only when one is needed.
"""
