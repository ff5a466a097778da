"""The writer process: brings the records of all rings into the journal, and from there into the database.

Rings come in, a durable journal and rows go out. May import ring, journal, state and sinks.
"""
