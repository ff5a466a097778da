"""The rows of orders and fills that are kept in the database are those of the views, whatever came in which order."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from ringbuf.sinks.clickhouse.views.definitions import RECKONED
from ringbuf.sinks.clickhouse.views.orders import ORDERS
from ringbuf.sinks.clickhouse.views.positions import FILLS
from tests.clickhouse.databases import Database, executions
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


@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
def test_in_any_order_of_arrival_with_any_copies_the_kept_rows_are_those_of_the_views(
    views: Database, few: int
) -> None:
    draw = random.Random(few)
    known = [shuffled(draw, each.records) for each in histories().values()]
    arrive(views, known, few, draw, portions=4)
    check(views, known)


@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
def test_whatever_a_venue_does_the_kept_rows_are_those_of_the_views(views: Database, few: int) -> None:
    known = [[*map(given, random_venue(f"unique {number}").arrivals())] for number in range(150)]
    arrive(views, known, few, random.Random(few), portions=3)
    check(views, known)
