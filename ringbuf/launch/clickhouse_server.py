"""A ClickHouse server: one that runs already, or one that is started here and can be killed and started again."""

import http.client
import os
import shutil
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from ringbuf.errors import ConfigurationError, RingbufError
from ringbuf.launch import clickhouse_library
from ringbuf.launch.child_process import ChildProcess, last_lines
from ringbuf.launch.port import free_port

URL_VARIABLE: Final = "RINGBUF_TEST_CLICKHOUSE_URL"
LIBRARY_VARIABLE: Final = "RINGBUF_TEST_LIBCHDB"
LAST_LINES: Final = 20
ENVIRONMENT: Final = {"CLICKHOUSE_WATCHDOG_ENABLE": "0"}
"""Otherwise a watchdog process would stand between us and the server, and outlive a SIGKILL."""

_CONFIG = """
<clickhouse>
    <logger><level>warning</level><log>{directory}/server.log</log></logger>
    <path>{directory}/data/</path>
    <tmp_path>{directory}/data/tmp/</tmp_path>
    <user_files_path>{directory}/data/user_files/</user_files_path>
    <format_schema_path>{directory}/data/format_schemas/</format_schema_path>
    <listen_host>127.0.0.1</listen_host>
    <http_port>{port}</http_port>
    <users_config>users.xml</users_config>
    {settings}
</clickhouse>
"""


def find_engine() -> str | None:
    """Path of the program `clickhouse` or of a libchdb.so, which holds the same server; None if there is neither."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringbuf"
    cached = sorted(str(path) for path in cache.glob("libchdb-*/libchdb.so"))
    return shutil.which("clickhouse") or os.environ.get(LIBRARY_VARIABLE) or (cached[-1] if cached else None)


class ClickHouse:
    """A server that can be used, but not stopped.

    Attributes:
        url: as `ringbuf writer --clickhouse` takes it; may hold user and password.
        host: its name or address.
        http_port: TCP port of its HTTP interface.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self.url = url
        self.host = self._parts.hostname or "localhost"
        self.http_port = self._parts.port or (8443 if self._parts.scheme == "https" else 8123)

    @property
    def pid(self) -> int | None:
        """Its process, if it runs here."""
        return None

    def client(self, **options: Any) -> Client:
        """A client to be used in a `with` statement; options as `clickhouse_connect.get_client` takes them."""
        defaults = {
            "interface": self._parts.scheme,
            "host": self.host,
            "port": self.http_port,
            "username": unquote(self._parts.username or "default"),
            "password": unquote(self._parts.password or ""),
            "autogenerate_session_id": False,
        }
        return clickhouse_connect.get_client(**{**defaults, **options})

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of one query."""
        with self.client() as client:
            return [tuple(row) for row in client.query(statement).result_rows]

    def command(self, statement: str) -> None:
        """Run one statement."""
        with self.client() as client:
            client.command(statement)


class ClickHouseServer(ClickHouse):
    """A server that may be killed and started again, on the same directory and port.

    It ends with the process that started it, even if that one is killed.

    Attributes:
        users: its users, XML.
        directory: where all its files are.

    Args:
        idle: whether it is to run only when a core has nothing else to do (SCHED_IDLE).
        settings: more of its configuration, XML.
    """

    users: ClassVar[str] = """
<clickhouse>
    <profiles><default/></profiles>
    <quotas><default/></quotas>
    <users><default><password/><networks><ip>127.0.0.1</ip></networks></default></users>
</clickhouse>
"""

    def __init__(self, engine: str, directory: Path, *, idle: bool = False, settings: str = "") -> None:
        super().__init__(f"http://127.0.0.1:{free_port()}")
        self.directory = directory
        self._idle = idle
        self._process: ChildProcess | None = None
        config = directory / "config.xml"
        config.write_text(_CONFIG.format(directory=directory, port=self.http_port, settings=settings))
        (directory / "users.xml").write_text(self.users)
        if engine.endswith(".so"):
            self._command = [sys.executable, clickhouse_library.__file__, engine, str(config)]
        else:
            self._command = [engine, "server", f"--config-file={config}"]

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.exit_code is None

    def start(self) -> None:
        """Start the server, if it does not run, and wait until it answers.

        Raises:
            ConfigurationError: it did not come up; the message holds the end of its output.
        """
        if self.is_alive:
            return
        output = self.directory / "output"
        name = "the ClickHouse server"
        self._process = ChildProcess(name, self._command, output, environment=ENVIRONMENT, idle=self._idle)
        try:
            self._process.wait_until(self._answers, "answer")
        except RingbufError:
            self.kill()
            said = "\n".join(last_lines(log, LAST_LINES) for log in (output, self.directory / "server.log"))
            raise ConfigurationError(f"{name} did not start: {said}") from None

    def kill(self) -> None:
        """End the server by SIGKILL, as a crash would; does nothing if it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def stop(self) -> None:
        """End the server by SIGTERM; does nothing if it does not run."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(self.host, self.http_port, timeout=5)
        with closing(connection), suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/ping")
            return connection.getresponse().status == http.client.OK
        return False
