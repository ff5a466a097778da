"""Statements for a cluster that has Keeper: replicated tables, made on the whole cluster at once.

Keeper does not run in the library's server. So a real server parses each of these statements, takes tables as far as it
can without Keeper, and those that did not run are those that OPERATING lists.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from uuid import uuid4

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from ringbuf.record.execution import EXECUTION
from ringbuf.record.schema import Schema
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.clickhouse.engine import Server
from ringbuf.sinks.clickhouse.layout import Cluster
from ringbuf.sinks.clickhouse.settings import DEFINING, Needs
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from tests.checkout import ROOT
from tests.clickhouse.databases import Database, executions
from tests.clickhouse.test_sums import MINUTE, MOMENT, fill
from tests.cluster_servers import NAME, ClusterServers

NO_KEEPER = 225
"""NO_ZOOKEEPER."""
ON_CLUSTER = f" ON CLUSTER `{NAME}`"
TICKS = Schema.define("ticks", [("captured_ns", "i8"), ("price", "f8")])
MORE_TICKS = Schema.define("ticks", [("captured_ns", "i8"), ("price", "f8"), ("size", "f8")], version=2)


class Noting(ClickHouseSink):
    """A sink that notes what it would run on the whole cluster, and does not."""

    def __init__(self, engine: Server, database: str) -> None:
        super().__init__(engine, database)
        self.noted: list[str] = []

    def _define(self, sql: str, doing: str, needs: Needs = DEFINING) -> None:
        self.noted.append(sql)


@pytest.fixture(scope="module")
def creating(cluster_servers: ClusterServers) -> list[str]:
    """The statements that make a new database."""
    with closing(Noting(Server(cluster_servers.shards[0].url, cluster=Cluster(NAME)), "desk")) as sink:
        sink.prepare()
        sink.ensure(EXECUTION)
        sink.ensure(TICKS)
        return list(dict.fromkeys(sink.noted))


@pytest.fixture(scope="module")
def changing(cluster_servers: ClusterServers) -> Iterator[list[str]]:
    """Those that change, empty and mend tables of one that is there."""
    name = f"test_{uuid4().hex[:16]}"
    there = Database(cluster_servers.server, name)
    there.set_up()
    there.ensure(TICKS)
    there.insert(executions([fill(1, MOMENT)]))
    for _ in range(2):  # the first one is dropped when the next one after the second is there
        there.copy_open_orders()
    for table, column in (("late_records", "seq"), ("unique_orders", "is_hard")):
        cluster_servers.shards[1].command(f"ALTER TABLE {name}_local.{table} ADD COLUMN odd UInt8 AFTER {column}")
    cluster_servers.shards[1].command(f"ALTER TABLE {name}_local.known_ids RESET SETTING merge_selector_base")
    with closing(Noting(Server(cluster_servers.shards[0].url, cluster=Cluster(NAME)), name)) as sink:
        sink.unique.dropped.note(SeqSet([Range(1, 0, 1)]))
        sink.layers.ensure()
        sink.layers.forget()
        sink.ensure(MORE_TICKS)
        sink.old_orders(MOMENT + MINUTE).drop(SeqSet([Range(1, 0, 1)]))
        sink.layers.open_orders.complete(sink.unique.version())
        yield list(dict.fromkeys(sink.noted))
    there.close()


def kind_of(statement: str) -> str:
    """What a statement is, in a few words."""
    words = re.match(r"[A-Z ]+?(?= IF | `)", statement)
    assert words is not None and ON_CLUSTER in statement, statement
    engine = re.search(r"ENGINE = (Replicated|Distributed)", statement)
    changed = next((each for each in ("DROP PARTITION", "SETTING") if each in statement), "COLUMN")
    rest = changed if words[0] == "ALTER TABLE" else ""
    return " ".join(filter(None, (words[0], rest or (engine and engine[1]))))


@cache
def listed() -> dict[str, str]:
    """The kinds that OPERATING says did not run, and what it says of each."""
    text = (ROOT / "docs" / "OPERATING.md").read_text()
    rows = re.findall(r"^\| `([A-Z ]+(?:Replicated|Distributed)?)` +\| (.+?) \|", text, re.MULTILINE)
    return {" ".join(kind.split()): said for kind, said in rows}


def test_a_real_server_parses_every_statement(
    cluster_servers: ClusterServers, creating: list[str], changing: list[str]
) -> None:
    with cluster_servers.shards[0].client() as client:
        for statement in (*creating, *changing):
            assert client.raw_query(f"EXPLAIN AST {statement}", fmt="TabSeparated"), statement


def test_what_did_not_run_is_listed_in_operating(creating: list[str], changing: list[str]) -> None:
    assert {kind_of(each) for each in (*creating, *changing)} == listed().keys()


def test_a_replicated_table_lacks_nothing_but_keeper(cluster_servers: ClusterServers, creating: list[str]) -> None:
    tables = [each for each in creating if kind_of(each) == "CREATE TABLE Replicated"]
    assert len(tables) > 10
    with cluster_servers.shards[0].client() as client:
        client.command("CREATE DATABASE IF NOT EXISTS desk_local")
        for statement in tables:
            with pytest.raises(DatabaseError) as failure:
                client.command(statement.replace(ON_CLUSTER, ""), settings={"allow_suspicious_fixed_string_types": 1})
            assert getattr(failure.value, "code", None) == NO_KEEPER, failure.value


def test_tokens_are_remembered_for_longer_than_any_outage(creating: list[str]) -> None:
    records = next(each for each in creating if "`executions`" in each)
    assert "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/desk/executions', '{replica}')" in records
    assert "replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 2592000" in records
