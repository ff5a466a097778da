"""Rows of the table `sessions`."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from ringbuf.record.session import SessionInfo
from ringbuf.sinks.clickhouse.table import SESSIONS, literal, quoted

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_NS = 1 - (1 << 63)  # one less is a DECIMAL_OVERFLOW


def insert_sessions(database: str, sessions: Iterable[tuple[SessionInfo, int]]) -> str:
    """The statement that adds to what the table knows; empty if there is nothing to add.

    Args:
        sessions: each session and when it was last seen, ns since the epoch.
    """
    values = ", ".join(_session_row(info, seen_ns) for info, seen_ns in sessions)
    return f"INSERT INTO {quoted(database)}.{quoted(SESSIONS)} VALUES {values}" if values else ""


def _session_row(info: SessionInfo, seen_ns: int) -> str:
    texts = [info.namespace, info.host, info.ring, info.schema.name]
    namespace, host, ring, schema = (literal(text.encode(errors="replace").decode()) for text in texts)
    created, seen = _moment(info.created_ns), _moment(seen_ns)
    return (
        f"({info.session}, {namespace}, {host}, {ring}, {info.pid}, {schema}, {info.schema.version},"
        f" {created}, {seen}, {seen})"
    )


def _moment(time_ns: int) -> str:
    """A time as text: an expression costs the server half a millisecond a row, and versions differ about numbers."""
    seconds, rest = divmod(max(time_ns, _EARLIEST_NS), 1_000_000_000)
    return f"'{_EPOCH + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}.{rest:09d}'"
