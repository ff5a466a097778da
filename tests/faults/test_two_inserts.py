"""A large batch goes out as two inserts at the same time: one may fail, hang or lie, and the other must not suffer."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ringbuf.journal.step import Step
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.record.execution import EXECUTION
from ringbuf.sinks.clickhouse.table import header
from ringbuf.writer.load.batch import CONNECTIONS, WORTH_DIVIDING
from ringbuf.writer.load.verifier import VERIFY_SECONDS
from tests.proxy import (
    Exchange,
    Fault,
    Proxy,
    acknowledge,
    answer_with,
    cut_answer,
    cut_request,
    http,
    rows_inserted,
)
from tests.recorded import Recorded, check_stored, wait_stored
from tests.writer_process import WriterProcess

PER_RING = WORTH_DIVIDING // 4 + 100
RINGS = 6


@pytest.fixture
def database(emptied_database: str) -> str:
    return emptied_database


def is_large(exchange: Exchange) -> bool:
    """Whether it is one of the two inserts of a divided batch."""
    return exchange.is_insert and rows_inserted(exchange.request) > WORTH_DIVIDING // CONNECTIONS // 2


def is_question(exchange: Exchange) -> bool:
    """Whether it asks which records are stored."""
    questions = (b"uniqExact(record.seq)", b"SELECT DISTINCT toString(session), toString(seq)")
    return any(each in exchange.request.body for each in questions)


def delayed(go_on: threading.Event) -> Fault:
    """Nothing goes wrong, but not before `go_on` is set."""

    def play(exchange: Exchange) -> None:
        go_on.wait(30)
        exchange.reply(exchange.answer())

    return play


@pytest.fixture
def new_writer(data_dir: Path, proxy: Proxy, database: str) -> Iterator[WriterProcess]:
    """A writer behind the proxy that is not yet started: what is in the rings by then makes one batch, or few."""
    with WriterProcess(data_dir, "--clickhouse", proxy.url, "--database", database).start() as writer:
        writer.wait_running().stop()  # so that a later start does not need the database
        yield writer


@pytest.fixture
def rings(new_writer: WriterProcess) -> list[Recorded]:
    """Rings with more records than one insert is made for, and no writer yet."""
    assert not new_writer.is_alive
    made = [Recorded(f"ring-{number}") for number in range(RINGS)]
    for each in made:
        each.record(PER_RING)
    return made


FAULTS: dict[str, Fault] = {
    "its request is cut": cut_request(lambda request: len(request) // 2),
    "its answer is cut": cut_answer(lambda length: length // 2),
    "it is refused for now": answer_with(http(503, "Service Unavailable", b"later")),
    "it is acknowledged and not stored": acknowledge(rows_inserted),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
@pytest.mark.parametrize("times", [1, 3])
def test_when_one_of_two_inserts_fails_each_record_is_stored_once(
    fault: Fault,
    times: int,
    rings: list[Recorded],
    new_writer: WriterProcess,
    proxy: Proxy,
    clickhouse_server: ClickHouse,
    database: str,
) -> None:
    proxy.play(fault, times=times, applies=is_large)
    new_writer.start().wait_running()
    wait_stored(clickhouse_server, database, *rings)
    new_writer.stop()
    assert proxy.played >= min(times, CONNECTIONS)
    assert len(set(proxy.tokens)) >= CONNECTIONS
    with clickhouse_server.client() as client:
        check_stored(client, database, *rings)


def test_two_inserts_are_under_way_at_the_same_time_and_of_no_session_in_both(
    rings: list[Recorded], new_writer: WriterProcess, proxy: Proxy, clickhouse_server: ClickHouse, database: str
) -> None:
    both_there = threading.Barrier(CONNECTIONS, timeout=20)
    sessions: list[set[bytes]] = []

    def wait_for_the_other(exchange: Exchange) -> None:
        records = exchange.request.body.partition(header(EXECUTION))[2]
        size = EXECUTION.record_size
        sessions.append({records[begin : begin + 8] for begin in range(0, len(records), size)})
        both_there.wait()
        exchange.reply(exchange.answer())

    proxy.play(wait_for_the_other, times=CONNECTIONS, applies=is_large)
    new_writer.start().wait_running()
    wait_stored(clickhouse_server, database, *rings)
    new_writer.stop()
    one, other = sessions
    assert one and other and not one & other
    with clickhouse_server.client() as client:
        check_stored(client, database, *rings)


def test_while_one_insert_hangs_its_batch_is_not_overtaken_and_of_each_session_a_beginning_is_visible(
    rings: list[Recorded], new_writer: WriterProcess, proxy: Proxy, clickhouse_server: ClickHouse, database: str
) -> None:
    go_on = threading.Event()

    proxy.play(delayed(go_on), times=1, applies=is_large)
    new_writer.start().wait_running()
    proxy.wait_played()
    table = f"`{database}`.executions"
    with clickhouse_server.client() as client:

        def counts() -> dict[int, tuple[int, int]]:
            rows = client.query(f"SELECT session, count(), max(seq) + 1 FROM {table} GROUP BY session").result_rows
            return {session: (count, end) for session, count, end in rows}

        wait_until(lambda: bool(counts()), "the other insert is stored")
        for each in rings:
            each.record(50)
        wait_until(lambda: captured(new_writer) >= RINGS * (PER_RING + 50), "all is journaled")
        assert all(count == end for count, end in counts().values())
        held = {each.session for each in rings} - counts().keys()
        assert held and all(counts()[each.session][0] == PER_RING for each in rings if each.session not in held)
    go_on.set()
    wait_stored(clickhouse_server, database, *rings)
    new_writer.stop()
    with clickhouse_server.client() as client:
        check_stored(client, database, *rings)


def test_sending_goes_on_while_the_question_for_what_was_sent_is_not_answered(
    new_writer: WriterProcess, proxy: Proxy, clickhouse_server: ClickHouse, database: str
) -> None:
    ring = Recorded("mm")
    go_on = threading.Event()

    proxy.play(delayed(go_on), applies=is_question)
    new_writer.start().wait_running()
    for _ in range(5):
        ring.record(20)
        wait_stored(clickhouse_server, database, ring)
    proxy.wait_played()
    wait_until(lambda: captured(new_writer) == len(ring.expected), "the status tells of everything")
    assert checkpoint_of(new_writer) < durable_end_of(new_writer)
    go_on.set()
    wait_until(lambda: checkpoint_of(new_writer) == durable_end_of(new_writer), "everything is verified")
    new_writer.stop()
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)


def test_what_is_lost_while_a_question_is_on_its_way_is_found_by_the_next_one(
    new_writer: WriterProcess, proxy: Proxy, clickhouse_server: ClickHouse, database: str
) -> None:
    ring = Recorded("mm")
    go_on = threading.Event()

    proxy.play(delayed(go_on), times=1, applies=is_question)
    new_writer.start().wait_running()
    ring.record(20)
    proxy.wait_played()
    proxy.play(acknowledge(rows_inserted), times=1)
    ring.record(7)
    proxy.wait_played()
    go_on.set()
    wait_stored(clickhouse_server, database, ring)
    new_writer.stop()
    assert "the database lost 7 records it had acknowledged" in new_writer.log
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)


def test_the_first_records_of_a_ring_that_was_idle_for_long_are_loaded(
    new_writer: WriterProcess, clickhouse_server: ClickHouse, database: str
) -> None:
    ring = Recorded("mm")
    new_writer.start().wait_running()
    wait_until(lambda: new_writer.status()["rings"] == 1, "the ring is attached")
    time.sleep(2 * VERIFY_SECONDS)  # the loader finds a journal without records, and has no need to look again
    ring.record(3)
    wait_stored(clickhouse_server, database, ring)


@pytest.mark.parametrize("fate", ["both arrive late", "one arrives, one does not"])
def test_a_writer_killed_with_two_inserts_on_their_way_neither_loses_nor_doubles(
    fate: str,
    rings: list[Recorded],
    new_writer: WriterProcess,
    proxy: Proxy,
    clickhouse_server: ClickHouse,
    database: str,
) -> None:
    late: list[Callable[[], object]] = []
    both_there = threading.Barrier(CONNECTIONS + 1, timeout=20)

    def keep(exchange: Exchange) -> None:
        if fate == "both arrive late" or not late:
            late.append(exchange.answer)
        both_there.wait()
        exchange.wait_for_the_end()

    proxy.play(keep, times=CONNECTIONS, applies=is_large)
    new_writer.start().wait_running()
    both_there.wait()
    new_writer.kill()
    new_writer.start().wait_running()
    wait_stored(clickhouse_server, database, *rings)
    for arrive in late:
        arrive()
    for each in rings:
        each.record(10)
    wait_stored(clickhouse_server, database, *rings)
    new_writer.stop()
    with clickhouse_server.client() as client:
        check_stored(client, database, *rings)


def test_a_backlog_of_many_batches_read_ahead_survives_kills_with_every_value(
    rings: list[Recorded], new_writer: WriterProcess, clickhouse_server: ClickHouse, database: str
) -> None:
    kills = [(Step.BATCH_SENT, 5), (Step.INSERT_SENT, 4), (Step.BATCH_INTENDED, 7), (Step.INSERT_SENT, 7)]
    for kill_at in kills:
        new_writer.start(kill_at=kill_at).wait_killed()
    new_writer.start(kill_at=(Step.INSERT_SENT, 1 << 30)).wait_running()  # with small limits, and never
    wait_stored(clickhouse_server, database, *rings)
    new_writer.stop()
    with clickhouse_server.client() as client:
        check_stored(client, database, *rings)


def test_what_was_acknowledged_and_not_stored_is_sent_again_before_what_was_read_ahead(
    rings: list[Recorded], new_writer: WriterProcess, proxy: Proxy, clickhouse_server: ClickHouse, database: str
) -> None:
    """The first insert is lost; that is found out when a later batch is on its way and the one behind it is read."""
    go_on = threading.Event()

    def lose(exchange: Exchange) -> None:
        go_on.wait(30)
        acknowledge(rows_inserted)(exchange)

    proxy.play(lose, times=1)
    new_writer.start(kill_at=(Step.INSERT_SENT, 1 << 30)).wait_running()  # with small limits, and never
    proxy.wait_played()
    wait_until(lambda: captured(new_writer) == RINGS * PER_RING, "all is journaled")
    go_on.set()
    wait_stored(clickhouse_server, database, *rings)
    new_writer.stop()
    assert "records it had acknowledged" in new_writer.log
    with clickhouse_server.client() as client:
        check_stored(client, database, *rings)


def captured(writer: WriterProcess) -> int:
    """Records journaled, as the writer says."""
    found = writer.status()["captured"]
    assert isinstance(found, int)
    return found


def checkpoint_of(writer: WriterProcess) -> int:
    """Journal offset below which the database has everything, as the writer says."""
    return _journal(writer)["checkpoint"]


def durable_end_of(writer: WriterProcess) -> int:
    """Journal offset where the durable journal ends, as the writer says."""
    return _journal(writer)["durable"]


def _journal(writer: WriterProcess) -> dict[str, int]:
    found = writer.status()["journal"]
    assert isinstance(found, dict)
    return found
