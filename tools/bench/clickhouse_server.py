"""The ClickHouse server that benchmarks use: the one they are given, or one that is started for them."""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import clickhouse_connect

from ringbuf.errors import ConfigurationError

from . import clickhouse_process
from .workspace import Workspace

URL_VARIABLE: Final = "RINGBUF_TEST_CLICKHOUSE_URL"
LIBRARY_VARIABLE: Final = "RINGBUF_TEST_LIBCHDB"
NO_SERVER: Final = (
    f"no ClickHouse server: give --clickhouse URL, put `clickhouse` on the PATH, or set {LIBRARY_VARIABLE} to the path "
    "of a libchdb.so"
)
START_SECONDS: Final = 30.0
LATEST_FIRST_PORT: Final = 32_000

_CONFIG = """
<clickhouse>
    <logger><level>warning</level><log>{directory}/server.log</log></logger>
    <path>{directory}/data/</path>
    <tmp_path>{directory}/data/tmp/</tmp_path>
    <user_files_path>{directory}/data/user_files/</user_files_path>
    <format_schema_path>{directory}/data/format_schemas/</format_schema_path>
    <listen_host>127.0.0.1</listen_host>
    <http_port>{port}</http_port>
    <query_log><database>system</database><table>query_log</table></query_log>
    <profiles><default/></profiles>
    <users><default><password/><networks><ip>127.0.0.1</ip></networks></default></users>
    <quotas><default/></quotas>
</clickhouse>
"""


@dataclass(frozen=True)
class ClickHouse:
    """A running server.

    Attributes:
        url: as `ringbuf writer --clickhouse` takes it.
        pid: its process, if it was started here.
    """

    url: str
    pid: int | None

    def client(self) -> Any:
        """A new client."""
        return clickhouse_connect.get_client(dsn=self.url, autogenerate_session_id=False)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of one query."""
        with self.client() as client:
            return [tuple(row) for row in client.query(statement).result_rows]

    def command(self, statement: str) -> None:
        """Run one statement."""
        with self.client() as client:
            client.command(statement)


@contextmanager
def clickhouse(url: str | None, workspace: Workspace) -> Iterator[ClickHouse | None]:
    """The server at a URL, else the one in the environment, else a new one; None if there is none to be had."""
    given = url or os.environ.get(URL_VARIABLE)
    engine = find_engine()
    if given:
        yield ClickHouse(given, None)
    elif engine is None:
        yield None
    else:
        with _started(engine, workspace.new_directory("clickhouse")) as server:
            yield server


def find_engine() -> str | None:
    """Path of the program `clickhouse` or of a libchdb.so, which holds the same server."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringbuf"
    cached = sorted(str(path) for path in cache.glob("libchdb-*/libchdb.so"))
    return shutil.which("clickhouse") or os.environ.get(LIBRARY_VARIABLE) or (cached[-1] if cached else None)


@contextmanager
def _started(engine: str, directory: Path) -> Iterator[ClickHouse]:
    port = _free_port()
    config = directory / "config.xml"
    config.write_text(_CONFIG.format(directory=directory, port=port))
    with (directory / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, clickhouse_process.__file__, str(os.getpid()), engine, str(config)],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            process_group=0,
        )
    try:
        _wait_for_answer(process, port, directory)
        yield ClickHouse(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _wait_for_answer(process: "subprocess.Popen[bytes]", port: int, directory: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            said = (directory / "output").read_text(errors="replace").strip().splitlines()
            raise ConfigurationError(f"the ClickHouse server did not start: {said[-1] if said else 'it said nothing'}")
        time.sleep(0.05)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/ping")
        return connection.getresponse().status == http.client.OK
    return False


def _free_port() -> int:
    """A port nobody listens on, below those of outgoing connections."""
    for port in range(20_000 + os.getpid() % 10_000, LATEST_FIRST_PORT):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ConfigurationError("no port is free for a ClickHouse server", "give one that runs: --clickhouse URL")
