"""A cluster of two shards, each of them a real server: what is stored comes to the same as on one server, once."""

import json
import random
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ringbuf.errors import SinkUnavailable, TableMismatch
from ringbuf.journal.step import Step
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.query.questions.selection import Selection
from ringbuf.record.schema import Schema
from ringbuf.record.seqs import Range
from ringbuf.ring.producer import FULL
from ringbuf.sinks.clickhouse.engine import Server
from ringbuf.sinks.clickhouse.layers import TABLES
from ringbuf.sinks.clickhouse.layout import Cluster
from ringbuf.strategies import Recorder
from tests.clickhouse.databases import Database, executions, server_of
from tests.clickhouse.test_profit import asked
from tests.clickhouse.test_sums import MINUTE, MOMENT, fill
from tests.clickhouse.test_unique import arrive
from tests.cluster_servers import NAME, ClusterServers
from tests.command import audit_totals, ringbuf
from tests.kept_profit import compare
from tests.numbered import wait_verified
from tests.unit.trading.histories import histories
from tests.writer_process import QUICK, WriterProcess

EVER = "since = '', until = ''"
ANSWERS = (
    "fills", "orders", "positions", "funding_payments", "late_reports", f"positions_at(at = '{MOMENT + 7 * MINUTE}')",
    f"volumes({EVER})", f"volumes(since = '{MOMENT + 5 * MINUTE}', until = '')", f"fees({EVER})",
    f"candles(seconds = 60, {EVER})", f"candles(seconds = 3600, since = '{MOMENT}', until = '{MOMENT + MINUTE}')",
    f"maker_share({EVER})", f"fill_ratio({EVER})", f"latency({EVER})", f"hedges({EVER})",
    f"hedges(since = '{MOMENT}', until = '')",
)  # fmt: skip
"""Everything that a user asks."""


@pytest.fixture
def name() -> str:
    """A database of this test alone."""
    return f"test_{uuid4().hex[:16]}"


@pytest.fixture(scope="module")
def _prepared(cluster_servers: ClusterServers) -> Iterator[tuple[Database, Database]]:
    name = f"test_{uuid4().hex[:16]}"
    spread = Database(cluster_servers.server, name)
    alone = Database(server_of(cluster_servers.shards[0]), f"{name}_alone")
    for each in (spread, alone):
        each.set_up()
    yield spread, alone
    for each in (spread, alone):
        each.close()


@pytest.fixture
def spread(_prepared: tuple[Database, Database]) -> Database:
    """A database on the cluster, with tables and views, and no record."""
    return emptied(_prepared[0])


@pytest.fixture
def alone(_prepared: tuple[Database, Database]) -> Database:
    """The same on one of the servers alone."""
    return emptied(_prepared[1])


def emptied(database: Database) -> Database:
    database.change_writers()
    for table in ("executions", *TABLES):
        database.empty(table)
    return database


def compare_answers(spread: Database, alone: Database, answers: Sequence[str] = ANSWERS) -> None:
    """Every answer of the cluster is that of the one server."""
    for each in answers:
        mine, theirs = (
            one.rows(f"SELECT toString(tuple(*)) AS row FROM {one.name()}.{each} ORDER BY row")
            for one in (spread, alone)
        )
        assert mine == theirs, each


def shards_of(spread: Database, table: str) -> set[int]:
    """The shards that have rows of a table."""
    return {shard for (shard,) in spread.rows(f"SELECT DISTINCT _shard_num FROM {spread.name()}.{table}")}


def options(servers: ClusterServers, name: str) -> list[str]:
    """What a writer on the cluster is given."""
    shards = [each for url in servers.cluster.shards for each in ("--shard", url)]
    return ["--clickhouse", servers.shards[0].url, "--cluster", NAME, *shards, "--database", name]


def test_histories_come_to_the_same_on_a_cluster_as_on_one_server(spread: Database, alone: Database) -> None:
    known = [each.records for each in histories().values()][::5]
    for each in (spread, alone):
        arrive(each, known, 0, random.Random(2), portions=2)
    assert shards_of(spread, "executions") == shards_of(spread, "unique_fills") == {1, 2}
    compare_answers(spread, alone)
    for each in (spread, alone):
        each.close_sums()
        each.fold()
    compare_answers(spread, alone)
    assert compare(asked(spread), Selection()) == compare(asked(alone), Selection())


def test_sums_of_closed_buckets_are_those_of_one_server_also_after_a_late_fill(
    spread: Database, alone: Database
) -> None:
    fills = [fill(number, MOMENT + number * MINUTE, symbol=f"S{number % 5}") for number in range(30)]
    late = [fill(100 + number, MOMENT + MINUTE + number, symbol=f"S{number}") for number in range(5)]
    for each in (spread, alone):
        each.insert(executions(fills))
        each.close_sums()
        each.insert(executions(late, first_seq=30))
    compare_answers(spread, alone)
    for each in (spread, alone):
        each.close_sums()
        each.fold()
    assert shards_of(spread, "fill_sums") == {1, 2}
    compare_answers(spread, alone)


def test_writers_at_different_servers_derive_the_same_orders(
    spread: Database, alone: Database, cluster_servers: ClusterServers
) -> None:
    elsewhere = Server(cluster_servers.shards[1].url, cluster=cluster_servers.cluster)
    other = Database(elsewhere, spread.name())
    rows = [fill(number, MOMENT, symbol=f"S{number}", order_status="partially_filled") for number in range(6)]
    for step in range(4):  # of the same orders
        now = [
            {**each, "trade_id": f"t{step}", "exchange_ns": MOMENT + step, "captured_ns": MOMENT + step}
            for each in rows
        ]
        records = executions(now, first_seq=6 * step)
        alone.insert(records)
        (spread, other)[step % 2].insert(records)
    compare_answers(spread, alone, ("fills", "orders", "positions"))
    other.close()


def test_an_insert_that_is_sent_twice_or_in_part_is_stored_once(spread: Database) -> None:
    rows = executions([fill(number, MOMENT, symbol=f"S{number}") for number in range(50)])
    for _ in range(2):
        spread.insert(rows, token="one", few=None)
    assert spread.missing(Range(1, 0, 60)) == [Range(1, 50, 10)]
    count = f"SELECT count(), uniqExact(seq) FROM {spread.name()}.executions WHERE session = 1"
    assert spread.rows(count) == [(50, 50)]
    spread.insert(rows[:20], token="one", few=None)  # as when a shard was down that had these
    assert spread.rows(count) == [(50, 50)]


def test_a_table_that_is_lost_at_one_shard_is_made_again(spread: Database, cluster_servers: ClusterServers) -> None:
    spread.insert(executions([fill(number, MOMENT, symbol=f"S{number}") for number in range(20)]))
    for table in ("unique_orders", "unique_fills", "buckets", "open_orders"):
        with cluster_servers.shards[1].client() as client:
            client.command(f"DROP TABLE {spread.name()}_local.{table} SYNC")
        spread.derive()
        assert spread.rows(f"SELECT count() FROM {spread.name()}.fills") == [(20,)], table
        assert spread.rows(f"SELECT sum(quantity) FROM {spread.name()}.positions") == [(20,)], table
        spread.close_sums()


def test_a_column_that_a_schema_gains_is_there_at_every_shard(spread: Database) -> None:
    before = Schema.define("ticks", [("price", "f8")])
    after = Schema.define("ticks", [("price", "f8"), ("size", "f8")], version=2)
    assert [spread.ensure(each) for each in (before, before, after, after)] == [True, False, True, False]
    assert spread.rows(f"SELECT price, size FROM {spread.name()}.ticks") == []


def store_in_both(spread: Database, alone: Database) -> None:
    """Fills of twenty symbols, so that each shard has some."""
    rows = [fill(number, MOMENT, symbol=f"S{number}", quantity=1.0) for number in range(20)]
    for each in (spread, alone):
        each.insert(executions(rows))


def test_what_is_old_is_dropped_at_every_shard_and_every_answer_stays(
    spread: Database, alone: Database, cluster_servers: ClusterServers
) -> None:
    store_in_both(spread, alone)
    for each in (spread, alone):
        assert each.drop_old(MOMENT + MINUTE, Range(1, 0, 20)) == 20
    wait_until(lambda: spread.missing(Range(1, 0, 20)) == [Range(1, 0, 20)], "the records are gone")
    compare_answers(spread, alone)
    for change in ("unique_orders ADD COLUMN note Int8", "unique_fills DROP COLUMN content"):
        cluster_servers.shards[1].command(f"ALTER TABLE {spread.name()}_local.{change}")
        spread.derive()  # what stands for them is altered back, and not made again
        compare_answers(spread, alone)


def test_rows_that_somebody_deletes_at_one_shard_are_made_again(
    spread: Database, alone: Database, cluster_servers: ClusterServers
) -> None:
    store_in_both(spread, alone)
    time.sleep(1.1)  # the server tells in whole seconds when it was
    cluster_servers.shards[1].command(f"DELETE FROM {spread.name()}_local.unique_fills WHERE version != 0")
    time.sleep(1.1)
    spread.derive()
    compare_answers(spread, alone)


# The writer


def record(recorder: Recorder, begin: int, end: int) -> None:
    """Orders of ten instruments, each with its request and two fills."""
    for number in range(begin, end):
        bound = recorder.bind(exchange="x", account="a", symbol=f"S{number % 10}", strategy="mm")
        order = partial(bound.order, client_order_id=f"c{number}", side="buy", quantity=2.0)
        assert order(exec_type="pending_new", order_status="pending_new") != FULL
        for part, status in ((1.0, "partially_filled"), (2.0, "filled")):
            its_fill = partial(order, order_id=f"o{number}", trade_id=f"t{number}-{part}", order_status=status)
            seq = its_fill(exec_type="fill", last_quantity=1.0, last_price=10.0, cumulative_quantity=part)
            assert seq != FULL


def told(data_dir: Path, *question: str) -> list[dict[str, Any]]:
    """What the tool answers, by the line."""
    answer = ringbuf(*question, "--json", "--data-dir", str(data_dir))
    assert (answer.returncode, answer.stderr) == (0, "")
    return [json.loads(line) for line in answer.stdout.splitlines()]


def check_stored(server: ClickHouse, name: str, orders: int) -> None:
    """Every record is there once, and so is what is derived of it."""
    count, rows = server.rows, 2 * orders
    assert count(f"SELECT count(), uniqExact(session, seq) FROM {name}.executions") == [(3 * orders, 3 * orders)]
    derived = f"SELECT (SELECT count() FROM {name}.fills), (SELECT count() FROM {name}.orders)"
    wait_until(lambda: count(derived) == [(rows, orders)], "all is derived")
    assert count(f"SELECT sum(quantity), sum(fills) FROM {name}.positions") == [(rows, rows)]


def test_a_writer_that_is_killed_at_a_step_goes_on_and_everything_is_there_once(
    cluster_servers: ClusterServers, name: str, data_dir: Path
) -> None:
    recorder, count = Recorder.open("mm"), 0
    writer = WriterProcess(data_dir, *QUICK, *options(cluster_servers, name))
    for step in (Step.TABLE_ENSURED, Step.INSERT_SENT, Step.FILLS_DERIVED):
        writer.start(kill_at=(step, 1))
        record(recorder, count, count + 20)
        count += 20
        writer.wait_killed()
    with writer.start().wait_running():
        wait_verified(writer, recorder.producer)
        check_stored(cluster_servers.shards[1], name, count)
        writer.stop()
    totals, code = audit_totals(data_dir)  # nobody answers for it any more: the cluster is asked itself
    assert (code, totals["recorded"], totals["stored"]) == (0, 3 * count, 3 * count)
    assert sum(float(each["quantity"]) for each in told(data_dir, "positions")) == 2 * count
    questions = {
        ("fills",): 2 * count,
        ("fills", "--last", "7"): 7,
        ("fills", "--since", "1h", "--symbol", "?1"): 2 * count // 10,
        ("orders",): count,
        ("orders", "--open"): 0,
        ("orders", "--id", "o7"): 1,
        ("profit",): 10,
    }
    assert {each: len(told(data_dir, *each)) for each in questions} == questions


def test_while_a_shard_is_down_everything_waits_in_the_journal_and_then_comes_once(
    new_cluster: ClusterServers, name: str, data_dir: Path
) -> None:
    recorder = Recorder.open("mm")
    with WriterProcess(data_dir, *options(new_cluster, name)) as writer:
        writer.wait_running()
        record(recorder, 0, 100)
        wait_verified(writer, recorder.producer)
        new_cluster.shards[1].kill()
        record(recorder, 100, 200)
        writer.wait_until(lambda: not writer.status()["sink"]["reachable"], "say that a shard is down")
        assert "stragglers" not in writer.status() or writer.status()["stragglers"] == []
        silent = f"All connection tries failed. {new_cluster.addresses[1]} does not answer"
        writer.wait_until(lambda: silent in str(writer.status()["sink"]["error"]), "say which one")
        writer.kill()
        writer.start().wait_running()
        record(recorder, 200, 300)
        new_cluster.start()
        wait_verified(writer, recorder.producer)
        check_stored(new_cluster.shards[1], name, 300)
        rebuilt = ringbuf("rebuild", "--data-dir", str(data_dir))
        assert rebuilt.returncode == 0, rebuilt.stderr
        check_stored(new_cluster.shards[1], name, 300)
        writer.stop()


@pytest.mark.parametrize("given", [["--cluster", NAME], ["--clickhouse", "http://db", "--shard", "http://db"]])
def test_a_cluster_needs_a_server_and_shards_need_a_cluster(data_dir: Path, given: list[str]) -> None:
    refused = ringbuf("writer", "--data-dir", str(data_dir), *given)
    assert refused.returncode == 2
    assert "--cluster needs --clickhouse, a server of that cluster; --shard needs --cluster" in refused.stderr


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        (Cluster("nowhere"), "knows no cluster nowhere"),
        (Cluster(NAME, ("http://127.0.0.1:1",)), "has 2 shards and 2 servers; URLs of 1 were given"),
    ],
)
def test_a_cluster_that_is_described_otherwise_is_refused(
    cluster_servers: ClusterServers, name: str, cluster: Cluster, said: str
) -> None:
    database = Database(Server(cluster_servers.shards[0].url, cluster=cluster), name)
    with pytest.raises(SinkUnavailable, match=said):
        database.prepare()


@pytest.mark.parametrize("kept", ["sessions", "executions", "unique_fills"])
def test_what_one_server_has_under_the_name_of_the_database_is_named_and_left_alone(
    cluster_servers: ClusterServers, name: str, kept: str
) -> None:
    alone = Database(server_of(cluster_servers.shards[0]), name)
    alone.set_up()
    alone.insert(executions([fill(0, MOMENT)]))
    for (each,) in alone.rows(f"SELECT name FROM system.tables WHERE database = '{name}' AND name != '{kept}'"):
        alone.command(f"DROP TABLE {name}.{each} SYNC")
    count = f"SELECT count() FROM {name}.{kept}"
    before = alone.rows(count)
    spread = Database(cluster_servers.server, name)
    with pytest.raises(TableMismatch, match=rf"table {name}\.{kept}: engine is \w+, expected Distributed"):
        spread.set_up()
    assert alone.rows(count) == before


def test_a_writer_that_is_not_told_of_the_cluster_says_that_the_database_is_spread_over_one(
    cluster_servers: ClusterServers, name: str
) -> None:
    spread = Database(cluster_servers.server, name)
    spread.set_up()
    alone = Database(server_of(cluster_servers.shards[0]), name)
    with pytest.raises(TableMismatch, match=rf"table {name}\.sessions is spread over a cluster; name .* --cluster"):
        alone.set_up()
    spread.close()
