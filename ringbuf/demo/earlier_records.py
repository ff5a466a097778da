"""What a strategy recorded before it was killed: in its ring, and what is there no more in the database."""

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ringbuf.errors import SinkError
from ringbuf.query.database import Database, ask_writer
from ringbuf.ring.observer import Observer

AT_ONCE: Final = 10_000
WAIT_SECONDS: Final = 60.0
"""How long the database may take to have what the ring has no more."""
PAUSE_SECONDS: Final = 0.1


def earlier_records(name: str, data_dir: Path) -> Iterator[Any]:
    """All records of a ring in their order; such as order pages take.

    Args:
        data_dir: of the writer.

    Raises:
        RingbufError: the ring cannot be read.
        SinkError: the database does not have what the ring has no more.
    """
    with Observer.open(name) as observer:
        found, session = observer.read(0), observer.header.session
    for begin in range(0, found.first_seq, AT_ONCE):
        yield from _stored(data_dir, session, begin, min(begin + AT_ONCE, found.first_seq))
    yield from found.records


def _stored(data_dir: Path, session: int, begin: int, end: int) -> list[dict[str, Any]]:
    database = Database("", lambda statement: [ask_writer(data_dir, statement)])
    statement = (
        f"SELECT * FROM executions WHERE session = {session} AND seq >= {begin} AND seq < {end}"
        " ORDER BY seq LIMIT 1 BY seq"
    )
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            rows = database.rows(statement, parse_float=Decimal)
            problem = f"it has {len(rows)}"
        except (OSError, SinkError) as error:  # the writer may have been killed, too
            rows, problem = [], str(error)
        if len(rows) == end - begin:
            return rows
        if time.monotonic() > deadline:
            raise SinkError(
                f"the database does not have the records {begin} to {end - 1} of session {session}: {problem}"
            )
        time.sleep(PAUSE_SECONDS)
