"""A proxy in front of a real ClickHouse server that misbehaves on command.

It understands as much HTTP as it takes to know where a request and an answer begin and end. What it does with a request
is a `Fault`: a function that is given the `Exchange` and may forward it in part, answer in the server's name, or leave
it unanswered. Without a fault everything passes unchanged, each request over a connection of its own.
"""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

from ringbuf.launch.port import free_port
from ringbuf.launch.waiting import wait_until
from ringbuf.record.execution import EXECUTION
from ringbuf.sinks.clickhouse import row_binary
from ringbuf.sinks.clickhouse.table import column_type, header

_PIECE: Final = 1 << 16
_RESET: Final = struct.pack("ii", 1, 0)
_TYPES: Final = {name: column_type(EXECUTION, name) for name in EXECUTION.names}
_OF_ROWS: Final = row_binary.header(_TYPES)
SUMMARY: Final = (
    '{{"read_rows":"{rows}","read_bytes":"{size}","written_rows":"{rows}","written_bytes":"{size}",'
    '"total_rows_to_read":"0","result_rows":"{rows}","result_bytes":"{size}","elapsed_ns":"8000000"}}'
)


@dataclass(frozen=True)
class Message:
    """A request or an answer: the header with its empty line, and the body as it is on the wire."""

    header: bytes
    body: bytes

    def __bytes__(self) -> bytes:
        return self.header + self.body

    def __len__(self) -> int:
        return len(self.header) + len(self.body)


class Cut(Exception):
    """The other side closed its connection in the middle of a message, or before one."""


@dataclass
class Exchange:
    """A request on its way through the proxy.

    Attributes:
        request: as the writer sent it.
        parameters: those of the URL: the settings, and the statement unless it is the body.
    """

    request: Message
    parameters: dict[str, str]
    _client: socket.socket = field(repr=False)
    _connect: Callable[[], socket.socket] = field(repr=False)

    @property
    def token(self) -> str:
        """Deduplication token, "" if it is no insert of records."""
        return self.parameters.get("insert_deduplication_token", "")

    @property
    def is_insert(self) -> bool:
        """Whether records are to be inserted."""
        return bool(self.token)

    def forward(self, content: bytes) -> None:
        """Send bytes to the server, and nothing more; whatever it says to that is lost."""
        server = self._connect()
        server.sendall(content)
        server.shutdown(socket.SHUT_WR)
        # The library's server aborts if it cannot send that half a header is no request: somebody must listen to it.
        threading.Thread(target=_listen_to, args=(server,), name="cut off", daemon=True).start()

    def answer(self) -> bytes:
        """Forward the whole request and receive the whole answer, or what the server sent of it before it died."""
        with self._connect() as server:
            server.sendall(bytes(self.request))
            received = bytearray()
            try:
                return bytes(receive(server, received))
            except (Cut, OSError):
                return bytes(received)

    def reply(self, content: bytes) -> None:
        """Send bytes to the writer."""
        self._client.sendall(content)

    def wait_for_the_end(self) -> None:
        """Wait until the writer or the proxy's owner closes the connection."""
        while self._client.recv(_PIECE):
            pass


Fault = Callable[[Exchange], None]
"""Raises `Cut` to have the writer's connection closed."""


def cut_request(position: Callable[[Message], int]) -> Fault:
    """The server gets the first `position(request)` bytes, the writer a closed connection."""

    def play(exchange: Exchange) -> None:
        exchange.forward(bytes(exchange.request)[: position(exchange.request)])
        raise Cut

    return play


def cut_answer(position: Callable[[int], int]) -> Fault:
    """The server gets everything, the writer the first `position(length)` bytes of the answer."""

    def play(exchange: Exchange) -> None:
        content = exchange.answer()
        exchange.reply(content[: position(len(content))])
        raise Cut

    return play


def hang(exchange: Exchange) -> None:
    """The request is read and nothing ever answered."""
    exchange.wait_for_the_end()
    raise Cut


def hang_after_forwarding(exchange: Exchange) -> None:
    """The server does its work; the writer never hears of it."""
    exchange.answer()
    exchange.wait_for_the_end()
    raise Cut


def answer_with(content: bytes) -> Fault:
    """These bytes are the answer; the server hears nothing."""

    def play(exchange: Exchange) -> None:
        exchange.reply(content)
        raise Cut

    return play


def acknowledge(rows: Callable[[Message], int]) -> Fault:
    """The writer is told that its records were inserted; the server hears nothing."""

    def play(exchange: Exchange) -> None:
        summary = SUMMARY.format(rows=rows(exchange.request), size=len(exchange.request.body))
        exchange.reply(http(200, "OK", b"", f"X-ClickHouse-Summary: {summary}\r\n"))

    return play


def header_in(content: bytes) -> bytes:
    """What stands before the records in an insert, as bytes or as rows."""
    return next(each for each in (header(EXECUTION), _OF_ROWS) if each in content)


def rows_inserted(request: Message) -> int:
    """Records in the body of an insert."""
    found = header_in(request.body)
    records = request.body.partition(found)[2]
    return len(records) // EXECUTION.record_size if found != _OF_ROWS else _count_rows(records)


def _count_rows(rows: bytes) -> int:
    at = count = 0
    while at < len(rows):
        for name in EXECUTION.names:
            size = EXECUTION.dtype[name].itemsize
            if "String" in _TYPES[name]:
                size, at = (rows[at], at + 1) if rows[at] < 128 else (rows[at] % 128 + 128 * rows[at + 1], at + 2)
            at += size
        count += 1
    return count


def http(status: int, reason: str, body: bytes, headers: str = "") -> bytes:
    """An HTTP answer."""
    return f"HTTP/1.1 {status} {reason}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Proxy:
    """Listens on a port of its own until it is closed.

    Args:
        host, port: the server.

    Attributes:
        url: as `ringbuf writer --clickhouse` takes it.
        inserts: parameters of the inserts that came, in order, whatever became of them.
        played: how many requests met a fault.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._address = ("127.0.0.1", free_port())
        self.url = f"http://{self._address[0]}:{self._address[1]}"
        self.inserts: list[dict[str, str]] = []
        self.played = 0
        self._lock = threading.Lock()
        self._fault: Fault | None = None
        self._applies: Callable[[Exchange], bool] = lambda _: True
        self._left = 0
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self.listen()

    @property
    def tokens(self) -> list[str]:
        """Deduplication tokens of the inserts that came, in order."""
        return [each["insert_deduplication_token"] for each in self.inserts]

    def play(
        self,
        fault: Fault,
        *,
        times: int = 1 << 30,
        applies: Callable[[Exchange], bool] = lambda exchange: exchange.is_insert,
    ) -> None:
        """Play a fault for the next requests it applies to, by default for inserts of records."""
        with self._lock:
            self._fault, self._left, self._applies, self.played = fault, times, applies, 0

    def behave(self) -> None:
        """Let everything pass."""
        with self._lock:
            self._left = 0

    def wait_played(self, times: int = 1) -> None:
        """Wait until the fault has met that many requests."""
        wait_until(lambda: self.played >= times, f"{times} requests met the fault")

    def cut(self) -> None:
        """Reset all connections of the writer, whatever is under way."""
        with self._lock:
            for each in self._open:
                _reset(each)

    def refuse(self) -> None:
        """Let nobody connect, and cut who is connected."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.cut()

    def listen(self) -> None:
        """Let clients connect."""
        if self._listener is not None:
            return
        self._listener = socket.create_server(self._address)
        threading.Thread(target=self._accept, args=(self._listener,), name="proxy", daemon=True).start()

    def close(self) -> None:
        """Stop listening and cut everybody off."""
        self.refuse()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(client)
            threading.Thread(target=self._serve, args=(client,), name="proxied", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            while True:
                self._exchange(client)
        except (Cut, OSError):
            pass
        finally:
            with self._lock:
                self._open.discard(client)
                client.close()

    def _exchange(self, client: socket.socket) -> None:
        exchange = self._received(client)
        fault = self._fault_for(exchange)
        if fault is not None:
            fault(exchange)
            return
        content = exchange.answer()
        exchange.reply(content)
        if not content:
            raise Cut

    def _received(self, client: socket.socket) -> Exchange:
        request = receive(client, bytearray())
        parameters = dict(parse_qsl(urlsplit(request.header.split(b" ", 2)[1].decode()).query))
        return Exchange(request, parameters, client, lambda: socket.create_connection(self._server, timeout=60))

    def _fault_for(self, exchange: Exchange) -> Fault | None:
        with self._lock:
            if exchange.is_insert:
                self.inserts.append(exchange.parameters)
            if self._left <= 0 or not self._applies(exchange):
                return None
            self._left -= 1
            self.played += 1
            return self._fault


def receive(connection: socket.socket, received: bytearray) -> Message:
    """Receive one message.

    Args:
        received: gets the bytes, also those of a message that is cut short.

    Raises:
        Cut: the connection was closed before the message's end.
    """
    while (end := received.find(b"\r\n\r\n") + 4) < 4:
        _more(connection, received)
    header = bytes(received[:end])
    fields = dict(line.lower().split(b":", 1) for line in header.split(b"\r\n")[1:-2])
    if fields.get(b"transfer-encoding", b"").strip() == b"chunked":
        length = _chunked_length(connection, received, end)
    else:
        length = int(fields.get(b"content-length", b"0"))
        while len(received) < end + length:
            _more(connection, received)
    return Message(header, bytes(received[end : end + length]))


def _chunked_length(connection: socket.socket, received: bytearray, begin: int) -> int:
    position, size = begin, -1
    while size:
        while (line_end := received.find(b"\r\n", position)) < 0:
            _more(connection, received)
        size = int(received[position:line_end].split(b";")[0], 16)
        position = line_end + 2 + size + 2
        while len(received) < position:
            _more(connection, received)
    return position - begin


def _more(connection: socket.socket, received: bytearray) -> None:
    piece = connection.recv(_PIECE)
    if not piece:
        raise Cut
    received += piece


def _listen_to(server: socket.socket) -> None:
    with server, suppress(OSError):
        while server.recv(_PIECE):
            pass


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    with suppress(OSError):  # the other side was faster
        connection.shutdown(socket.SHUT_RDWR)
