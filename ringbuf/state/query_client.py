"""Asks the process that serves the socket of a data directory; `query_server` has the protocol."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from ringbuf.errors import ConfigurationError, RingbufError

SILENT_SECONDS: Final = 10.0
"""Whoever gives no sign of life for so long hangs."""


class Silent(TimeoutError):
    """The process has the socket and gives no sign of life; for how many `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no sign of life for {seconds:g} s")
        self.seconds = seconds


class Busy(TimeoutError):
    """The process is at it and has no answer in time."""


def ask(path: Path, statement: str, timeout: float) -> Iterator[bytes]:
    """The rows of a statement as JSONEachRow, cut anywhere.

    Args:
        path: the socket.
        timeout: seconds to wait for the first row, and for each piece after it.

    Raises:
        ConnectionError, FileNotFoundError: nobody serves there, or who did so has ended.
        Silent, Busy: the answer does not come.
        RingbufError: what the process says.
        ConfigurationError: the socket belongs to somebody else, or the process is of another release.
    """
    patience = min(timeout, SILENT_SECONDS)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(patience)
        try:
            _connect(connection, path)
            connection.sendall(json.dumps({"statement": statement, "timeout": timeout}).encode())
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as answer:
                yield from _rows(answer, timeout)
        except Busy:
            raise
        except (TimeoutError, BlockingIOError) as error:  # the latter: more clients wait than the socket has room for
            raise Silent(patience) from error


def _rows(answer: BinaryIO, timeout: float) -> Iterator[bytes]:
    deadline = time.monotonic() + timeout
    has_sign = False
    while True:
        try:
            line = answer.readline()
        except TimeoutError as error:
            if has_sign and timeout < SILENT_SECONDS:  # it lived a moment ago, and may
                raise Busy from error
            raise
        has_sign = True
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the process ended before it had answered")
        word, _, rest = line.decode(errors="replace").strip().partition(" ")
        match word:
            case "wait":
                if time.monotonic() > deadline:
                    raise Busy
            case "rows" if rest.isdecimal():
                piece = answer.read(int(rest))
                if len(piece) < int(rest):
                    raise ConnectionResetError("the process ended before it had answered all")
                yield piece
                deadline = time.monotonic() + timeout
            case "ok" if not rest:
                return
            case _:
                raise _error(word, rest)


def _error(word: str, rest: str) -> RingbufError:
    """The error that ends an answer; a process of another release, as after an upgrade, may answer in another way."""
    with suppress(ValueError, LookupError, TypeError, AttributeError):
        if word == "error":
            return RingbufError.from_described(json.loads(rest))
    return ConfigurationError(
        f"the process that answers is of another release; it says {f'{word} {rest}'.strip()[:200]!r}",
        "start the writer again, with the release of this tool",
    )


def _connect(connection: socket.socket, path: Path) -> None:
    """Connect however long the path is: a socket's address is limited to 107 bytes."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    except PermissionError as error:
        raise ConfigurationError(
            f"the process that serves {path} cannot be asked: {error.strerror}", "run this as the user of the writer"
        ) from error
    finally:
        os.close(folder)
