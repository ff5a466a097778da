"""Asking the writer of a data directory."""

import socket
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from ringbuf.errors import SinkUnavailable
from ringbuf.query.database import ask_writer
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
