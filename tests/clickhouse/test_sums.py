"""Sums of buckets, closed at any moment, come to what the fills themselves come to, whatever comes later."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from ringbuf.sinks.clickhouse.open_orders import is_open, latest_orders
from ringbuf.sinks.clickhouse.views.definitions import RECKONED
from ringbuf.sinks.clickhouse.views.expression import INSTRUMENT
from ringbuf.sinks.clickhouse.views.orders import ORDERS
from ringbuf.sinks.clickhouse.views.positions import (
    KEY,
    NO_OPEN,
    OF_ORDER,
    POSITIONS,
    SUM_COLUMNS,
    SUMMED,
    positions,
    sums_of_fills,
)
from ringbuf.sinks.clickhouse.views.time import time_of
from tests.clickhouse.databases import ON_SERVER, ON_SERVER_AND_CLUSTER, Database, executions
from tests.clickhouse.test_rules import BASE, given, shuffled
from tests.clickhouse.test_unique import arrive
from tests.model.corrections import random_corrections
from tests.model.venue import random_venue
from tests.unit.trading.histories import histories

MINUTE = 60 * 10**9
MOMENT = 1_790_000_000_000_000_000 // MINUTE * MINUTE
"""Begins a minute."""
COLUMNS = ", ".join(f"toString({name})" for name in POSITIONS)
OF_ORDERS = ", ".join(OF_ORDER)
NAMED = [name for name in POSITIONS if name in SUM_COLUMNS]


def rows(database: Database, source: str, columns: str = COLUMNS) -> list[tuple[Any, ...]]:
    return sorted(database.rows(f"SELECT {columns} FROM {source}"))


def summed_fills(fills: str) -> str:
    """Sums over all fills, as `positions` takes them."""
    key, values = ", ".join(KEY), {**sums_of_fills(), **NO_OPEN}
    sums = ", ".join(f"{values[name]} AS {name}" for name in SUMMED if name in values)
    return f"SELECT {key}, {sums} FROM {fills} WHERE NOT simulated GROUP BY {key}"


def oracle(database: Database) -> str:
    fills, orders = (f"{database.name()}.{RECKONED[each]}" for each in ("fills", "orders"))
    return f"({positions(summed_fills(fills), f'SELECT {OF_ORDERS}, true AS is_shown FROM {orders}')})"


def check(database: Database) -> None:
    """The positions are those of the records, and so are the orders that are open and those that are found by an id."""
    assert rows(database, f"{database.name()}.positions") == rows(database, oracle(database))
    name, every, columns = database.name(), "toString(tuple(*))", ", ".join(ORDERS)
    latest = f"(SELECT {columns} FROM ({latest_orders(name, ORDERS)}) WHERE is_shown AND {is_open()})"
    looked_for = f"(SELECT {columns} FROM {name}.orders WHERE {is_open()})"
    assert rows(database, latest, every) == rows(database, looked_for, every)
    known = f"(SELECT id, {INSTRUMENT} FROM {name}.known_ids)"
    for shown, key in (("order_id", "concat('id:', order_id)"), ("client_order_id", "client_order_id")):
        unknown = f"{shown} != '' AND ({key}, {INSTRUMENT}) NOT IN {known}"
        assert not rows(database, f"{name}.orders WHERE {unknown}", shown)


def check_at(database: Database, moment_ns: int) -> None:
    """So are those of a moment."""
    columns = ", ".join(f"toString({name})" for name in (*KEY, *NAMED))
    fills = f"{database.name()}.{RECKONED['fills']}"
    condition = f"toUnixTimestamp64Nano({time_of()}) <= {moment_ns}"
    theirs = f"(SELECT * FROM ({summed_fills(f'(SELECT * FROM {fills} WHERE {condition})')}))"
    mine = f"{database.name()}.positions_at(at = '{moment_ns}')"
    assert rows(database, mine, columns) == rows(database, theirs, columns)


def fill(number: int, at_ns: int, **more: Any) -> dict[str, Any]:
    """A fill of an order of its own."""
    return {
        **BASE, "exec_type": "fill", "order_status": "filled", "side": "buy", "last_quantity": 1.0, "last_price": 10.5,
        "order_id": f"o{number}", "trade_id": f"t{number}", "exchange_ns": at_ns, "captured_ns": at_ns + 1,
        "commission": 0.25, "commission_currency": "USD", **more,
    }  # fmt: skip


def insert(database: Database, records: Sequence[dict[str, Any]], first_seq: int) -> None:
    database.insert(executions(records, session=1, first_seq=first_seq))


def spans(database: Database) -> dict[int, tuple[int, int]]:
    """By span how many buckets there are, and how many of them are closed."""
    found = database.rows(
        f"SELECT span, count(), countIf(is_closed) FROM {database.name()}.buckets FINAL WHERE span != 0 GROUP BY span"
    )
    return {span: (count, closed) for span, count, closed in found}


def test_fills_of_buckets_that_are_over_are_added_up_once_and_questions_take_the_sums(views: Database) -> None:
    insert(views, [fill(number, MOMENT + number * MINUTE) for number in range(30)], 0)
    views.close_sums()
    assert {span: closed for span, (_, closed) in spans(views).items()} == {
        span: count for span, (count, _) in spans(views).items()
    }
    check(views)
    views.command(f"ALTER TABLE {views.name()}.unique_fills DELETE WHERE 1 SETTINGS mutations_sync = 2")
    assert rows(views, f"{views.name()}.positions", "toString(quantity), fills") == [("30", 30)]


def test_a_fill_that_comes_late_opens_its_buckets_again_until_they_are_summed_again(views: Database) -> None:
    insert(views, [fill(number, MOMENT + number * MINUTE) for number in range(30)], 0)
    views.close_sums()
    insert(views, [fill(100, MOMENT + MINUTE + 5)], 30)
    assert all(closed == count - 1 for count, closed in spans(views).values())
    check(views)
    views.close_sums()
    assert all(closed == count for count, closed in spans(views).values())
    check(views)
    check_at(views, MOMENT + MINUTE + 4)
    check_at(views, MOMENT + MINUTE + 5)


def test_a_fill_that_is_taken_back_is_in_no_sum_any_more_and_a_position_without_fills_is_gone(views: Database) -> None:
    insert(views, [fill(1, MOMENT), fill(2, MOMENT, symbol="OTHER")], 0)
    views.close_sums()
    cancel = {**fill(2, MOMENT + 1, symbol="OTHER"), "exec_type": "trade_cancel", "ref_id": "t2", "trade_id": "c2"}
    insert(views, [cancel], 2)
    check(views)
    views.close_sums()
    check(views)
    assert [each[0] for each in rows(views, f"{views.name()}.positions", "symbol")] == [BASE["symbol"]]


@ON_SERVER
def test_a_moment_may_be_any_nanosecond_of_any_bucket(views: Database) -> None:
    draw = random.Random(5)
    times = [MOMENT + draw.randrange(40 * 86_400) * 10**9 + draw.randrange(10**9) for _ in range(60)]
    insert(views, [fill(number, at_ns) for number, at_ns in enumerate(times)], 0)
    for is_closed in (False, True):
        if is_closed:
            views.close_sums()
        for at_ns in draw.sample(times, 3):
            check_at(views, at_ns)
            check_at(views, at_ns - 1)
            check_at(views, at_ns // MINUTE * MINUTE)


def test_fees_and_volumes_of_a_period_are_those_of_its_fills(views: Database) -> None:
    draw = random.Random(6)
    times = [MOMENT + draw.randrange(3 * 86_400) * 10**9 for _ in range(80)]
    others: list[dict[str, Any]] = [
        {"other_commission": 2.0, "other_commission_currency": "USD"},
        {"commission": -0.25, "side": "sell"},
        {"commission": 1e30},
        {"exchange_ns": 0},
        {},
    ]
    insert(views, [fill(number, at_ns, **draw.choice(others)) for number, at_ns in enumerate(times)], 0)
    since, until = sorted(draw.sample(times, 2))
    name = views.name()
    asked = {view: f"{name}.{view}(since = '{since}', until = '{until}')" for view in ("fees", "volumes")}
    before = {view: rows(views, source, "toString(tuple(*))") for view, source in asked.items()}
    views.close_sums()
    assert {view: rows(views, source, "toString(tuple(*))") for view, source in asked.items()} == before
    period = f"toUnixTimestamp64Nano({time_of()}) >= {since} AND toUnixTimestamp64Nano({time_of()}) < {until}"
    traded = f"(SELECT toDate({time_of()}, 'UTC') AS day, traded_quantity FROM {name}.fills WHERE {period})"
    columns = "toString(day), toString(bought_quantity + sold_quantity)"
    assert rows(views, f"(SELECT * FROM {asked['volumes']})", columns) == rows(
        views,
        f"(SELECT day, sum(traded_quantity) AS traded FROM {traded} GROUP BY day)",
        "toString(day), toString(traded)",
    )


@ON_SERVER_AND_CLUSTER
def test_whatever_comes_in_which_order_the_positions_are_those_of_the_records(views: Database) -> None:
    draw = random.Random(1)
    known = [shuffled(draw, each.records) for each in histories().values()]
    known += [[*map(given, random_venue(f"sums {number}").arrivals())] for number in range(60)]
    known += [random_corrections(f"sums {number}") for number in range(60)]
    for portion in range(2):
        part = [each[len(each) * portion // 2 : len(each) * (portion + 1) // 2] for each in known]
        arrive(views, part, 1_000, draw, portions=1, first_seq=10_000 * portion)
        check(views)
        views.close_sums()
        check(views)


@ON_SERVER
def test_while_the_servers_clock_is_behind_what_it_was_what_comes_counts_all_the_same(views: Database) -> None:
    views.insert(executions([fill(1, MOMENT)], session=1))
    views.close_sums()
    name, ahead = views.name(), "version + 3600000000000"
    for table in ("unique_orders", "unique_fills", "buckets"):
        later = f"SELECT * REPLACE ({ahead} AS version) FROM {name}.{table} WHERE version != 0"
        views.command(f"INSERT INTO {name}.{table} {later}")
    more = {**fill(1, MOMENT), "trade_id": "t2", "cumulative_quantity": 2.0}
    views.insert(executions([more], session=1, first_seq=1))
    check(views)
    views.close_sums()
    check(views)
    assert rows(views, f"{name}.positions", "fills") == [(2,)]


@pytest.mark.parametrize("emptied", ["fill_sums", "buckets"])
@ON_SERVER
def test_while_the_servers_clock_is_behind_what_it_was_sums_that_were_lost_are_made_again(
    views: Database, emptied: str
) -> None:
    views.insert(executions([fill(1, MOMENT)], session=1))
    views.close_sums()
    ahead = "version + 3600000000000"
    for table in ("fill_sums", "buckets"):
        later = f"SELECT * REPLACE ({ahead} AS version) FROM {views.name()}.{table} WHERE version != 0"
        views.command(f"INSERT INTO {views.name()}.{table} {later}")
    views.empty(emptied)
    for number, at_ns in ((2, MOMENT + MINUTE), (3, MOMENT)):
        views.insert(executions([fill(number, at_ns)], session=1, first_seq=number))
        check(views)
        views.close_sums()
        check(views)
