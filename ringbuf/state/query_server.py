"""Answers read-only SQL on a Unix socket in the data directory.

The embedded database can be opened by one process only; this is the way in for everybody else. Who has the lock of the
database serves the socket: the writer, or while none runs a reader process.

One statement per connection. The client sends a JSON document, `{"statement": SQL, "timeout": SECONDS}`, and shuts down
its sending side. The answer is a series of lines:

    wait               the process lives and is at it; at once, and then every second
    rows BYTES         so many bytes follow: rows as JSONEachRow, cut anywhere
    ok                 that was all
    error JSON         that was all, for this reason: `{"kind": CLASS, "error": …, "hint": …}`
"""

import json
import logging
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ringbuf.errors import RingbufError, SinkError

LOGGER: Final = logging.getLogger("ringbuf.writer")
MAX_REQUEST: Final = 512 * 1024
SIGN_SECONDS: Final = 1.0
"""How often a client gets a sign of life."""
CLIENT_SECONDS: Final = 600.0
"""How long a client may take no byte of its answer, as one that pages through it may."""

Query = Callable[[str, float], Iterable[bytes]]
"""Runs one statement read-only and gives its rows as JSONEachRow, cut anywhere; waits so many seconds for each piece.

It raises RingbufError, also between two pieces.
"""


class QueryServer:
    """Serves a socket from threads of its own.

    Args:
        path: the socket; what an earlier process left there is removed.
    """

    def __init__(self, path: Path, query: Query) -> None:
        self._path = path
        self._query = query
        self._changed = threading.Condition()
        self._running = self._awaited = 0
        self._server, self._identity = self._listen()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="query server", daemon=True)
        self._thread.start()

    def ensure_named(self) -> bool:
        """Make sure that the socket's name leads to it; whether it had to be made again.

        Raises:
            OSError: it cannot be made.
        """
        if self._is_named():
            return False
        old, (self._server, self._identity) = self._server, self._listen()
        old.socket.shutdown(socket.SHUT_RDWR)
        return True

    def close(self) -> None:
        """Stop serving and remove the socket."""
        self._closing = True
        self._server.socket.shutdown(socket.SHUT_RDWR)  # ends the wait for a request
        self._thread.join()
        if self._is_named():
            self._path.unlink(missing_ok=True)

    @property
    def is_idle(self) -> bool:
        """Whether no query runs, neither of a client who has gone away meanwhile."""
        with self._changed:
            return self._running == 0

    def wait_until_answered(self) -> None:
        """Wait until every client has its answer, or has gone away."""
        with self._changed:
            self._changed.wait_for(lambda: self._awaited == 0)

    def _listen(self) -> "tuple[_Server, tuple[int, int]]":
        """A server on the socket's name, whatever has that, and which file it is."""
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        # By its descriptor, because the address of a socket has at most 107 bytes and a path may have more.
        folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            server = _Server(f"/proc/self/fd/{folder}/{self._path.name}", self._handler())
            found = os.stat(self._path.name, dir_fd=folder)
        finally:
            os.close(folder)
            os.umask(before)
        return server, (found.st_dev, found.st_ino)

    def _is_named(self) -> bool:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def _serve(self) -> None:
        """Wait for one request after the other; `serve_forever` would look twice a second whether it is to end."""
        while not self._closing:
            server = self._server
            server.handle_request()
            if server is not self._server:
                server.server_close()
        self._server.server_close()

    def _handler(self) -> type[socketserver.BaseRequestHandler]:
        server, query = self, self._query

        class Handler(socketserver.BaseRequestHandler):
            request: socket.socket

            def handle(self) -> None:
                self.request.settimeout(CLIENT_SECONDS)
                with server._counted() as leave:
                    try:
                        _answer(_Connection(self.request, leave), query)
                    except OSError as error:
                        LOGGER.info("a query's client went away: %s", error)

        return Handler

    @contextmanager
    def _counted(self) -> Iterator[Callable[[], None]]:
        """Count a query as running and awaited; gives what to call when nobody awaits it any more."""
        has_left = threading.Event()

        def leave() -> None:
            with self._changed:
                if not has_left.is_set():
                    has_left.set()
                    self._awaited -= 1
                    self._changed.notify_all()

        with self._changed:
            self._running += 1
            self._awaited += 1
        try:
            yield leave
        finally:
            leave()
            with self._changed:
                self._running -= 1


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


class _Connection:
    """The lines of one answer.

    Args:
        leave: called when the client has gone away.
    """

    def __init__(self, connection: socket.socket, leave: Callable[[], None]) -> None:
        self._connection = connection
        self._leave = leave
        self._sending = threading.Lock()

    def request(self) -> dict[str, Any]:
        """What the client asks.

        Raises:
            SinkError: it is no request.
        """
        received = bytearray()
        while len(received) <= MAX_REQUEST and (piece := self._connection.recv(65_536)):
            received += piece
        if len(received) > MAX_REQUEST:
            raise SinkError(f"the statement is longer than {MAX_REQUEST} bytes")
        try:
            request = json.loads(received)
            return {"statement": str(request["statement"]), "timeout": float(request["timeout"])}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise SinkError(f"{bytes(received[:80])!r} is no request: {error!r}") from error

    def line(self, text: str, content: bytes = b"") -> None:
        """Send a line, and what belongs to it."""
        with self._sending:
            self._connection.sendall(text.encode() + b"\n" + content)

    @contextmanager
    def signs_of_life(self) -> Iterator[None]:
        """Send one at once, and then one every second."""
        enough = threading.Event()

        def send() -> None:
            try:
                while not enough.is_set():
                    self.line("wait")
                    enough.wait(SIGN_SECONDS)
            except OSError:
                self._leave()

        sending = threading.Thread(target=send, name="signs of life", daemon=True)
        sending.start()
        try:
            yield
        finally:
            enough.set()
            sending.join()


def _answer(connection: _Connection, query: Query) -> None:
    try:
        with connection.signs_of_life():
            request = connection.request()
            for piece in query(request["statement"], request["timeout"]):
                connection.line(f"rows {len(piece)}", piece)
        connection.line("ok")
    except RingbufError as error:
        connection.line(f"error {json.dumps(error.described())}")
