"""Both versions of EXECUTION in one table that release 0.1.0 has made."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ringbuf import Producer, Schema
from ringbuf.errors import SchemaError
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.record.execution import EXECUTION
from ringbuf.record.fields import FIELDS, Field, Kind
from ringbuf.sinks.clickhouse.layout import Layout
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from ringbuf.sinks.clickhouse.table import of_records
from ringbuf.state.checkpoint import Checkpoint, save
from ringbuf.state.data_directory import DataDirectory
from ringbuf.strategies import Recorder
from tests.clickhouse.databases import Database, server_of
from tests.command import audit_totals
from tests.numbered import stragglers, wait_behind
from tests.version_1 import EXECUTION_1, FILES, bring_ring, executions_1
from tests.writer_process import WriterProcess

NEW = [each for each in FIELDS if each.version == 2]


def absent(field: Field) -> str:
    """Condition on the column of a field that is not given."""
    if field.kind is Kind.NUMBER:
        return f"isNaN({field.name})"
    if field.kind is Kind.TIME:
        return f"toUnixTimestamp64Nano({field.name}) = 0"
    return f"{field.name} = '{'unknown' if field.kind is Kind.WORD else ''}'"


def create_as_version_1_did(store: Database) -> None:
    store.command(f"CREATE DATABASE IF NOT EXISTS {store.name()}")
    store.command((FILES / "create_table.sql").read_text().replace("DATABASE", store.name(), 1))


def test_an_old_table_takes_both_versions_and_old_rows_are_as_if_nothing_new_was_given(store: Database) -> None:
    create_as_version_1_did(store)
    store.insert(executions_1(2, session=1), EXECUTION_1, few=None)
    store.prepare()
    assert store.ensure(EXECUTION)
    assert not store.ensure(EXECUTION)
    assert not store.ensure(EXECUTION_1)
    new = np.zeros(2, EXECUTION.dtype)
    old = executions_1(2, session=2)
    for name in EXECUTION_1.names:
        new[name] = old[name]
    for field in NEW:
        new[field.name] = {Kind.NUMBER: 0.5, Kind.TIME: 7, Kind.WORD: 2}.get(field.kind, b"new")
    new["exec_type"] = [20, 21]
    store.insert(new)
    store.insert(executions_1(2, session=3), EXECUTION_1)  # an old ring that still holds records
    is_old = " AND ".join(absent(field) for field in NEW)
    is_new = " AND ".join(f"NOT {absent(field)}" for field in NEW)
    table = f"{store.name()}.executions"
    assert store.rows(f"SELECT session, seq, {is_old}, {is_new} FROM {table} ORDER BY session, seq") == [
        *((1, seq, True, False) for seq in range(2)),
        *((2, seq, False, True) for seq in range(2)),
        *((3, seq, True, False) for seq in range(2)),
    ]
    assert store.rows(f"SELECT exec_type, trade_type, user FROM {table} WHERE session = 2 ORDER BY seq") == [
        ("cancel_rejected", "block", "new"),
        ("denied", "block", "new"),
    ]
    assert store.rows(f"SELECT trade_id, last_price FROM {table} WHERE session = 1") == [
        ("T-0", 64000.5),
        ("T-1", 64000.5),
    ]
    assert store.rows(f"SELECT count() FROM {store.name()}.fills") == [(2,)]


def test_a_new_table_takes_old_records(store: Database) -> None:
    store.set_up()
    store.ensure(EXECUTION_1)  # its padding becomes columns too
    store.insert(executions_1(3, session=1), EXECUTION_1)
    is_old = " AND ".join(absent(field) for field in NEW)
    assert store.rows(f"SELECT count() FROM {store.name()}.executions WHERE {is_old}") == [(3,)]


def test_a_writer_goes_on_with_the_table_the_journal_and_the_ring_that_0_1_0_has_left(
    clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    shutil.copytree(FILES / "journal", data_dir / "journal")
    shutil.copyfile(FILES / "quarantine.jsonl", data_dir / "quarantine.jsonl")
    bring_ring()
    with clickhouse_server.client() as client:
        client.command(f"CREATE DATABASE IF NOT EXISTS {database}")
        statement = (FILES / "create_table.sql").read_text().replace("DATABASE", database, 1)
        client.command(statement, settings={"allow_suspicious_fixed_string_types": 1})
    with Recorder.open("mm-btc") as recorder:
        bound = recorder.bind(exchange="deribit", account="A1", symbol="BTC-PERPETUAL", strategy="mm-btc")
        bound.fill(side="buy", last_price="64000.5", last_quantity="0.123456789012345678", trade_id="T-new", user="ann")
        with WriterProcess(data_dir, "--clickhouse", clickhouse_server.url, "--database", database) as writer:
            writer.wait_running()
            writer.stop()
    with clickhouse_server.client() as client:
        query = f"SELECT trade_id, user, exact, last_quantity FROM {database}.executions FINAL WHERE exec_type = 'fill'"
        rows = client.query(f"{query} ORDER BY trade_id, last_quantity").result_rows
    assert rows == [
        ("T-1", "", "", 0.1),
        ("T-3", "", "", 0.30000000000000004),
        ("T-3", "", "", 0.30000000000000004),
        ("T-5", "", "", 0.5),
        ("T-new", "ann", "q=0.123456789012345678", 0.12345678901234568),
    ]


def test_a_schema_of_0_1_0_that_has_the_name_of_a_new_view_loses_nothing(
    clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    candles = replace(Schema.define("later", [("close", "f8")]), name="candles")
    clickhouse_server.command(f"CREATE DATABASE {database}")
    clickhouse_server.command(Layout(database).create("candles", of_records(candles)))
    server = server_of(clickhouse_server)
    save(DataDirectory(data_dir).checkpoint, Checkpoint(ClickHouseSink(server, database).destination, 0))

    def has(table: str, count: int) -> bool:
        return clickhouse_server.rows(f"SELECT count() FROM {database}.{table}") == [(count,)]

    writer = WriterProcess(data_dir, "--clickhouse", clickhouse_server.url, "--database", database)
    with Recorder.open("mm") as recorder, Producer.open("old", candles, capacity=1024) as old, writer:
        writer.wait_running()
        for number in range(50):
            assert old.append(close=float(number)) == number
        bound = recorder.bind(exchange="deribit", account="A1", symbol="BTC", strategy="mm")
        bound.order(exec_type="new", order_status="new")
        writer.wait_until(lambda: has("candles", 50), "load it into the table it had")
        wait_behind(writer, "executions")
        assert f"{database}.candles is not ours" in stragglers(writer)["executions"]["reason"]
        clickhouse_server.command(f"RENAME TABLE {database}.candles TO {database}.candles_old")
        writer.wait_until(lambda: has("executions", 1), "store executions")
        old.append(close=0.0)
        wait_behind(writer, "candles")
        assert "give the schema another name" in stragglers(writer)["candles"]["hint"]
        writer.wait_until(lambda: "executions" not in stragglers(writer), "take executions back")
        found, code = audit_totals(data_dir)
        assert (found["stored"], found["removed"], found["pending"], found["lost"], code) == (1, 50, 1, 0, 3)
        clickhouse_server.command(f"DROP VIEW {database}.candles")
        clickhouse_server.command(f"RENAME TABLE {database}.candles_old TO {database}.candles")
        writer.wait_until(lambda: has("candles", 51), "store what came late, too")
        writer.stop()
    with pytest.raises(SchemaError, match="'candles' is taken by a view or table"):
        Schema.define("candles", [("close", "f8")])
