"""ClickHouse as a sink: engine (server or embedded), tables, views.

Bytes of records come in, rows and the answers to SQL go out.
"""
