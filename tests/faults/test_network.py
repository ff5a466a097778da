"""What lies between the writer and its database cuts, hangs, lies, or is gone."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.record.execution import EXECUTION
from tests.proxy import (
    Exchange,
    Message,
    Proxy,
    acknowledge,
    answer_with,
    cut_answer,
    cut_request,
    hang,
    hang_after_forwarding,
    header_in,
    http,
    rows_inserted,
)
from tests.recorded import Recorded, check_stored, wait_stored
from tests.writer_process import PatchedWriter, WriterProcess

REQUEST_CUTS: dict[str, Callable[[Message], int]] = {
    "before its first byte": lambda request: 0,
    "behind its first byte": lambda request: 1,
    "in the URL": lambda request: len(request.header) // 4,
    "in the header": lambda request: len(request.header) * 3 // 4,
    "before the header's last byte": lambda request: len(request.header) - 1,
    "behind the header": lambda request: len(request.header),
    "behind the body's first byte": lambda request: len(request.header) + 1,
    "in the statement": lambda request: len(request.header) + 100,
    "in the names of the columns": lambda request: (
        bytes(request).index(header_in(bytes(request))) + len(header_in(bytes(request))) // 2
    ),
    "between two records": lambda request: len(request) - 3 * EXECUTION.record_size,
    "inside a record": lambda request: len(request) - 3 * EXECUTION.record_size + 100,
    "before its last byte": lambda request: len(request) - 1,
    "behind its last byte": len,
}
ANSWER_CUTS: dict[str, Callable[[int], int]] = {
    "before its first byte": lambda length: 0,
    "behind its first byte": lambda length: 1,
    "in the status": lambda length: 12,
    "in the header": lambda length: length // 2,
    "before its last byte": lambda length: length - 1,
    "behind its last byte": lambda length: length,
}
GARBAGE: list[bytes] = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 SSH-2.0-OpenSSH_9.2\r\n",
    http(200, "OK", b"<html><body>Please log in</body></html>", "Content-Type: text/html\r\n"),
    http(200, "OK", b'{"error": "try later"}', "Content-Type: application/json\r\n"),
    http(200, "OK", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb", "Content-Encoding: gzip\r\n"),
    http(200, "OK", b""),
    http(500, "Internal Server Error", b"Code: 1. DB::Exception: something (UNSUPPORTED_METHOD)"),
    http(502, "Bad Gateway", b"<html>bad gateway</html>"),
    http(503, "Service Unavailable", b""),
    http(500, "Internal Server Error", b"Code: 202. DB::Exception: Too many", "X-ClickHouse-Exception-Code: 202\r\n"),
]


@pytest.fixture
def database(emptied_database: str) -> str:
    return emptied_database


class ImpatientWriter(PatchedWriter):
    """A writer that waits for an answer for a second, and not for a minute; too short for making a database."""

    patch = """
        from ringbuf.sinks.clickhouse.engine import Server
        Server.__init__.__kwdefaults__["timeout"] = 1
    """


@pytest.mark.parametrize("cuts", [REQUEST_CUTS, ANSWER_CUTS], ids=["request", "answer"])
def test_a_connection_cut_anywhere_neither_loses_nor_doubles(
    cuts: dict[str, Callable[[Any], int]],
    writer: WriterProcess,
    proxy: Proxy,
    clickhouse_server: ClickHouse,
    database: str,
) -> None:
    ring = Recorded("mm")
    ring.record(5)
    wait_stored(clickhouse_server, database, ring)
    for position in cuts.values():
        proxy.play(cut_request(position) if cuts is REQUEST_CUTS else cut_answer(position), times=1)
        ring.record(7)
        proxy.wait_played()
        wait_stored(clickhouse_server, database, ring)
    writer.stop()
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)


def test_a_retry_is_the_very_insert_that_was_cut_off_with_its_token(
    writer: WriterProcess, proxy: Proxy, clickhouse_server: ClickHouse, database: str
) -> None:
    ring = Recorded("mm")
    proxy.play(cut_request(lambda request: len(request) - 1), times=3)
    ring.record(5)
    proxy.wait_played(3)
    ring.record(5)  # must not be taken into the insert that is in doubt
    wait_stored(clickhouse_server, database, ring)
    writer.stop()
    assert len(proxy.tokens) >= 5
    assert len(set(proxy.tokens[:4])) == 1
    assert {each["async_insert"] for each in proxy.inserts} == {"0"}
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)


def test_a_server_that_answers_garbage_neither_loses_nor_doubles(
    writer: WriterProcess, proxy: Proxy, clickhouse_server: ClickHouse, database: str
) -> None:
    ring = Recorded("mm")
    ring.record(5)
    wait_stored(clickhouse_server, database, ring)
    for garbage in GARBAGE:
        proxy.play(answer_with(garbage), times=1)
        ring.record(7)
        proxy.wait_played()
        proxy.play(answer_with(garbage), times=1, applies=lambda _: True)  # the question what is missing
        proxy.wait_played()
        wait_stored(clickhouse_server, database, ring)
    writer.stop()
    assert writer.status()["quarantined"] == 0
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)


def test_a_server_that_hangs_is_given_up_and_asked_again(
    writer: WriterProcess, proxy: Proxy, data_dir: Path, clickhouse_server: ClickHouse, database: str
) -> None:
    """Before it has inserted, after it has, and when it is asked what is missing; longer than the writer waits."""
    ring = Recorded("mm")
    writer.stop()  # it has made the database
    arguments = ["--clickhouse", proxy.url, "--database", database, "--flush-ms", "10"]
    with ImpatientWriter(data_dir, *arguments) as writer:
        writer.wait_running()
        for fault in (hang, hang_after_forwarding):
            proxy.play(fault, times=1)
            ring.record(7)
            proxy.wait_played()
            proxy.play(hang, times=1, applies=lambda exchange: not exchange.is_insert)
            proxy.wait_played()
            wait_stored(clickhouse_server, database, ring)
        writer.stop()
    assert "timed out" in writer.log
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)


def test_a_hanging_server_does_not_keep_the_rings_from_being_drained(
    writer: WriterProcess, proxy: Proxy, clickhouse_server: ClickHouse, database: str
) -> None:
    ring = Recorded("mm", capacity=1024)
    proxy.play(hang, applies=lambda _: True)
    for _ in range(20):
        ring.record(512)
        wait_until(lambda: ring.recorder.producer.lag == 0, "the ring is drained")
    proxy.behave()
    proxy.cut()
    wait_stored(clickhouse_server, database, ring)
    writer.stop()
    assert ring.recorder.producer.dropped == 0
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)


def test_a_writer_told_to_stop_while_the_database_hangs_ends_and_the_next_one_stores(
    proxy: Proxy, data_dir: Path, clickhouse_server: ClickHouse, database: str
) -> None:
    ring = Recorded("mm")
    target = ["--clickhouse", proxy.url, "--database", database]
    with WriterProcess(data_dir, *target, "--stop-timeout", "2") as writer:
        writer.wait_running()
        ring.record(10)
        wait_stored(clickhouse_server, database, ring)
        proxy.play(hang, applies=lambda _: True)
        ring.record(10)
        proxy.wait_played()
        ring.record(10)
        began = time.monotonic()
        writer.stop()
        assert time.monotonic() - began < 6.0, "whatever it is that hangs, twice that is waited at most"
        assert ring.recorder.producer.lag == 0
    proxy.behave()
    with WriterProcess(data_dir, *target) as next_writer:
        next_writer.wait_running().stop()
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)


def test_a_server_that_acknowledges_and_stores_nothing_is_found_out(
    writer: WriterProcess, proxy: Proxy, clickhouse_server: ClickHouse, database: str
) -> None:
    """At a first try, without any doubt; and again and again."""
    ring = Recorded("mm")
    ring.record(5)
    wait_stored(clickhouse_server, database, ring)
    for times in (1, 4):
        proxy.play(acknowledge(rows_inserted), times=times)
        ring.record(7)
        proxy.wait_played(times)
        ring.record(7)
        wait_stored(clickhouse_server, database, ring)
    writer.stop()
    assert "the database lost 7 records it had acknowledged" in writer.log
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)


def test_a_token_burnt_by_a_crash_is_replaced(
    writer: WriterProcess, proxy: Proxy, clickhouse_server: ClickHouse, database: str
) -> None:
    """The first try is cut off, the second acknowledged without being stored: the server believes to know the token."""
    ring = Recorded("mm")
    ring.record(5)
    wait_stored(clickhouse_server, database, ring)
    proxy.inserts.clear()
    proxy.play(cut_request(lambda request: 100), times=1)
    ring.record(7)
    proxy.wait_played()
    proxy.play(acknowledge(rows_inserted), times=2)
    proxy.wait_played(2)
    wait_stored(clickhouse_server, database, ring)
    writer.stop()
    first = proxy.tokens[0]
    assert proxy.tokens[:4] == [first, first, f"{first}/r1", f"{first}/r2"]
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)


def test_records_acknowledged_and_not_stored_survive_the_death_of_the_writer(
    writer: WriterProcess, proxy: Proxy, clickhouse_server: ClickHouse, database: str
) -> None:
    """An acknowledgement alone moves no checkpoint: whoever comes next asks again."""
    ring = Recorded("mm")
    ring.record(5)
    wait_stored(clickhouse_server, database, ring)
    proxy.play(acknowledge(rows_inserted))
    ring.record(700)
    proxy.wait_played()
    writer.kill()
    proxy.behave()
    writer.start().wait_running()
    writer.stop()
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)


def test_an_insert_that_arrives_after_its_writer_died_and_the_next_one_sent_it_again_counts_once(
    writer: WriterProcess, proxy: Proxy, clickhouse_server: ClickHouse, database: str
) -> None:
    """The next writer sends the very batch that was on its way, although more records wait by then."""
    ring = Recorded("mm")
    ring.record(5)
    wait_stored(clickhouse_server, database, ring)
    late: list[Exchange] = []

    def hold(exchange: Exchange) -> None:
        late.append(exchange)
        exchange.wait_for_the_end()

    proxy.play(hold, times=1)
    ring.record(5)
    proxy.wait_played()
    ring.record(5)
    wait_until(lambda: ring.recorder.producer.lag == 0, "the ring is drained")
    writer.kill()
    writer.start()
    wait_stored(clickhouse_server, database, ring)
    late[0].answer()
    writer.stop()
    assert proxy.tokens.count(late[0].token) == 2
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)
