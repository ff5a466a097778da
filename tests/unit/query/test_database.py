"""Asking the writer of a data directory."""

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ringbuf.errors import ConfigurationError, SinkUnavailable
from ringbuf.launch.waiting import wait_until
from ringbuf.query.database import ask_writer
from ringbuf.state import query_client
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.query_server import QueryServer


def test_a_statement_is_answered_with_its_rows(tmp_path: Path) -> None:
    server = QueryServer(
        DataDirectory(tmp_path).query_socket, lambda statement, _: [f'{{"asked":"{statement}"}}\n'.encode()] * 100_000
    )
    try:
        assert ask_writer(tmp_path, "žluť") == '{"asked":"žluť"}\n'.encode() * 100_000
    finally:
        server.close()


def test_what_the_database_refuses_is_an_error_with_its_words(tmp_path: Path) -> None:
    def refuse(_: str, __: float) -> Iterable[bytes]:
        raise SinkUnavailable("no such table", "make one")

    server = QueryServer(DataDirectory(tmp_path).query_socket, refuse)
    try:
        with pytest.raises(SinkUnavailable, match=r"^no such table; make one$"):
            ask_writer(tmp_path, "SELECT")
    finally:
        server.close()


def test_the_path_of_the_directory_may_be_longer_than_the_address_of_a_socket(tmp_path: Path) -> None:
    (tmp_path / "short").mkdir()
    server = QueryServer(DataDirectory(tmp_path / "short").query_socket, lambda _, __: [b"{}\n"])
    moved = (tmp_path / "short").rename(tmp_path / ("x" * 200))
    try:
        assert ask_writer(moved, "SELECT") == b"{}\n"
    finally:
        server.close()


def test_a_writer_that_ends_before_it_answers_is_an_error(tmp_path: Path) -> None:
    def accept_and_leave() -> None:
        connection, _ = listening.accept()
        while connection.recv(4096):
            pass
        connection.close()

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(DataDirectory(tmp_path).query_socket))
        listening.listen()
        leaving = threading.Thread(target=accept_and_leave)
        leaving.start()
        with pytest.raises(ConnectionError, match="ended before it had answered"):
            ask_writer(tmp_path, "SELECT")
        leaving.join()


@pytest.mark.parametrize("is_left", [True, False])
def test_without_a_writer_there_is_nobody_to_ask(is_left: bool, tmp_path: Path) -> None:
    if is_left:
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(DataDirectory(tmp_path).query_socket))
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        ask_writer(tmp_path, "SELECT")


# What the process that answers says while it does


def asking(path: Path, timeout: float) -> bytes:
    return b"".join(query_client.ask(path, "SELECT", timeout))


@contextmanager
def answered_after(event: threading.Event, path: Path) -> Iterator[QueryServer]:
    """A server whose answers wait for an event."""

    def slow(_: str, __: float) -> Iterator[bytes]:
        event.wait()
        yield b"{}\n"

    server = QueryServer(path, slow)
    try:
        yield server
    finally:
        server.close()


@pytest.mark.parametrize("timeout", [0.3, 1.5])
def test_a_process_that_takes_long_is_no_process_that_hangs(timeout: float, tmp_path: Path) -> None:
    path, answering = DataDirectory(tmp_path).query_socket, threading.Event()
    with answered_after(answering, path):
        with pytest.raises(query_client.Busy):
            asking(path, timeout)
        answering.set()
        assert asking(path, 30.0) == b"{}\n"


def test_a_process_that_gives_no_sign_of_life_hangs(tmp_path: Path) -> None:
    path = DataDirectory(tmp_path).query_socket
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        with pytest.raises(query_client.Silent) as raised:
            asking(path, 0.2)
    assert raised.value.seconds == 0.2


@pytest.mark.parametrize(
    "line",
    [
        b"error code 62 SYNTAX_ERROR: Syntax error: failed at position 1\n",  # so 0.1.0 takes a request of ours
        b"ok 12\n",
        b"rows many\n",
        b"error []\n",
        b"\xff\n",
        b"a line of a later release\n",
    ],
)
def test_a_writer_of_another_release_is_named_as_one(line: bytes, tmp_path: Path) -> None:
    def answer() -> None:
        connection, _ = listening.accept()
        with connection:
            while connection.recv(4096):
                pass
            connection.sendall(b"wait\n" + line)

    path = DataDirectory(tmp_path).query_socket
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(ConfigurationError, match=r"of another release.*; start the writer again"):
            asking(path, 5.0)
        answering.join()


def test_an_answer_that_breaks_off_is_none(tmp_path: Path) -> None:
    def breaking(_: str, __: float) -> Iterator[bytes]:
        yield b'{"x":1}\n'
        raise SinkUnavailable("away", "wait")

    server = QueryServer(DataDirectory(tmp_path).query_socket, breaking)
    pieces: list[bytes] = []
    try:
        with pytest.raises(SinkUnavailable, match=r"^away; wait$"):
            pieces.extend(query_client.ask(DataDirectory(tmp_path).query_socket, "SELECT", 5.0))
    finally:
        server.close()


def test_a_query_whose_client_has_gone_is_awaited_by_nobody(tmp_path: Path) -> None:
    path, ending = DataDirectory(tmp_path).query_socket, threading.Event()
    with answered_after(ending, path) as server:
        with pytest.raises(query_client.Busy):
            asking(path, 0.5)
        server.wait_until_answered()
        assert not server.is_idle
        ending.set()
        wait_until(lambda: server.is_idle, "the query has ended")


@pytest.mark.parametrize(
    "request_bytes", [b"", b"SELECT 1", b"[]", b'{"statement": "SELECT 1"}', b"\xff" * 100, b"[" * 10**5]
)
def test_what_is_no_request_is_refused(request_bytes: bytes, tmp_path: Path) -> None:
    path = DataDirectory(tmp_path).query_socket
    server = QueryServer(path, lambda _, __: [b"{}\n"])
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(request_bytes)
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as answer:
                lines = [line for line in answer if line != b"wait\n"]
    finally:
        server.close()
    assert len(lines) == 1
    assert lines[0].startswith(b'error {"kind": "SinkError", "error": ')
    assert b"is no request" in lines[0]
