"""Where a database is: on a ClickHouse server, or in this process (chDB). What differs between the two, and no more."""

import ctypes
import logging
import math
import os
import re
import signal
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.common import format_uri_host
from clickhouse_connect.driver.exceptions import DatabaseError, ProgrammingError, StreamFailureError
from clickhouse_connect.driver.httpclient import HttpClient
from clickhouse_connect.driver.query import TzSource
from urllib3 import Timeout
from urllib3.exceptions import HTTPError

from ringbuf.errors import ConfigurationError, SinkUnavailable
from ringbuf.sinks.clickhouse.layout import Cluster
from ringbuf.sinks.clickhouse.table import literal

USER_VARIABLE: Final = "RINGBUF_CLICKHOUSE_USER"
PASSWORD_VARIABLE: Final = "RINGBUF_CLICKHOUSE_PASSWORD"

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 60.0
PIECE_BYTES: Final = 65_536

_FORMAT = "RowBinaryWithNamesAndTypes"
_NO_STREAM = "Streaming query is not supported"

for _name in ("clickhouse_connect", "urllib3"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)  # they raise besides


class Engine(Protocol):
    """What differs.

    Attributes:
        where: how messages call it.
        kind: `server` or `embedded`.
        url: of the server, with the user if it named one, never a password; None if embedded.
        password_file, ca_file: where password and certificates are, if they are in files.
        cluster: that the server belongs to, if tables are to be on all of it.
        shards: the servers at each of which a statement is run that defines a table; none if one run does it.
    """

    where: str
    kind: str
    url: str | None
    password_file: Path | None
    ca_file: Path | None
    cluster: Cluster | None
    shards: Sequence["Engine"]

    def connect(self) -> Client:
        """Open a client."""

    def insert(
        self, client: Client, into: str, body: Sequence[memoryview], settings: Mapping[str, int | str]
    ) -> int | None:
        """Send one insert.

        Args:
            into: its statement up to the columns.
            body: in the format RowBinaryWithNamesAndTypes.
            settings: of this statement.

        Returns:
            the rows the engine says it has written; None if it does not say.
        """

    def stream(self, client: Client, sql: str, settings: Mapping[str, int | str], timeout: float) -> Iterator[bytes]:
        """Run one statement and give its rows as JSONEachRow, cut anywhere, as they come.

        Args:
            timeout: seconds to wait for the first of them, and for each piece after it; the embedded engine waits on.
        """

    def without_secrets(self, text: str) -> str:
        """A text without what nobody may see."""


class Server:
    """A ClickHouse server, over HTTP or HTTPS.

    Args:
        url: `http[s]://[user@]host[:port][/path]`; without a user the one in `RINGBUF_CLICKHOUSE_USER`, else `default`.
        password_file: file whose first line is the password; without it `RINGBUF_CLICKHOUSE_PASSWORD`, else none.
        ca_file: certificates to trust instead of the system's. The server's certificate is always verified.
        timeout: seconds to wait for an answer.
        cluster: see `Engine`; its servers are reached with the same user, password and certificates.

    Raises:
        ConfigurationError: the URL is not such a URL, or holds a password; a file cannot be read.
    """

    def __init__(
        self,
        url: str,
        *,
        password_file: Path | None = None,
        ca_file: Path | None = None,
        timeout: float = ANSWER_SECONDS,
        cluster: Cluster | None = None,
    ) -> None:
        self.cluster = cluster
        self.shards: Sequence[Engine] = [
            Server(each, password_file=password_file, ca_file=ca_file, timeout=timeout)
            for each in (cluster.shards if cluster else ())
        ]
        parts, port = _parsed(url)
        path = parts.path.rstrip("/")
        address = f"{format_uri_host(parts.hostname or '')}:{port}{path}"
        self.where = f"ClickHouse at {parts.scheme}://{address}"
        self.kind = "server"
        user = f"{parts.username}@" if parts.username else ""
        self.url: str | None = f"{parts.scheme}://{user}{address}"
        self.password_file = password_file and password_file.absolute()
        self.ca_file = ca_file and ca_file.absolute()
        self._user = unquote(parts.username or "") or os.environ.get(USER_VARIABLE) or "default"
        self._password = _password(password_file)
        self._options: dict[str, Any] = {
            "interface": parts.scheme,
            "host": parts.hostname,
            "port": port,
            "proxy_path": path,
        }
        self._timeout = timeout
        if ca_file is not None:
            _read(ca_file)
            self._options["ca_cert"] = str(ca_file)

    def connect(self) -> Client:
        """Open a client that sends no insert twice on its own."""
        client = _HttpClient(
            **self._options,
            username=self._user,
            password=self._password,
            database=None,
            verify=True,
            compress=False,
            autogenerate_session_id=False,
            dedicated_pool=True,
            show_clickhouse_errors="scrub",
            connect_timeout=math.ceil(CONNECT_SECONDS),
            send_receive_timeout=math.ceil(self._timeout),
        )
        client.timeout = Timeout(connect=CONNECT_SECONDS, read=self._timeout)  # not cut down to whole seconds
        client.http_retries = 0
        return client

    def insert(
        self, client: Client, into: str, body: Sequence[memoryview], settings: Mapping[str, int | str]
    ) -> int | None:
        """Send one insert; the body goes out without a copy."""
        # The statement goes in front of the records: to quote it for the URL costs as much as all the rest.
        pieces = [memoryview(f"{into} FORMAT {_FORMAT}\n".encode()), *body]
        once: Any = iter(pieces)  # it would be sent again after a cut connection if it could be read twice
        summary = client.raw_insert(
            "",  # the statement is in the block
            insert_block=once,
            settings=dict(settings),
            transport_settings={"Content-Length": str(sum(piece.nbytes for piece in pieces))},
        )
        return summary.written_rows

    def stream(self, client: Client, sql: str, settings: Mapping[str, int | str], timeout: float) -> Iterator[bytes]:
        """Run one statement; an error in the midst of it comes after the rows before it, behind a carriage return."""
        assert isinstance(client, HttpClient)
        client.timeout = Timeout(connect=CONNECT_SECONDS, read=timeout)
        response: Any = client.raw_stream(sql, settings=dict(settings), fmt="JSONEachRow")
        pieces = response.stream(PIECE_BYTES)
        for piece in pieces:
            rows, has_failed, failure = piece.partition(b"\r")
            yield rows
            if has_failed:
                with suppress(HTTPError):  # the server ends the answer without its end
                    failure += b"".join(pieces)
                raise _failure(failure.decode(errors="replace"))

    def without_secrets(self, text: str) -> str:
        """The text without the password, should somebody repeat it to us."""
        if not self._password:
            return text
        header = b64encode(f"{self._user}:{self._password}".encode()).decode()
        return text.replace(header, "***").replace(self._password, "***")


class _HttpClient(HttpClient):
    """A client that asks nothing when it is made, and sets nothing of its own.

    The library's own asks for all settings there are, which more than a few rows forbid to some users, and sets some.
    """

    def _init_common_settings(self, tz_source: TzSource) -> None:
        self._dst_safe = True


class Embedded:
    """The embedded engine. Only one process at a time can have its directory open.

    Args:
        path: directory of its data.
    """

    def __init__(self, path: Path) -> None:
        self.where = f"chDB in {path}"
        self.kind = "embedded"
        self.url: str | None = None
        self.password_file: Path | None = None
        self.ca_file: Path | None = None
        self.cluster: Cluster | None = None
        self.shards: Sequence[Engine] = ()
        self._path = path

    def connect(self) -> Client:
        """Open a client.

        Raises:
            ConfigurationError: chDB is not installed.
            SinkUnavailable: the directory cannot be opened.
        """
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            client = clickhouse_connect.get_client(
                interface="chdb", path=str(self._path), show_clickhouse_errors="scrub"
            )
            _die_of_fatal_signals()
            return client
        except ProgrammingError as error:
            raise SinkUnavailable(
                f"{self.where} cannot be opened: {' '.join(str(error).split())}",
                "one process at a time can have it open: is there another?",
            ) from error
        except ImportError as error:
            raise ConfigurationError(
                f"the embedded database cannot be loaded: {error}",
                'pip install "ringbuf-capture[embedded]", or name a server: --clickhouse URL',
            ) from error

    def insert(
        self, client: Client, into: str, body: Sequence[memoryview], settings: Mapping[str, int | str]
    ) -> int | None:
        """Send one insert, by way of a file in memory, of which a crash leaves nothing behind."""
        listed = ", ".join(
            f"{name} = {literal(value) if isinstance(value, str) else value}" for name, value in settings.items()
        )
        with open(os.memfd_create("ringbuf-insert"), "wb") as file:
            file.writelines(body)
            file.flush()
            client.command(f"{into} FROM INFILE '/proc/self/fd/{file.fileno()}' SETTINGS {listed} FORMAT {_FORMAT}")
        return None

    def stream(self, client: Client, sql: str, settings: Mapping[str, int | str], timeout: float) -> Iterator[bytes]:
        """Run one statement; block by block, so that memory does not grow with the answer. The settings stay."""
        for name, value in settings.items():  # those of a statement would make it an answer in one piece
            client.set_client_setting(name, value)
        try:
            with client.raw_stream(sql, fmt="JSONEachRow") as rows:
                while piece := rows.read(PIECE_BYTES):
                    yield piece
        except DatabaseError as error:
            if _NO_STREAM not in str(error):
                raise
            yield bytes(client.raw_query(sql, fmt="JSONEachRow"))  # it changes something: let the engine say no to that

    def without_secrets(self, text: str) -> str:
        """The text: there are no secrets."""
        return text


def engine_of(description: Mapping[str, Any], embedded: Path) -> Engine:
    """The engine that a status describes, see `described`.

    Args:
        embedded: where the embedded database of this data directory is.

    Raises:
        ConfigurationError: as in making it.
    """
    if description["kind"] != "server":
        return Embedded(embedded)
    password_file, ca_file = (
        Path(description[name]) if description.get(name) else None for name in ("password_file", "ca_file")
    )
    cluster = description.get("cluster")
    return Server(
        description["url"],
        password_file=password_file,
        ca_file=ca_file,
        cluster=cluster and Cluster(cluster, tuple(description.get("shards") or ())),
    )


def described(engine: Engine) -> dict[str, Any]:
    """What somebody else needs to know to reach the same database; no password."""
    return {
        "kind": engine.kind,
        "url": engine.url,
        "password_file": _text(engine.password_file),
        "ca_file": _text(engine.ca_file),
        **({"cluster": engine.cluster.name, "shards": [*engine.cluster.shards]} if engine.cluster else {}),
    }


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _failure(text: str) -> StreamFailureError:
    code = re.search(r"Code: (\d+)\. DB::Exception: ", text)
    return StreamFailureError(text[code.start() :] if code else text, code=int(code[1]) if code else None)


def _die_of_fatal_signals() -> None:
    """Undo what chDB does: its handlers keep a process that crashed alive, where a supervisor would start another."""
    for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT):
        ctypes.CDLL(None).signal(int(number), None)  # Python's own `signal` is for the main thread only


def _parsed(url: str) -> tuple[SplitResult, int]:
    usage = "give http://HOST:PORT or https://USER@HOST:PORT/PATH"
    try:
        parts = urlsplit(url)
        port = parts.port or (8443 if parts.scheme == "https" else 8123)
    except ValueError as error:
        raise ConfigurationError(f"the URL of the database cannot be read: {error}", usage) from None
    if parts.password is not None:
        raise ConfigurationError(
            "the URL of the database holds a password, where everybody on this machine can see it",
            f"take it out and change it; put it into a file or into {PASSWORD_VARIABLE}",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"{url!r} is not the URL of a ClickHouse server", usage)
    if parts.query or parts.fragment:
        raise ConfigurationError(f"{url!r} has more than a host, a port and a path", usage)
    return parts, port


def _password(file: Path | None) -> str:
    if file is None:
        return os.environ.get(PASSWORD_VARIABLE, "")
    lines = _read(file).splitlines()
    if not lines or not lines[0]:
        raise ConfigurationError(f"{file} is empty", "its first line must be the password")
    return lines[0]


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}", "check its path and permissions") from error
