"""The database of a data directory, for who only reads: SQL comes in, rows go out, whether a writer runs or not."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from ringbuf.errors import SinkError
from ringbuf.query.way_in import WayIn
from ringbuf.state import query_client, status
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.database_lock import LOOK_SECONDS
from ringbuf.state.lock_file import holder

ANSWER_SECONDS: Final = 60.0
"""How long to wait for the database, unless something else is given."""


def row_of(line: bytes, **options: Any) -> dict[str, Any]:
    """A row from its line of JSONEachRow; options as `json.loads` takes them.

    Raises:
        SinkError: it is none.
    """
    try:
        row = json.loads(line, **options)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise SinkError(f"the database answers {line[:80]!r}, which is no row", "ask one statement at a time")
    return row


def _rows_of(lines: Sequence[bytes], options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of lines, read at once: that takes half as long as one by one."""
    try:
        rows: list[Any] = json.loads(b"[%b]" % b",".join(lines), **options)
    except ValueError:
        rows = []
    if len(rows) == len(lines) and all(isinstance(row, dict) for row in rows):
        return rows
    return [row_of(line, **options) for line in lines]  # says what is wrong


class Database:
    """A database that answers questions; nothing can be changed through it.

    Args:
        name: the database that has the tables.
        ask: runs one statement and gives its rows as JSONEachRow, cut anywhere; raises SinkError.
    """

    def __init__(self, name: str, ask: Callable[[str], Iterable[bytes]]) -> None:
        self.name = name
        self._ask = ask

    def batches(self, statement: str) -> Iterator[list[bytes]]:
        """Run one statement; its rows as they come, some at a time, each a line of JSONEachRow without its newline.

        Raises:
            SinkError: the database cannot be asked, or refuses the statement; perhaps in the midst of the rows.
        """
        rest = b""
        for piece in self._ask(statement):
            *lines, rest = (rest + piece).split(b"\n")
            if lines:
                yield lines
        if rest:
            yield [rest]

    def rows(self, statement: str, **options: Any) -> list[dict[str, Any]]:
        """Run one statement; all its rows, options as `json.loads` takes them.

        Raises:
            SinkError: the database cannot be asked, or refuses the statement.
        """
        return [row for lines in self.batches(statement) for row in _rows_of(lines, options)]

    def tables(self) -> set[str]:
        """Names of the tables there are; a view is none."""
        # Here and not above: who asks in SQL of his own needs nothing that knows tables.
        from ringbuf.sinks.clickhouse.table import literal

        of_database = f"database = {literal(self.name)} AND engine NOT IN ('View')"
        rows = self.rows(f"SELECT name FROM system.tables WHERE {of_database}")
        return {row["name"] for row in rows}


def ask_writer(data_dir: Path, statement: str) -> bytes:
    """The rows of a statement as JSONEachRow, from the writer of a data directory and nobody else.

    Raises:
        OSError: no writer answers there.
        SinkError: the database refuses the statement.
    """
    directory = DataDirectory(data_dir)
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            return b"".join(query_client.ask(directory.query_socket, statement, ANSWER_SECONDS))
        except (ConnectionError, FileNotFoundError):
            if holder(directory.writer_lock) is None or time.monotonic() > deadline:
                raise
        time.sleep(LOOK_SECONDS)  # it starts, or it ends


@contextmanager
def open_database(data_dir: Path, timeout: float = ANSWER_SECONDS) -> Iterator[Database]:
    """The database of a data directory: through its writer while one runs, else directly.

    No writer is ever kept out: one that starts meanwhile takes the database over, and answers from then on.

    Args:
        timeout: seconds to wait for the first row of an answer, and for each piece after it.

    Raises:
        ConfigurationError: no writer ever ran on the directory.

        And whoever asks the database:
        ConfigurationError: nobody has the embedded database open, and this user cannot write in the directory.
        SinkUnavailable: who has the database hangs, or does not answer in time; the message says who.
        SinkError: the database refuses the statement.
    """
    directory = DataDirectory(data_dir)
    sink = status.of_writer(directory)["sink"]
    with closing(WayIn(directory, sink, timeout)) as way_in:
        yield Database(sink["database"], way_in.ask)
