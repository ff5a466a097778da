"""One connection of the loader, with a real server and what owners attach to their tables."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringbuf.errors import SinkUnavailable
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.record.execution import EXECUTION
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.quarantine import Quarantine
from ringbuf.state.verified import VerifiedFile, load
from ringbuf.writer.derive.derivation import Derivation
from ringbuf.writer.load.batch import Insert, Piece
from ringbuf.writer.load.connection import Connection, Shared
from ringbuf.writer.load.latency import Latency
from ringbuf.writer.load.resend import TOKENS, resend
from ringbuf.writer.load.tables import Tables
from ringbuf.writer.problems import Problems
from tests.clickhouse.databases import executions, server_of

SESSION = 7


class FailingOnce(ClickHouseSink):
    """A sink whose server goes away once between the table and its views."""

    failed = False

    def _ensure_views(self) -> None:
        if not self.failed:
            self.failed = True
            raise SinkUnavailable("the server went away")
        super()._ensure_views()


class Loading:
    """A connection with all it needs."""

    def __init__(self, sink: ClickHouseSink, directory: Path) -> None:
        self.problems, self.quarantine = Problems(), Quarantine(DataDirectory(directory).quarantine)
        self.verified = VerifiedFile.open(DataDirectory(directory), sink.destination, 1, self.problems.report)
        derivation = Derivation(lambda: sink, DataDirectory(directory).rebuild, self.problems)
        shared = Shared(
            Tables(), self.quarantine, self.verified, Latency(), self.problems, threading.Event(), derivation
        )
        self.connection = Connection(sink, shared, patience=10.0, dividing_seconds=10.0)

    def deliver(self, insert: Insert) -> None:
        self.connection.deliver(insert, doubt=False)


def insert_of(count: int, session: int = SESSION) -> Insert:
    records = executions([{"order_id": "o"}] * count, session=session)
    return Insert(EXECUTION, [Piece(Range(session, 0, count), memoryview(records.tobytes()))])


@pytest.fixture
def sink(clickhouse_server: ClickHouse, database: str) -> Iterator[ClickHouseSink]:
    made = FailingOnce(server_of(clickhouse_server), database)
    made.failed = True
    made.prepare()
    made.ensure(EXECUTION)
    yield made
    made.close()


@pytest.fixture
def loading(sink: ClickHouseSink, tmp_path: Path) -> Loading:
    return Loading(sink, tmp_path)


def test_rows_of_an_owners_view_in_the_answer_are_no_reason_for_doubt(
    loading: Loading, clickhouse_server: ClickHouse, database: str
) -> None:
    clickhouse_server.command(f"CREATE TABLE {database}.counts (n UInt64) ENGINE = MergeTree ORDER BY n")
    clickhouse_server.command(
        f"CREATE MATERIALIZED VIEW {database}.counting TO {database}.counts"
        f" AS SELECT count() AS n FROM {database}.executions"
    )
    loading.deliver(insert_of(100))
    assert (loading.connection.stored, loading.problems.counts(), loading.connection.error) == (100, {}, None)
    assert clickhouse_server.rows(f"SELECT n FROM {database}.counts") == [(100,)]


def test_what_an_owners_view_refuses_is_told_and_neither_quarantined_nor_stored_twice(
    loading: Loading, clickhouse_server: ClickHouse, database: str
) -> None:
    clickhouse_server.command(f"CREATE TABLE {database}.seqs (seq UInt64) ENGINE = MergeTree ORDER BY seq")
    clickhouse_server.command(
        f"CREATE MATERIALIZED VIEW {database}.refusing TO {database}.seqs"
        f" AS SELECT seq + throwIf(seq = 37) AS seq FROM {database}.executions"
    )
    loading.deliver(insert_of(100))
    query = f"SELECT count(), uniqExact(seq) FROM {database}.executions WHERE session = {SESSION}"
    assert clickhouse_server.rows(query) == [(100, 100)]
    assert (loading.quarantine.count, loading.problems.counts()) == (0, {"SinkRefused": 1})
    assert loading.connection.error is None, "the database has answered"


def test_views_are_made_although_the_server_went_away_between_the_table_and_them(
    sink: FailingOnce, loading: Loading, clickhouse_server: ClickHouse, database: str
) -> None:
    clickhouse_server.command(f"DROP TABLE {database}.executions SYNC")
    sink.failed = False
    loading.deliver(insert_of(1))
    assert sink.failed
    assert clickhouse_server.rows(f"SELECT count() FROM {database}.reckoned_orders") == [(1,)]


def burn(sink: ClickHouseSink, insert: Insert, attempts: int) -> None:
    """Have the server take the next insert for a copy, as one does that was killed before it had stored the first."""
    for attempt in range(attempts):
        sink.insert(EXECUTION, insert_of(1, session=100 + attempt).body, 1, f"{insert.token}/resent{attempt}")


def test_a_token_burnt_by_a_crash_of_the_server_loses_nothing_of_what_is_sent_again(
    sink: ClickHouseSink, loading: Loading, clickhouse_server: ClickHouse, database: str, tmp_path: Path
) -> None:
    insert = insert_of(1)
    loading.quarantine.add_records(EXECUTION, *insert.pieces[0], "a constraint")
    burn(sink, insert, 1)
    assert resend(DataDirectory(tmp_path), sink).stored == 1
    query = f"SELECT count() FROM {database}.executions WHERE session = {SESSION}"
    assert clickhouse_server.rows(query) == [(1,)]
    assert Quarantine(DataDirectory(tmp_path).quarantine).count == 0


def test_what_is_acknowledged_again_and_again_and_never_there_stays_in_quarantine(
    sink: ClickHouseSink, loading: Loading, tmp_path: Path
) -> None:
    insert = insert_of(1)
    loading.quarantine.add_records(EXECUTION, *insert.pieces[0], "a constraint")
    burn(sink, insert, TOKENS)
    with pytest.raises(SinkUnavailable, match="does not have them; they stay in quarantine"):
        resend(DataDirectory(tmp_path), sink)
    assert Quarantine(DataDirectory(tmp_path).quarantine).count == 1


def test_what_the_tables_ttl_takes_is_sent_no_more_by_the_loader_nor_again_from_quarantine(
    sink: ClickHouseSink, loading: Loading, clickhouse_server: ClickHouse, database: str, tmp_path: Path
) -> None:
    """Which of the records in doubt the server has dropped is up to it; here it takes them for copies."""
    clickhouse_server.command(f"ALTER TABLE {database}.executions MODIFY TTL toDateTime(captured_ns) + INTERVAL 1 DAY")
    old = insert_of(3)  # of 1970
    sink.insert(EXECUTION, insert_of(1, session=100).body, 1, old.token)
    loading.connection.deliver(old, doubt=True)
    assert loading.problems.counts() == {}
    assert loading.verified.current.expired == old.records
    assert loading.connection.lacking(EXECUTION, old.records) == SeqSet()

    quarantined = insert_of(1, session=SESSION + 1)
    loading.quarantine.add_records(EXECUTION, *quarantined.pieces[0], "a constraint")
    burn(sink, quarantined, 1)
    outcome = resend(DataDirectory(tmp_path), sink)
    assert (outcome.stored, outcome.expired, outcome.refused) == (0, 1, {})
    assert Quarantine(DataDirectory(tmp_path).quarantine).count == 0
    found = load(DataDirectory(tmp_path).verified)
    assert found is not None
    assert (found.expired, found.seen) == (old.records | quarantined.records, SeqSet())


def test_what_was_acknowledged_and_is_gone_by_the_tables_ttl_is_not_sent_again_and_anything_else_is(
    sink: ClickHouseSink, loading: Loading, clickhouse_server: ClickHouse, database: str
) -> None:
    clickhouse_server.command(
        f"ALTER TABLE {database}.executions MODIFY TTL toDateTime(captured_ns) + INTERVAL 1 DAY DELETE WHERE seq < 3"
    )
    clickhouse_server.command(f"SYSTEM STOP TTL MERGES {database}.executions")
    clickhouse_server.command(f"SYSTEM STOP MERGES {database}.executions")  # what is sent again stays, and is seen
    insert = insert_of(10)
    lost = SeqSet([Range(SESSION, 1, 5), Range(9, 0, 5)])
    loading.connection.deliver(insert, doubt=True, lost=lost)
    rows = clickhouse_server.rows(f"SELECT seq FROM {database}.executions WHERE session = {SESSION} ORDER BY seq")
    assert rows == [(0,), *((seq,) for seq in range(3, 10))], "the first was not lost: it is sent, expired or not"
    assert loading.verified.current.expired == SeqSet([Range(SESSION, 1, 2)])
    assert (loading.connection.stored, loading.problems.counts()) == (8, {})
