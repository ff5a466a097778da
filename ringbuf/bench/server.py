"""The server that benchmarks load into: the one they are given, or one that is started, with its data in memory."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ringbuf.bench import machine
from ringbuf.bench.workspace import PURPOSE, Workspace
from ringbuf.launch.clickhouse_server import LIBRARY_VARIABLE, URL_VARIABLE, ClickHouse, ClickHouseServer, find_engine
from ringbuf.ring.registry import SHARED_MEMORY

NO_SERVER: Final = (
    f"no ClickHouse server: give --clickhouse URL, put `clickhouse` on the PATH, or set {LIBRARY_VARIABLE} to the path "
    "of a libchdb.so"
)
ROOM: Final = 8_000_000_000
_QUERY_LOG: Final = "<query_log><database>system</database><table>query_log</table></query_log>"
"""A server logs its queries, since inserts are counted there."""


@contextmanager
def clickhouse(url: str | None, work: Workspace, *, idle: bool = False, room: int = 0) -> Iterator[ClickHouse | None]:
    """The server at a URL, else the one in the environment, else a new one; None if there is none.

    Args:
        idle: whether a new one is to run only when a core has nothing else to do.
        room: bytes that its data may come to, if they are more than those of most benchmarks.
    """
    given = url or os.environ.get(URL_VARIABLE)
    engine = find_engine()
    if given:
        yield ClickHouse(given)
    elif engine is None:
        yield None
    else:
        with data_directory(work, room) as directory:
            server = ClickHouseServer(engine, directory, idle=idle, settings=_QUERY_LOG)
            try:
                server.start()
                yield server
            finally:
                server.kill()


@contextmanager
def data_directory(work: Workspace, room: int = 0) -> Iterator[Path]:
    """A directory in memory if there is room for a server's data, else on the workspace's disk; removed in the end.

    On ext4 up to half of a server's time per insert goes into the kernel's search for inodes that were not deleted
    lately. This is not what is to be measured.
    """
    if not has_room(SHARED_MEMORY, room):
        yield work.new_directory("clickhouse")
        return
    directory = Path(tempfile.mkdtemp(prefix=f"ringbuf-{PURPOSE}-", dir=SHARED_MEMORY))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def has_room(directory: Path, room: int = 0) -> bool:
    """Whether a directory is memory, and takes `ROOM` more bytes, and so many."""
    if not directory.exists() or machine.file_system(directory) != "tmpfs":
        return False
    return min(shutil.disk_usage(directory).free, machine.available_memory()) >= max(ROOM, room)


def places(server: ClickHouse | None, work: Workspace) -> dict[str, str]:
    """Where the server's data are and where the journal is, for the report."""
    disk = machine.place(work.directory)
    if server is None:
        return {"server_data": f"embedded, {disk}", "journal": disk}
    if isinstance(server, ClickHouseServer):
        return {"server_data": machine.place(server.directory), "journal": disk}
    return {"server_data": f"unknown, at {server.host}:{server.http_port}", "journal": disk}
