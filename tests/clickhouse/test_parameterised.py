"""What the views with parameters count, where docs/VIEWS.md has no example of it."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from operator import itemgetter
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from ringbuf.errors import TableMismatch
from ringbuf.query.questions.moment import moment_text
from ringbuf.sinks.clickhouse.views.parameterised import PARAMETERISED
from tests.clickhouse.databases import ON_SERVER, Database, executions
from tests.clickhouse.test_acknowledged import NEW, REQUEST
from tests.clickhouse.test_views import FILL, ORDER, record

BEGIN_NS = 1_782_907_200_000_000_000
EVER = "since = '', until = ''"
MINUTE_NS = 60 * 10**9
DAY_NS = 1_440 * MINUTE_NS


def ask(views: Database, columns: str, view: str, end: str = "") -> list[tuple[Any, ...]]:
    return views.rows(f"SELECT {columns} FROM {views.name()}.{view} {end}")


def test_a_candle_opens_and_closes_in_the_order_of_the_venue(views: Database) -> None:
    prices = [(0, 2, 3.0), (0, 1, 5.0), (MINUTE_NS - 1, 3, 4.0), (MINUTE_NS, 4, 9.0)]
    rows = [
        {**FILL, "trade_id": str(place), "exchange_ns": BEGIN_NS + moment, "exchange_seq": place, "last_price": price}
        for moment, place, price in prices
    ]
    record(views, *rows, {**FILL, "origin": "simulated"}, {**FILL, "trade_id": "unpriced", "last_price": 1e300})
    columns = "toUnixTimestamp64Nano(begin_ns), open, high, low, close, volume, fills"
    assert ask(views, columns, f"candles(seconds = 60, {EVER})", "ORDER BY begin_ns") == [
        (BEGIN_NS, Decimal(5), Decimal(5), Decimal(3), Decimal(4), Decimal("0.3"), 3),
        (BEGIN_NS + MINUTE_NS, Decimal(9), Decimal(9), Decimal(9), Decimal(9), Decimal("0.1"), 1),
    ]
    assert ask(views, "open, fills", f"candles(seconds = 3600, since = '{BEGIN_NS + 1}', until = '')") == [(4, 2)]


@pytest.mark.parametrize(
    "moment",
    [
        *("2026-07-01T12:00:00Z", "2026-07-01 12:00:00", "2026-07-01T14:00:00+02:00", str(BEGIN_NS)),
        *("2026-07-01T12", "2026-07-01 12:00 Z", "2026-07-01T12:00:00.000000000000", "2026-07-01T07:00-05"),
    ],
)
@ON_SERVER
def test_a_moment_may_be_written_in_any_way(views: Database, moment: str) -> None:
    for trade, offset in (("before", -1), ("at", 0)):
        record(views, {**FILL, "trade_id": trade, "exchange_ns": BEGIN_NS + offset, "commission": 1.0})
    for settings in ("", "SETTINGS session_timezone = 'Asia/Tokyo'"):
        assert ask(views, "fills", f"fees(since = '{moment}', until = '')", settings) == [(1,)]
        assert ask(views, "fills", f"fees(since = '', until = '{moment}')", settings) == [(1,)]
        assert ask(views, "fills", f"positions_at(at = '{moment}')", settings) == [(2,)]


FAR_DAYS = {
    -(2**63): "1677-09-21",
    -(10**18): "1938-04-24",
    -1: "1969-12-31",
    5_700_000_000 * 10**9: "2150-08-17",
    2**63 - 1: "2262-04-11",
}


@ON_SERVER
def test_fills_of_any_time_have_their_own_day_and_no_limit_leaves_one_out(views: Database) -> None:
    record(views, *({**FILL, "trade_id": str(at_ns), "exchange_ns": at_ns, "commission": 1.0} for at_ns in FAR_DAYS))
    expected = [(day, 1) for day in FAR_DAYS.values()]
    for _ in range(2):
        assert ask(views, "fills", "positions_at(at = '')") == [(5,)]
        for view in ("fees", "volumes", "profit_by_day"):
            assert ask(views, "toString(day), fills", f"{view}({EVER})", "ORDER BY 1") == expected
        assert ask(views, "sum(fills)", f"candles(seconds = 1, {EVER})") == [(5,)]
        for number, at_ns in [*enumerate(FAR_DAYS)][1:]:
            assert ask(views, "fills", f"positions_at(at = '{moment_text(at_ns)}')") == [(number + 1,)]
        views.close_sums()


@ON_SERVER
def test_the_last_time_is_the_latest_when_the_server_compiles_what_it_sums_up(views: Database) -> None:
    """As it does by itself when it has run a statement some times; then it takes a negative number for a great one."""
    record(views, *({**FILL, "trade_id": str(at_ns), "exchange_ns": at_ns} for at_ns in (-(10**18), BEGIN_NS)))
    compiled = "SETTINGS compile_aggregate_expressions = 1, min_count_to_compile_aggregate_expression = 0"
    for view in ("positions", "positions_at(at = '')"):
        for _ in range(2):
            assert ask(views, "toUnixTimestamp64Nano(last_exchange_ns)", view, compiled) == [(BEGIN_NS,)]
            views.close_sums()


@ON_SERVER
@pytest.mark.parametrize("at_ns", [-(2**63), 2**63 - 1])
def test_a_fill_at_the_end_of_times_is_one_however_it_is_derived(views: Database, at_ns: int) -> None:
    views.insert(executions([{**FILL, "exchange_ns": at_ns}], session=10_001), few=0)
    views.insert(executions([{**FILL, "exchange_ns": at_ns, "origin": "lookback"}], session=10_002))
    record(views, {**FILL, "exchange_ns": at_ns, "exec_type": "trade_correct", "last_quantity": 0.5})
    assert views.rows(f"SELECT traded_quantity, copies FROM {views.name()}.fills") == [(Decimal("0.5"), 2)]
    assert ask(views, "quantity, fills", "positions") == [(Decimal("0.5"), 1)]


@pytest.mark.parametrize(
    "moment",
    [
        *("yesterday", "5", "01/02/2026", "12:00", "2026-13-01", "2026", "2026-07-01T", "2026-07-01 5"),
        *("2026-07-01 25:00", "2026-07-01T24:00:00", "2026-07-01T12:60", "2026-07-01T12:00:60", "2026-07-01T12:00:5"),
        *("2026-07-01 Jan", "2026-07-01 PM", "2026-07-01 12:00 PM", "2026-07-01 15 12:00", "2026-07-01T12:00 MSK"),
    ],
)
@ON_SERVER
def test_a_moment_that_could_be_read_otherwise_is_an_error(views: Database, moment: str) -> None:
    with pytest.raises(DatabaseError, match="Cannot read DateTime"):
        ask(views, "fills", f"fees(since = '{moment}', until = '')")


def test_the_last_hour_can_be_asked_for_in_any_time_zone(views: Database) -> None:
    record(views, {**FILL, "commission": 1.0, "captured_ns": 1})
    for settings in ("", "SETTINGS session_timezone = 'Asia/Tokyo'"):
        since = "toString(now64(9, 'UTC') - INTERVAL 1 HOUR)"
        assert ask(views, "fills", f"fees(since = {since}, until = '')", settings) == []
        assert ask(views, "fills", f"fees(since = '', until = {since})", settings) == [(1,)]


def test_makers_share_only_with_takers(views: Database) -> None:
    record(views, FILL, {**FILL, "trade_id": "simulated", "origin": "simulated", "liquidity": "maker"})
    columns = "maker_fills, taker_fills, other_fills, other_quantity, maker_share"
    assert ask(views, columns, f"maker_share({EVER})") == [(0, 0, 1, Decimal("0.1"), None)]
    record(views, {**FILL, "trade_id": "t-2", "liquidity": "maker"})
    assert ask(views, columns, f"maker_share({EVER})") == [(1, 0, 1, Decimal("0.1"), 1.0)]


Fill = dict[str, Any]


def random_fills(draw: random.Random) -> list[Fill]:
    """Fills around the ends of minutes and days, some without a venue time, some of which count less or not."""
    ends = [moment + off for moment in (-DAY_NS, 0, DAY_NS, BEGIN_NS, BEGIN_NS + MINUTE_NS) for off in (-1, 0, 1)]
    choices = {
        "symbol": ("a", "b"),
        "origin": ("live", "live", "simulated"),
        "liquidity": ("maker", "taker", "unknown"),
        "exchange_ns": (0, *ends),
        "exchange_seq": range(3),
        "last_price": (-1.5, 0.1, 0.2, 3e300),
        "last_quantity": (0.1, 1e-18, 1e30),
    }
    drawn = ({name: draw.choice(its) for name, its in choices.items()} for _ in range(150))
    return [
        {**FILL, "trade_id": str(number), "captured_ns": BEGIN_NS + number, **each} for number, each in enumerate(drawn)
    ]


def folded(fills: Iterable[Fill], key: Callable[[Fill], Any], fold: Callable[[list[Fill]], Any]) -> dict[Any, Any]:
    groups = defaultdict(list)
    for each in fills:
        groups[key(each)].append(each)
    return {group: fold(its) for group, its in groups.items()}


def candle(fills: list[Fill]) -> tuple[Any, ...]:
    prices = [each["traded_price"] for each in fills]
    sums = (sum(each[name] for each in fills) for name in ("traded_quantity", "traded_quote"))
    return (prices[0], max(prices), min(prices), prices[-1], *sums, len(fills))


def shares(fills: list[Fill]) -> list[Any]:
    kinds = [[each for each in fills if each["liquidity"] == kind] for kind in ("maker", "taker", "unknown")]
    return [*map(len, kinds), *(sum((each["traded_quantity"] for each in its), Decimal(0)) for its in kinds)]


@ON_SERVER
@pytest.mark.parametrize("seed", range(2))
def test_candles_and_shares_of_any_period_are_those_of_its_fills(views: Database, seed: int) -> None:
    draw, name = random.Random(seed), views.name()
    record(views, *random_fills(draw))
    time = "toUnixTimestamp64Nano(if(exchange_ns = 0, captured_ns, exchange_ns))"
    fills = views.dicts(
        f"SELECT *, {time} AS at FROM {name}.fills WHERE NOT simulated AND counted"
        " ORDER BY at, exchange_seq, captured_ns, session, seq"
    )
    moments = sorted({each["at"] for each in fills})
    assert len(moments) > 10
    for _ in range(6):
        since, until = sorted(draw.sample(moments, 2))
        size_ns = draw.choice((1, 60, 86_400)) * 10**9
        its = [each for each in fills if since <= each["at"] < until]
        period = f"since = '{moment_text(since)}', until = '{moment_text(until)}'"
        found = ask(views, "*", f"maker_share({period})")
        assert {row[2]: [*row[4:-1]] for row in found} == folded(its, itemgetter("symbol"), shares)
        columns = "symbol, toUnixTimestamp64Nano(begin_ns), open, high, low, close, volume, quote, fills"
        found = ask(views, columns, f"candles(seconds = {size_ns // 10**9}, {period})")
        priced = [{**each, "begin_ns": each["at"] // size_ns * size_ns} for each in its if each["priced"]]
        assert {row[:2]: row[2:] for row in found} == folded(priced, itemgetter("symbol", "begin_ns"), candle)


def test_an_order_that_was_never_sent_or_has_no_size_is_not_in_the_ratio(views: Database) -> None:
    record(views, {**ORDER, "quantity": 4.0, "captured_ns": BEGIN_NS}, {**ORDER, "symbol": "sizeless"})
    record(views, {**ORDER, "client_order_id": "c-2", "exec_type": "denied", "quantity": 4.0})
    record(views, {**ORDER, "client_order_id": "c-3", "quantity": 4.0, "quantity_unit": "quote"})
    record(views, {**FILL, "client_order_id": "c-1", "order_id": "", "last_quantity": 1.0, "captured_ns": BEGIN_NS + 1})
    columns = "symbol, orders, filled, ordered_quantity, executed_quantity, executed_share"
    found = ask(views, columns, f"fill_ratio({EVER})", "WHERE strategy = 'mm' OR symbol = 'sizeless' ORDER BY symbol")
    assert found == [("BTC-PERPETUAL", 1, 1, 4, 1, 0.25), ("sizeless", 1, 0, 0, 0, None)]
    before = f"fill_ratio(since = '', until = '{BEGIN_NS}')"
    assert ask(views, "orders", before, "WHERE strategy = 'mm'") == []


def test_latency_is_of_orders_that_were_requested_and_acknowledged_live(views: Database) -> None:
    rows = []
    for place in range(1, 101):
        ids = {"client_order_id": f"c-{place}", "order_id": f"o-{place}"}
        rows.append({**REQUEST, "client_order_id": f"c-{place}", "captured_ns": BEGIN_NS + place * MINUTE_NS})
        rows.append({**NEW, **ids, "captured_ns": BEGIN_NS + place * MINUTE_NS + place})
    record(views, *rows)
    record(
        views, {**NEW, "client_order_id": "unasked", "order_id": "o-0"}, {**REQUEST, "client_order_id": "unanswered"}
    )
    columns = "orders, least_ns, p50_ns, p90_ns, p99_ns, most_ns"
    assert ask(views, columns, f"latency({EVER})") == [(100, 1, 51, 91, 100, 100)]
    since = BEGIN_NS + 91 * MINUTE_NS
    assert ask(views, columns, f"latency(since = '{since}', until = '')") == [(10, 91, 96, 100, 100, 100)]


# The views themselves


def test_a_view_of_an_earlier_version_is_replaced_and_the_others_left_as_they_are(store: Database) -> None:
    store.set_up()
    uuids = f"SELECT name, uuid FROM system.tables WHERE database = '{store.name()}' AND engine = 'View'"
    before = dict(store.rows(uuids))
    assert before.keys() >= PARAMETERISED.keys()
    store.command(f"CREATE OR REPLACE VIEW {store.name()}.fees AS SELECT {{x:String}} AS x COMMENT 'ringbuf: of old'")
    store.ensure()
    after = dict(store.rows(uuids))
    assert [name for name in before if before[name] != after[name]] == ["fees"]
    assert ask(store, "amount", f"fees({EVER})") == []


def test_what_somebody_else_has_under_the_name_of_a_view_is_left_alone(store: Database) -> None:
    store.prepare()
    store.command(f"CREATE VIEW {store.name()}.candles AS SELECT {{x:String}} AS x")
    with pytest.raises(TableMismatch, match=f"{store.name()}.candles is not ours"):
        store.ensure()
    assert ask(store, "x", "candles(x = 'theirs')") == [("theirs",)]
