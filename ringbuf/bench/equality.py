"""That a history made inside the database is what the writer stores and derives: shown on a part of it.

One database gets records as the writer inserts them, and they are derived as the writer derives them. Another one gets
the same part made inside. Every column of every table must be the same in both.
"""

from collections.abc import Mapping
from contextlib import closing
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from ringbuf.bench.history import insert_records, insert_rows
from ringbuf.bench.order_flow import OrderFlow
from ringbuf.errors import RingbufError
from ringbuf.record.execution import EXECUTION
from ringbuf.sinks.clickhouse.engine import Engine
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from ringbuf.sinks.clickhouse.table import quoted
from ringbuf.writer.derive.deriver import Deriver

KEYS: Final = {
    EXECUTION.name: ("session", "seq"),
    "unique_fills": ("session", "seq"),
    "unique_orders": ("exchange", "account", "symbol", "order_key"),
    "known_ids": ("exchange", "account", "symbol", "id"),
}
"""The tables that are compared, and what tells their rows apart."""
MAY_DIFFER: Final = ("version", "content")
"""When a row was derived, and a hash of it that only rows derived by the rules have."""


def check_equality(engine: Engine, databases: tuple[str, str], flow: OrderFlow) -> int:
    """Make a part of a history in both ways and compare.

    Args:
        databases: to be made, and dropped again.
        flow: of that part.

    Returns:
        how many rows were compared.

    Raises:
        RingbufError: they differ.
    """
    stored, made = databases
    with closing(engine.connect()) as client:
        try:
            store_and_derive(engine, stored, flow)
            make(engine, client, made, flow)
            return sum(compare(client, stored, made, table, key) for table, key in KEYS.items())
        finally:
            for each in databases:
                client.command(f"DROP DATABASE IF EXISTS {quoted(each)} SYNC")


def store_and_derive(engine: Engine, database: str, flow: OrderFlow) -> None:
    """Store the records of a flow and derive their rows as the writer does."""
    records = flow.records(0, flow.orders)
    with closing(ClickHouseSink(engine, database)) as sink:
        sink.ensure(EXECUTION)
        sink.insert(EXECUTION, [memoryview(records.tobytes())], len(records), "equality")
        Deriver(sink.unique, sink.sums).derive(flow.history())


def make(engine: Engine, client: Client, database: str, flow: OrderFlow) -> None:
    """Make the same inside the database."""
    with closing(ClickHouseSink(engine, database)) as sink:
        sink.ensure(EXECUTION)
        insert_records(client, database, flow, 0, flow.orders)
        insert_rows(client, database, flow, 0, flow.orders)


def compare(client: Client, stored: str, made: str, table: str, key: tuple[str, ...]) -> int:
    """Compare a table of two databases, column by column.

    Returns:
        how many rows it has.

    Raises:
        RingbufError: a row or a value is only in one of them.
    """
    ours, theirs = (_sums(client, f"{quoted(each)}.{quoted(table)}", key) for each in (made, stored))
    if differing := [name for name in theirs if ours.get(name) != theirs[name]]:
        raise RingbufError(
            f"the history made inside the database is not what the writer derives: {table} differs in "
            f"{', '.join(differing)}",
            "bring the formulas of ringbuf/bench/history.py in line with the writer",
        )
    return int(theirs["count()"])


def _sums(client: Client, table: str, key: tuple[str, ...]) -> Mapping[str, Any]:
    """How many rows a table has, and of each column a sum that changes with any value in any row."""
    columns = [name for name, *_ in client.query(f"DESCRIBE TABLE {table}").result_rows]
    shown = [name for name in columns if name not in MAY_DIFFER and not name.startswith("_")]
    of_key = ", ".join(f"toString({name})" for name in key)
    sums = ", ".join(f"sum(cityHash64({of_key}, toString({quoted(name)})))" for name in shown)
    (row,) = client.query(f"SELECT count(), {sums} FROM {table} FINAL").result_rows
    return dict(zip(["count()", *shown], row, strict=True))
