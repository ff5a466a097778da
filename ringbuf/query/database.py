"""The way to the database of a data directory: through its writer while one runs, else directly."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import tenacity

from ringbuf.errors import ConfigurationError, JournalInUse, SinkError, SinkUnavailable
from ringbuf.sinks.clickhouse.table import literal
from ringbuf.state import status
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.query_server import TIMEOUT_SECONDS
from ringbuf.state.writer_lock import WriterLock

if TYPE_CHECKING:
    from ringbuf.sinks.clickhouse.sink import ClickHouseSink

STARTING_SECONDS: Final = 10.0
"""How long a writer may hold its directory without answering: while it starts, and while it stops."""

data_dir_option = click.option(
    "--data-dir",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory of the writer.",
)


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


class Database:
    """A database that answers questions; nothing can be changed through it.

    Args:
        name: the database that has the tables.
        ask: runs one statement and returns its rows as JSONEachRow; raises SinkError.
    """

    def __init__(self, name: str, ask: Callable[[str], bytes]) -> None:
        self.name = name
        self.ask = ask

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Run one statement.

        Raises:
            SinkError: the database cannot be asked, or refuses the statement.
        """
        return [row_of(line) for line in self.ask(statement).splitlines()]

    def tables(self) -> set[str]:
        """Names of the tables there are."""
        rows = self.rows(f"SELECT name FROM system.tables WHERE database = {literal(self.name)}")
        return {row["name"] for row in rows}


def writer_status(data_dir: Path) -> dict[str, Any]:
    """What the last writer of a data directory said about itself.

    Raises:
        ConfigurationError: no writer ever ran on it.
    """
    found = status.read(DataDirectory(data_dir).status)
    if found is None or not {"kind", "url", "database"} <= dict(found.get("sink") or {}).keys():
        raise ConfigurationError(
            f"{data_dir} is no data directory of a writer: it has no intact {DataDirectory(data_dir).status.name}",
            f"run `ringbuf writer --data-dir {data_dir}` once",
        )
    return found


@contextmanager
def open_database(data_dir: Path) -> Iterator[Database]:
    """The database of a data directory: through its writer while one runs, else directly.

    A data directory opened directly is held like a writer holds it, for the embedded database takes one process only.

    Raises:
        ConfigurationError: no writer ever ran on the directory.
        JournalInUse: a writer holds the directory and does not answer.
        SinkError: the database cannot be asked.
    """
    sink = writer_status(data_dir)["sink"]
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(JournalInUse),
        stop=tenacity.stop_after_delay(STARTING_SECONDS),
        wait=tenacity.wait_fixed(0.1),
        reraise=True,
    )
    with ExitStack() as resources:
        ask = retrying(_way_in, data_dir, sink, resources)
        yield Database(sink["database"], ask)


def _way_in(data_dir: Path, sink: dict[str, Any], resources: ExitStack) -> Callable[[str], bytes]:
    with suppress(ConnectionError, FileNotFoundError):
        ask_writer(data_dir, "SELECT 1")
        return partial(_ask_running_writer, data_dir)
    return _open_sink(data_dir, sink, resources).query_json


@contextmanager
def open_sink(data_dir: Path) -> Iterator["ClickHouseSink"]:
    """The database of a data directory, to write to, while no writer runs: the directory is held like by one.

    Raises:
        ConfigurationError: no writer ever ran on the directory.
        JournalInUse: a writer runs.
    """
    sink = writer_status(data_dir)["sink"]
    directory = DataDirectory(data_dir)
    with closing(WriterLock.take(directory)), closing(_sink(sink, directory.embedded)) as found:
        yield found


def _open_sink(data_dir: Path, sink: dict[str, Any], resources: ExitStack) -> "ClickHouseSink":
    if sink["kind"] != "server":
        resources.enter_context(closing(WriterLock.take(DataDirectory(data_dir))))
    return resources.enter_context(closing(_sink(sink, DataDirectory(data_dir).embedded)))


def _sink(sink: dict[str, Any], embedded: Path) -> "ClickHouseSink":
    # Here and not above: asking a running writer needs no database client.
    from ringbuf.sinks.clickhouse.engine import Embedded, Server
    from ringbuf.sinks.clickhouse.sink import ClickHouseSink

    password_file, ca_file = (Path(sink[name]) if sink.get(name) else None for name in ("password_file", "ca_file"))
    is_server = sink["kind"] == "server"
    engine = Server(sink["url"], password_file=password_file, ca_file=ca_file) if is_server else Embedded(embedded)
    return ClickHouseSink(engine, sink["database"])


def _ask_running_writer(data_dir: Path, statement: str) -> bytes:
    try:
        return ask_writer(data_dir, statement)
    except (ConnectionError, FileNotFoundError) as error:
        raise SinkUnavailable(f"the writer of {data_dir} ended meanwhile", "try again") from error


def ask_writer(data_dir: Path, statement: str) -> bytes:
    """Have the writer of a data directory run a statement.

    Raises:
        ConnectionError, FileNotFoundError: no writer answers there.
        SinkError: the database refuses the statement, or the answer does not come.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_SECONDS)
        _connect(connection, data_dir)
        try:
            connection.sendall(statement.encode())
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as answer:
                verdict, rows = answer.readline().decode().strip(), answer.read()
        except TimeoutError as error:
            raise SinkUnavailable(f"the writer of {data_dir} did not answer within {TIMEOUT_SECONDS:.0f} s") from error
    if verdict.startswith("error "):
        raise SinkError(verdict.removeprefix("error "))
    if verdict != f"ok {len(rows)}":
        raise SinkUnavailable(f"the writer of {data_dir} ended before it had answered", "try again")
    return rows


def _connect(connection: socket.socket, data_dir: Path) -> None:
    """Connect however long the path of the directory is: a socket's address is limited to 107 bytes."""
    path = DataDirectory(data_dir).query_socket
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    except PermissionError as error:
        raise ConfigurationError(
            f"the writer of {data_dir} cannot be asked: {error.strerror}", "run this as the user of the writer"
        ) from error
    finally:
        os.close(folder)
