"""Rows of plain orders and fills, made by one pass in the database, are those of the views in every column."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from ringbuf.record.execution import EXECUTION
from ringbuf.sinks.clickhouse.plain import plain_fills, plain_orders
from ringbuf.sinks.clickhouse.settings import DERIVING
from ringbuf.sinks.clickhouse.table import table_name
from ringbuf.sinks.clickhouse.views.definitions import RECKONED
from ringbuf.sinks.clickhouse.views.orders import ORDERS
from ringbuf.sinks.clickhouse.views.positions import FILLS
from tests.clickhouse.databases import ON_SERVER, Database, executions
from tests.clickhouse.test_rules import BASE, given, shuffled
from tests.model.venue import random_venue
from tests.unit.trading.histories import Fields, histories

Rows = list[tuple[Any, ...]]


def load(database: Database, all_records: Iterable[Sequence[Fields]]) -> None:
    """Each history in an account of its own."""
    rows = [{**BASE, **each, "account": str(n)} for n, records in enumerate(all_records) for each in records]
    database.insert(executions(rows, session=1))


def selected(columns: Iterable[str]) -> str:
    return ", ".join(f"toString({name}) AS {name}_text" for name in columns)


def plain(database: Database) -> tuple[dict[Any, Any], dict[Any, Any], set[str]]:
    table = table_name(EXECUTION, database.name())
    records = f"{table} FINAL WHERE true"
    settings = ", ".join(f"{name} = {need.value!r}" for name, need in DERIVING.items())
    orders = database.rows(
        f"SELECT account, order_key, is_hard, {selected(ORDERS)} FROM ({plain_orders(records)}) SETTINGS {settings}"
    )
    fills = database.rows(
        f"SELECT account, session, seq, {selected(FILLS)} FROM ({plain_fills(records)}) SETTINGS {settings}"
    )
    hard = {account for account, _, is_hard, *_ in orders if is_hard}
    loose = database.rows(
        f"SELECT DISTINCT account FROM {table} WHERE order_id IN ('', '0', 'NONE') AND client_order_id = ''"
        " AND orig_client_order_id = ''"
    )
    return (
        {(account, key): its for account, key, _, *its in orders},
        {(account, *key): its for account, *key, its in ((each[0], each[1], each[2], each[3:]) for each in fills)},
        hard | {account for (account,) in loose},
    )


def compare(database: Database, all_records: Sequence[Sequence[Fields]]) -> int:
    load(database, all_records)
    orders, fills, hard = plain(database)
    name = database.name()
    its_orders = {
        (each[0], f"id:{each[1]}" if each[1] else f"client:1:{each[2]}"): list(each[3:])
        for each in database.rows(
            f"SELECT account, order_id, client_order_id, {selected(ORDERS)} FROM {name}.{RECKONED['orders']}"
        )
    }
    its_fills = {
        each[:3]: each[3:]
        for each in database.rows(f"SELECT account, session, seq, {selected(FILLS)} FROM {name}.{RECKONED['fills']}")
    }
    accounts = {str(n) for n in range(len(all_records))} - hard
    for mine, theirs, columns in ((orders, its_orders, ORDERS), (fills, its_fills, FILLS)):
        for key in {key for key in {*mine, *theirs} if key[0] in accounts}:
            pair = [dict(zip(columns, each[key], strict=True)) if key in each else {} for each in (mine, theirs)]
            assert pair[0] == pair[1], (key, all_records[int(key[0])])
    return len(accounts)


def test_plain_orders_of_every_history_are_those_of_the_views(views: Database) -> None:
    assert compare(views, [each.records for each in histories().values()]) > 40


@ON_SERVER
@pytest.mark.parametrize("seed", range(2))
def test_plain_orders_in_any_order_of_arrival_are_those_of_the_views(views: Database, seed: int) -> None:
    draw = random.Random(seed)
    assert compare(views, [shuffled(draw, each.records) for each in histories().values()]) > 5


@ON_SERVER
def test_plain_orders_of_random_venues_are_those_of_the_views(views: Database) -> None:
    assert compare(views, [[*map(given, random_venue(f"plain {n}").arrivals())] for n in range(200)]) > 5
