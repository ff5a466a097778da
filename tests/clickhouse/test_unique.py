"""The rows of orders and fills that are kept in the database are those of the views, whatever came in which order."""

import random
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from ringbuf.sinks.clickhouse import unique_rows
from ringbuf.sinks.clickhouse.views.definitions import RECKONED
from ringbuf.sinks.clickhouse.views.orders import ORDERS
from ringbuf.sinks.clickhouse.views.positions import FILLS
from tests.clickhouse.databases import ON_SERVER, Database, executions
from tests.clickhouse.test_rules import BASE, given, shuffled
from tests.model.venue import random_venue
from tests.unit.trading.histories import Fields, histories

VIEWS = {"orders": ORDERS, "fills": FILLS}
WAYS = {"by the rules": 1_000_000, "in the database": 0}


def rows_of(database: Database, table: str, columns: Iterable[str]) -> list[dict[str, Any]]:
    shown = ", ".join(f"toString({name}) AS {name}_text" for name in columns)
    found = database.rows(f"SELECT {shown} FROM {database.name()}.{table}")
    return sorted((dict(zip(columns, each, strict=True)) for each in found), key=lambda each: str(list(each.items())))


def check(database: Database, all_records: Sequence[Sequence[Fields]]) -> None:
    for view, columns in VIEWS.items():
        mine, theirs = rows_of(database, view, columns), rows_of(database, RECKONED[view], columns)
        for one in mine:
            assert one in theirs, all_records[int(one["account"])]
        assert len(mine) == len(theirs)


def arrive(
    database: Database,
    all_records: Sequence[Sequence[Fields]],
    few: int,
    draw: random.Random,
    portions: int,
    first_seq: int = 0,
) -> None:
    """Each history in an account of its own, in portions of which each is derived before the next one comes."""
    cuts = [sorted(draw.randrange(len(each) + 1) for _ in range(portions - 1)) for each in all_records]
    for portion in range(portions):
        rows = []
        for number, (records, cut) in enumerate(zip(all_records, cuts, strict=True)):
            begin, end = ([0, *cut][portion], [*cut, len(records)][portion])
            rows += [{**BASE, **each, "account": str(number)} for each in records[begin:end]]
        if rows:
            database.insert(executions(rows, session=1, first_seq=first_seq), few=few)
            first_seq += len(rows)


@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
def test_every_history_ends_the_same_in_the_kept_rows_and_in_the_views(views: Database, few: int) -> None:
    known = [each.records for each in histories().values()]
    arrive(views, known, few, random.Random(1), portions=3)
    check(views, known)


@ON_SERVER
@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
def test_in_any_order_of_arrival_with_any_copies_the_kept_rows_are_those_of_the_views(
    views: Database, few: int
) -> None:
    draw = random.Random(few)
    known = [shuffled(draw, each.records) for each in histories().values()]
    arrive(views, known, few, draw, portions=4)
    check(views, known)


@ON_SERVER
@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
def test_whatever_a_venue_does_the_kept_rows_are_those_of_the_views(views: Database, few: int) -> None:
    known = [[*map(given, random_venue(f"unique {number}").arrivals())] for number in range(150)]
    arrive(views, known, few, random.Random(few), portions=3)
    check(views, known)


@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
@ON_SERVER
def test_a_client_id_of_very_many_orders_is_a_label_and_does_not_join_them(
    views: Database, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unique_rows, "MOST_OF_AN_ID", 8)
    read: list[int] = []
    records = unique_rows.UniqueRows.records

    def counted(rows: unique_rows.UniqueRows, chosen: unique_rows.Chosen) -> list[dict[str, Any]]:
        found = records(rows, chosen)
        read.append(len(found))
        return found

    monkeypatch.setattr(unique_rows.UniqueRows, "records", counted)
    sent = {**BASE, "client_order_id": "label", "side": "buy"}
    for number in range(20):
        order = {**sent, "order_id": f"o{number}", "quantity": 1.0}
        fill = {**order, "exec_type": "fill", "order_status": "filled", "trade_id": f"t{number}"}
        rows = [
            {**sent, "exec_type": "pending_new", "order_status": "pending_new", "market_ns": number + 1},
            {**order, "exec_type": "new", "order_status": "new"},
            {**fill, "last_quantity": 1.0, "last_price": 2.0, "cumulative_quantity": 1.0},
        ]
        views.insert(executions(rows, session=1, first_seq=3 * number), few=few)
    name = views.name()
    filled = views.rows(f"SELECT count(), sum(executed_quantity) FROM {name}.orders WHERE order_id != ''")
    assert filled == [(20, Decimal(20))]
    assert views.rows(f"SELECT fills, bought_quote FROM {name}.positions") == [(20, Decimal(40))]
    assert max(read) < 40


@ON_SERVER
def test_an_order_that_is_not_plain_keeps_its_row_until_the_rules_have_another(
    views: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = {**BASE, "order_id": "o", "client_order_id": "c", "side": "buy", "exec_type": "new", "order_status": "new"}
    views.insert(executions([{**order, "quantity": 1.0, "exchange_ns": 1}], session=1))
    name = views.name()
    shown = f"SELECT toString(tuple(*)) FROM {name}.orders"
    before = views.rows(shown)
    replaced = {**order, "exec_type": "replaced", "quantity": 2.0, "exchange_ns": 2, "orig_client_order_id": "c"}
    with monkeypatch.context() as patch:
        patch.setattr(unique_rows.UniqueRows, "hard", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            views.insert(executions([replaced], session=1, first_seq=1), few=0)
    assert views.rows(shown) == before
    views.derive(0)
    assert views.rows(f"SELECT quantity, records FROM {name}.orders") == [(2.0, 2)]
