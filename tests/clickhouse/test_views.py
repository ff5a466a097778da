"""What `fills`, `orders` and `positions` say about records."""

import math
import random
from collections import defaultdict
from decimal import Decimal, localcontext
from itertools import count
from typing import Any

import pytest

from ringbuf.errors import TableMismatch
from tests.clickhouse.databases import Database, executions

FILL: dict[str, Any] = {
    "exec_type": "fill",
    "exchange": "deribit",
    "account": "A1",
    "strategy": "mm",
    "symbol": "BTC-PERPETUAL",
    "side": "buy",
    "order_id": "o-1",
    "trade_id": "t-1",
    "last_price": 60000.5,
    "last_quantity": 0.1,
    "origin": "live",
    "captured_ns": 1_000,
}
ORDER: dict[str, Any] = {
    "exec_type": "new",
    "exchange": "deribit",
    "account": "A1",
    "symbol": "BTC-PERPETUAL",
    "side": "buy",
    "client_order_id": "c-1",
    "origin": "live",
}
SESSIONS = count(1)


def record(views: Database, *rows: dict[str, Any]) -> None:
    """Store records in a session of their own."""
    views.insert(executions(rows, session=next(SESSIONS)))


def fills(views: Database) -> list[dict[str, Any]]:
    """All fills."""
    return views.dicts(f"SELECT * FROM {views.name()}.fills ORDER BY trade_id, order_id, session, seq")


def orders(views: Database) -> list[dict[str, Any]]:
    """All orders."""
    return views.dicts(f"SELECT * FROM {views.name()}.orders ORDER BY client_order_id, order_id, symbol, simulated")


def positions(views: Database) -> list[dict[str, Any]]:
    """All positions."""
    return views.dicts(f"SELECT * FROM {views.name()}.positions ORDER BY exchange, account, symbol, strategy")


# Fills


@pytest.mark.parametrize("live_first", [True, False])
def test_a_fill_seen_live_and_in_a_look_back_is_one_and_the_live_one_counts(views: Database, live_first: bool) -> None:
    live = {**FILL, "liquidity": "maker", "captured_ns": 5_000}
    look_back = {
        **FILL,
        "origin": "lookback",
        "captured_ns": 1_000,
        "strategy": "",
        "liquidity": "taker",
        "commission": 0.25,
        "commission_currency": "USDC",
        "flags": 8,
    }
    for row in (live, look_back) if live_first else (look_back, live):
        record(views, row)
    (fill,) = fills(views)
    assert (fill["origin"], fill["strategy"], fill["liquidity"]) == ("live", "mm", "maker")
    assert (fill["commission"], fill["commission_currency"]) == (0.25, "USDC")  # the live one had none
    assert (fill["copies"], fill["flags"], fill["counted"], fill["corrected"]) == (2, 8, True, False)
    (position,) = positions(views)
    assert (position["fills"], position["quantity"], position["strategy"]) == (1, Decimal("0.1"), "mm")


def test_a_commission_comes_with_its_own_currency(views: Database) -> None:
    record(views, {**FILL, "commission_currency": "USDC"})
    record(views, {**FILL, "origin": "lookback", "commission": 0.1, "commission_currency": "BTC"})
    (fill,) = fills(views)
    assert (fill["commission"], fill["commission_currency"]) == (0.1, "BTC")


@pytest.mark.parametrize("field", ["exchange", "account", "symbol", "order_id", "trade_id"])
def test_fills_that_differ_in_one_name_are_two(views: Database, field: str) -> None:
    record(views, FILL, {**FILL, field: "another"})
    assert [fill["copies"] for fill in fills(views)] == [1, 1]


@pytest.mark.parametrize(("field", "value"), [("side", "sell"), ("last_price", 60001.0), ("last_quantity", 0.2)])
def test_a_trade_id_alone_does_not_make_a_fill(views: Database, field: str, value: Any) -> None:
    """Partial fills and flips come with one trade id."""
    record(views, FILL, {**FILL, field: value})
    assert [fill["copies"] for fill in fills(views)] == [1, 1]


def test_fills_without_a_trade_id_are_told_apart_by_what_the_order_had_and_when(views: Database) -> None:
    bare = {**FILL, "trade_id": ""}
    known = {**bare, "cumulative_quantity": 0.1, "exchange_ns": 7}
    record(views, known, {**known, "origin": "lookback"})
    record(views, {**known, "cumulative_quantity": 0.2}, {**known, "exchange_ns": 8})
    record(views, {**bare, "exchange_ns": 9}, {**bare, "exchange_ns": 9})
    assert sorted(fill["copies"] for fill in fills(views)) == [1, 1, 2, 2]


def test_fills_of_which_nothing_is_known_stand_alone(views: Database) -> None:
    bare = {**FILL, "trade_id": ""}
    record(views, bare, bare)
    record(views, bare)
    assert [fill["copies"] for fill in fills(views)] == [1, 1, 1]
    (position,) = positions(views)
    assert (position["fills"], position["quantity"]) == (3, Decimal("0.3"))


def test_a_record_stored_twice_counts_once(views: Database) -> None:
    records = executions([FILL, {**FILL, "trade_id": "t-2"}], session=77)
    views.insert(records, token="one")
    views.insert(records, token="two")
    assert views.rows(f"SELECT count() FROM {views.name()}.executions") == [(4,)]
    assert [fill["copies"] for fill in fills(views)] == [1, 1]
    assert positions(views)[0]["quantity"] == Decimal("0.2")


def test_a_canceled_trade_is_gone(views: Database) -> None:
    record(views, FILL, {**FILL, "trade_id": "t-2"}, {**FILL, "trade_id": "t-1", "account": "A2"})
    record(views, {"exec_type": "trade_cancel", **{name: FILL[name] for name in ("exchange", "account", "symbol")},
                   "trade_id": "t-1"})  # fmt: skip
    assert [(fill["trade_id"], fill["account"]) for fill in fills(views)] == [("t-1", "A2"), ("t-2", "A1")]


def test_a_cancel_without_a_trade_id_takes_nothing_away(views: Database) -> None:
    record(views, {**FILL, "trade_id": ""}, {**FILL, "trade_id": "", "exec_type": "trade_cancel"})
    assert len(fills(views)) == 1


def test_the_latest_correction_counts_whatever_order_they_come_in(views: Database) -> None:
    correction = {**FILL, "exec_type": "trade_correct"}
    record(views, {**correction, "exchange_ns": 30, "last_price": 61000.0, "last_quantity": math.nan})
    record(views, FILL)
    record(views, {**correction, "exchange_ns": 20, "last_price": 50000.0, "last_quantity": 0.7, "captured_ns": 9_999})
    (fill,) = fills(views)
    assert (fill["last_price"], fill["last_quantity"], fill["corrected"]) == (61000.0, 0.7, True)
    assert positions(views)[0]["bought_quote"] == Decimal("42700")


def test_a_look_back_that_shows_the_corrected_trade_is_the_same_fill(views: Database) -> None:
    record(views, FILL, {**FILL, "exec_type": "trade_correct", "last_price": 61000.0})
    record(views, {**FILL, "last_price": 61000.0, "origin": "lookback"})
    (fill,) = fills(views)
    assert (fill["last_price"], fill["copies"]) == (61000.0, 2)


def test_simulated_records_never_touch_real_ones(views: Database) -> None:
    simulated = {**FILL, "origin": "simulated"}
    record(views, *({**row, "trade_id": trade} for row in (FILL, simulated) for trade in ("t-1", "t-2", "t-3")))
    record(views, {**simulated, "exec_type": "trade_cancel"})
    record(views, {**FILL, "trade_id": "t-2", "exec_type": "trade_correct", "last_price": 61000.0})
    found = [(fill["trade_id"], fill["simulated"], fill["copies"], fill["last_price"]) for fill in fills(views)]
    assert sorted(found) == [
        ("t-1", False, 1, 60000.5),
        ("t-2", False, 1, 61000.0),
        ("t-2", True, 1, 60000.5),
        ("t-3", False, 1, 60000.5),
        ("t-3", True, 1, 60000.5),
    ]
    (position,) = positions(views)
    assert position["fills"] == 3
    assert sorted(order["simulated"] for order in orders(views)) == [False, True]


BAD_FILLS: list[dict[str, Any]] = [
    *({"last_quantity": bad} for bad in (-math.inf, math.nan, 5e-324, 1e21)),
    *({"side": bad, "order_id": f"o-{bad}"} for bad in ("unknown", 77)),
]


def test_a_fill_that_cannot_be_summed_is_seen_and_not_summed(views: Database) -> None:
    record(views, FILL, *({**FILL, "trade_id": f"bad-{number}", **bad} for number, bad in enumerate(BAD_FILLS)))
    found = fills(views)
    assert len(found) == 1 + len(BAD_FILLS)
    assert [fill["trade_id"] for fill in found if fill["counted"]] == ["t-1"]
    (position,) = positions(views)
    assert (position["fills"], position["ignored"]) == (1, len(BAD_FILLS))
    assert (position["quantity"], position["bought_quote"]) == (Decimal("0.1"), Decimal("6000.05"))


# Orders


def test_an_order_is_its_last_state(views: Database) -> None:
    record(
        views,
        {**ORDER, "order_status": "new", "price": 100.5, "quantity": 3.0, "cumulative_quantity": 0.0, "captured_ns": 1},
        {**ORDER, "order_status": "partially_filled", "order_id": "o-1", "cumulative_quantity": 1.0, "captured_ns": 2},
        {**ORDER, "exec_type": "canceled", "order_status": "canceled", "captured_ns": 3, "text": "by user"},
    )
    (order,) = orders(views)
    assert (order["exec_type"], order["order_status"], order["text"]) == ("canceled", "canceled", "by user")
    assert (order["price"], order["quantity"], order["cumulative_quantity"]) == (100.5, 3.0, 1.0)
    assert (order["order_id"], order["records"], order["seq"]) == ("o-1", 3, 2)
    assert math.isnan(order["average_price"]) and math.isnan(order["stop_price"])
    assert (order["link_id"], order["time_in_force"]) == ("", "unknown")


@pytest.mark.parametrize("late", ["new", "partially_filled", "pending_cancel"])
def test_a_late_message_does_not_overturn_a_terminal_state(views: Database, late: str) -> None:
    filled = {**ORDER, "order_status": "filled", "cumulative_quantity": 3.0, "captured_ns": 5, "price": 7.0}
    record(views, filled)
    record(views, {**ORDER, "order_status": late, "cumulative_quantity": 1.0, "captured_ns": 9, "price": 8.0})
    (order,) = orders(views)
    assert (order["order_status"], order["cumulative_quantity"], order["price"]) == ("filled", 3.0, 7.0)


def test_a_late_message_does_not_undo_a_fill(views: Database) -> None:
    record(views, {**ORDER, "order_status": "partially_filled", "cumulative_quantity": 2.0, "captured_ns": 5})
    record(views, {**ORDER, "order_status": "new", "cumulative_quantity": 0.0, "captured_ns": 9})
    assert [order["order_status"] for order in orders(views)] == ["partially_filled"]


def test_records_with_only_the_order_id_belong_to_the_order_that_has_it(views: Database) -> None:
    record(views, {**ORDER, "order_status": "new", "captured_ns": 1})
    record(views, {**ORDER, "order_id": "o-1", "order_status": "new", "captured_ns": 2})
    record(views, {**ORDER, "client_order_id": "", "order_id": "o-1", "order_status": "filled", "captured_ns": 3})
    (order,) = orders(views)
    assert (order["client_order_id"], order["order_id"]) == ("c-1", "o-1")
    assert (order["order_status"], order["records"]) == ("filled", 3)


def test_orders_without_a_client_order_id_are_their_order_ids(views: Database) -> None:
    bare = {**ORDER, "client_order_id": ""}
    record(views, {**bare, "order_id": "o-1"}, {**bare, "order_id": "o-1"}, {**bare, "order_id": "o-2"})
    record(views, {**bare, "order_id": "", "client_order_id": "o-1"})  # that of another order
    assert [(order["client_order_id"], order["order_id"], order["records"]) for order in orders(views)] == [
        ("", "o-1", 2),
        ("", "o-2", 1),
        ("o-1", "", 1),
    ]


@pytest.mark.parametrize("field", ["exchange", "account", "symbol"])
def test_the_same_id_elsewhere_is_another_order(views: Database, field: str) -> None:
    record(views, ORDER, {**ORDER, field: "another"})
    assert [order["records"] for order in orders(views)] == [1, 1]


def test_what_belongs_to_no_order_is_none(views: Database) -> None:
    paid = {**FILL, "trade_type": "funding"}
    record(views, {**ORDER, "client_order_id": ""}, {**ORDER, "exec_type": "funding"}, paid)
    assert (orders(views), fills(views), positions(views)) == ([], [], [])


# Positions


def exact(value: float) -> Decimal:
    """The decimal a float stands for."""
    return Decimal(repr(value))


def random_number(draw: random.Random) -> float:
    """Prices and quantities as venues have them, and as they come out of calculations."""
    kinds = [
        lambda: round(draw.uniform(0.01, 90_000), 2),
        lambda: draw.randrange(1, 10**9) / 10**8,
        lambda: draw.uniform(0, 1) * 10.0 ** draw.randrange(-9, 9),
        lambda: draw.randrange(1, 1000) * 1e-12,
        lambda: draw.choice([0.1, 0.2, 0.1 + 0.2, 4.35, 1e-8, 1 / 3, 5e-11, 1e6]),
    ]
    return draw.choice(kinds)()


def test_positions_are_exact_to_the_last_decimal(views: Database) -> None:
    draw = random.Random(1)
    rows: list[dict[str, Any]] = [
        {
            **FILL,
            "trade_id": f"t-{number}",
            "strategy": draw.choice(["a", "b"]),
            "side": draw.choice(["buy", "sell"]),
            "last_price": random_number(draw),
            "last_quantity": random_number(draw),
            "commission": draw.choice([-1, 1]) * random_number(draw),
            "commission_currency": draw.choice(["USDC", "BTC", ""]),
            "captured_ns": number,
            "exchange_ns": 2 * number,
        }
        for number in range(1, 2001)
    ]
    record(views, *rows)
    found_fills = fills(views)
    counted = {fill["trade_id"] for fill in found_fills if fill["counted"]}
    priced = {fill["trade_id"] for fill in found_fills if fill["priced"]}
    assert len(counted) == len(rows) and len(priced) > 1900
    wanted: dict[Any, Decimal] = defaultdict(Decimal)
    with localcontext(prec=200):
        for row in rows:
            price, quantity = exact(row["last_price"]), exact(row["last_quantity"])
            wanted[row["strategy"], row["side"], "quantity"] += quantity
            if row["trade_id"] in priced:
                wanted[row["strategy"], row["side"], "quote"] += price * quantity
            else:
                assert price * quantity < Decimal("1e-13")
            wanted[row["strategy"], row["commission_currency"]] += exact(row["commission"])
        found = positions(views)
        assert [position["strategy"] for position in found] == ["a", "b"]
        for position in found:
            strategy = position["strategy"]
            for side, name in (("buy", "bought"), ("sell", "sold")):
                for sum_of in ("quantity", "quote"):
                    assert position[f"{name}_{sum_of}"] == wanted[strategy, side, sum_of], (strategy, side, sum_of)
            assert position["quantity"] == position["bought_quantity"] - position["sold_quantity"]
            for currency, amount in position["commissions"].items():
                assert amount == wanted[strategy, currency], (strategy, currency)
            assert position["commissions"].keys() == {"USDC", "BTC", ""}
    assert sum(position["fills"] + position["ignored"] for position in found) == len(rows)


def test_positions_of_a_strategy_an_account_and_a_symbol_are_apart(views: Database) -> None:
    others = [{"exchange": "x"}, {"account": "x"}, {"symbol": "x"}, {"strategy": "x"}]
    record(views, FILL, *({**FILL, "trade_id": f"t-{number}", **other} for number, other in enumerate(others, 2)))
    found = positions(views)
    assert [position["quantity"] for position in found] == [Decimal("0.1")] * 5


def test_a_commission_beyond_all_reason_is_counted_and_not_summed(views: Database) -> None:
    commissions = [0.5, -0.2, 0.0, math.nan, math.inf, 1e300, 1e-300]
    rows = [{**FILL, "trade_id": f"t-{number}", "commission": each} for number, each in enumerate(commissions)]
    record(views, *({**row, "commission_currency": "USDC"} for row in rows))
    (position,) = positions(views)
    assert position["commissions"] == {"USDC": Decimal("0.3")}
    assert (position["fills"], position["ignored_commissions"]) == (7, 3)


def test_positions_show_when_they_were_last_changed(views: Database) -> None:
    record(views, FILL, {**FILL, "trade_id": "t-2", "captured_ns": 9_000_000_000, "exchange_ns": 8_000_000_000})
    query = "SELECT toUnixTimestamp64Nano(last_captured_ns), toUnixTimestamp64Nano(last_exchange_ns)"
    assert views.rows(f"{query} FROM {views.name()}.positions") == [(9_000_000_000, 8_000_000_000)]


@pytest.mark.parametrize("setting", ["join_use_nulls = 1", "aggregate_functions_null_for_empty = 1", "max_threads = 1"])
def test_the_settings_of_who_asks_change_nothing(views: Database, setting: str) -> None:
    record(views, FILL, {**FILL, "exec_type": "trade_correct", "last_price": 61000.0}, {**FILL, "trade_id": "t-2"})
    record(views, {**FILL, "trade_id": "t-3", "side": "sell"}, {**ORDER, "order_status": "new"})
    record(views, {**FILL, "trade_type": "funding", "trade_id": "f-1", "commission": 0.1})
    for view in ("fills", "funding_payments", "orders", "positions"):
        order = "symbol" if view == "positions" else "session, seq"
        query = f"SELECT * FROM {views.name()}.{view} ORDER BY {order}"
        assert views.json(query) == views.json(f"{query} SETTINGS {setting}"), view


def test_filters_on_the_symbol_reach_the_table(views: Database) -> None:
    record(views, FILL)
    record(views, {**FILL, "symbol": "another"})
    for view in ("fills", "orders", "positions"):
        query = f"EXPLAIN ESTIMATE SELECT * FROM {views.name()}.{view}"
        everything, filtered = (
            sum(rows for _, _, _, rows, _ in views.rows(f"{query}{where}"))
            for where in ("", " WHERE symbol = 'another'")
        )
        assert filtered < everything, view


# The views themselves


@pytest.mark.parametrize("name", ["fills", "funding_payments", "orders", "positions"])
@pytest.mark.parametrize("kind", ["TABLE {} (x UInt8) ENGINE = MergeTree ORDER BY x", "VIEW {} AS SELECT 1 AS x"])
def test_what_somebody_else_has_under_a_views_name_is_left_alone(store: Database, name: str, kind: str) -> None:
    store.prepare()
    store.command("CREATE " + kind.format(f"{store.name()}.{name}"))
    with pytest.raises(TableMismatch, match=f"{store.name()}.{name} is not ours"):
        store.ensure()
    assert store.rows(f"SELECT count() FROM system.columns WHERE database = '{store.name()}' AND table = '{name}'") == [
        (1,)
    ]


def test_views_of_an_earlier_version_are_replaced_and_others_left_as_they_are(store: Database) -> None:
    store.set_up()
    uuids = f"SELECT name, uuid FROM system.tables WHERE database = '{store.name()}' AND engine = 'View' ORDER BY name"
    before = dict(store.rows(uuids))
    store.command(
        f"CREATE OR REPLACE VIEW {store.name()}.fills AS SELECT 1 AS old COMMENT 'ringbuf: of old [00000000]'"
    )
    store.ensure()
    after = dict(store.rows(uuids))
    assert before["fills"] != after["fills"]
    assert (before["orders"], before["positions"]) == (after["orders"], after["positions"])
    assert store.rows(f"SELECT count() FROM {store.name()}.fills WHERE counted") == [(0,)]
