"""Answers read-only SQL on a Unix socket in the data directory.

The embedded database can be opened by one process only, and that is the writer: this is the way in for everybody else.
One statement per connection: the client sends it as UTF-8 and shuts down its sending side; the answer is a line
`ok BYTES` and so many bytes of rows as JSONEachRow, or a line `error MESSAGE`.
"""

import logging
import os
import socket
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ringbuf.errors import RingbufError

LOGGER: Final = logging.getLogger("ringbuf.writer")
MAX_STATEMENT: Final = 256 * 1024
TIMEOUT_SECONDS: Final = 60.0


class QueryServer:
    """Serves a socket from threads of its own.

    Args:
        query: runs one statement read-only and returns its rows as JSONEachRow; raises RingbufError.
    """

    def __init__(self, path: Path, query: Callable[[str], bytes]) -> None:
        self._path = path
        self._path.unlink(missing_ok=True)  # left by a writer that was killed; the directory's lock is ours
        before = os.umask(0o177)
        # By its descriptor, because the address of a socket has at most 107 bytes and a path may have more.
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            self._server = _Server(f"/proc/self/fd/{folder}/{path.name}", _handler(query))
        finally:
            os.close(folder)
            os.umask(before)
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="query server", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and remove the socket."""
        self._closing = True
        self._server.socket.shutdown(socket.SHUT_RDWR)  # ends the wait for a request
        self._thread.join()
        self._server.server_close()
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        """Wait for one request after the other; `serve_forever` would look twice a second whether it is to end."""
        while not self._closing:
            self._server.handle_request()


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False


def _handler(query: Callable[[str], bytes]) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        request: socket.socket

        def handle(self) -> None:
            self.request.settimeout(TIMEOUT_SECONDS)
            try:
                self.request.sendall(_answer(query, _receive(self.request)))
            except OSError as error:
                LOGGER.info("a query's client went away: %s", error)

    return Handler


def _receive(connection: socket.socket) -> bytes:
    statement = bytearray()
    while len(statement) <= MAX_STATEMENT and (piece := connection.recv(65_536)):
        statement += piece
    return bytes(statement)


def _answer(query: Callable[[str], bytes], statement: bytes) -> bytes:
    if len(statement) > MAX_STATEMENT:
        return f"error the statement is longer than {MAX_STATEMENT} bytes\n".encode()
    try:
        rows = query(statement.decode())
        return f"ok {len(rows)}\n".encode() + rows
    except UnicodeDecodeError as error:
        return f"error the statement is not UTF-8: {error}\n".encode()
    except RingbufError as error:
        return f"error {' '.join(str(error).split())}\n".encode()
