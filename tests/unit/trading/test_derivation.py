"""Rows of orders and fills, derived from records in memory; tests/clickhouse compares them with the views."""

import random
from decimal import Decimal
from typing import Any

from ringbuf.record.enumerations import ExecType, OrderStatus, Origin, Side
from ringbuf.trading.derivation import derive

BEGIN_NS = 1_790_000_000_000_000_000
NEW: dict[str, Any] = {
    "exchange": "x",
    "account": "a",
    "symbol": "s",
    "session": 1,
    "seq": 0,
    "captured_ns": BEGIN_NS,
    "origin": "live",
    "exec_type": "new",
    "order_status": "new",
    "side": "buy",
    "order_id": "o1",
    "client_order_id": "c1",
    "price": 100.0,
    "quantity": 10.0,
}
FILL: dict[str, Any] = {
    **NEW,
    "seq": 1,
    "exec_type": "fill",
    "order_status": "partially_filled",
    "trade_id": "t1",
    "last_price": 100.5,
    "last_quantity": 4.0,
    "commission": 0.1,
    "commission_currency": "USD",
}


def test_an_order_and_its_fill_are_a_row_each() -> None:
    (order,), (fill,), _ = derive([NEW, FILL])
    assert (order["order_key"], order["order_status"], order["exec_type"]) == ("id:o1", "partially_filled", "fill")
    assert (order["executed_quantity"], order["open_quantity"], order["records"]) == (Decimal(4), Decimal(6), 2)
    assert (order["client_ids"], order["record_ids"]) == (["c1"], [(1, 0), (1, 1)])
    assert (fill["order_key"], fill["traded_quote"], fill["commission_paid"]) == (
        "id:o1", Decimal("402.0"), Decimal("0.1"),
    )  # fmt: skip
    assert (fill["counted"], fill["priced"], fill["corrected"], fill["copies"]) == (True, True, False, 1)


def test_neither_order_nor_copies_of_records_make_a_difference() -> None:
    records = [NEW, FILL, {**FILL, "session": 2, "origin": "lookback", "captured_ns": BEGIN_NS + 5}]
    right = derive(records)
    assert [each["copies"] for each in right.fills] == [2]
    for seed in range(20):
        draw = random.Random(seed)
        copies = records + draw.choices(records, k=3)
        draw.shuffle(copies)
        assert str(derive(copies)) == str(right)  # as text: an absent number is not equal to itself


def test_a_word_may_be_its_number() -> None:
    words = {"origin": Origin.LIVE, "exec_type": ExecType.NEW, "order_status": OrderStatus.NEW, "side": Side.BUY}
    numbers = {name: int(value) for name, value in words.items()}
    assert str(derive([NEW | numbers])) == str(derive([NEW]))


def test_an_absent_value_may_be_left_out_or_none() -> None:
    nothing = {"stop_price": None, "strategy": None, "market_ns": None, "order_type": None, "flags": None}
    assert str(derive([NEW | nothing])) == str(derive([NEW]))
    (order,), _, _ = derive([NEW])
    assert (order["strategy"], order["market_ns"], order["order_type"]) == ("", 0, "unknown")


def test_simulated_records_are_a_world_of_their_own() -> None:
    found = derive([NEW, FILL, {**NEW, "seq": 2, "origin": "simulated"}])
    assert sorted((each["simulated"], each["records"]) for each in found.orders) == [(False, 2), (True, 1)]


def test_a_request_is_an_order_until_it_is_named_and_then_one_with_it() -> None:
    request = NEW | {"exec_type": "pending_new", "order_status": "pending_new", "order_id": ""}
    (order,), _, _ = derive([request])
    assert (order["order_key"], order["client_order_id"]) == ("client:1:c1", "c1")
    (order,), _, _ = derive([request, {**NEW, "seq": 1, "captured_ns": BEGIN_NS + 7}])
    assert (order["order_key"], order["record_ids"]) == ("id:o1", [(1, 0), (1, 1)])
    assert (order["requested_ns"], order["acknowledged_ns"]) == (BEGIN_NS, BEGIN_NS + 7)


def test_a_fill_without_a_quantity_is_shown_and_counts_nowhere() -> None:
    (order,), (fill,), _ = derive([NEW, FILL | {"last_quantity": None}])
    assert (fill["counted"], fill["traded_quantity"], fill["traded_price"]) == (False, None, Decimal("100.5"))
    assert order["executed_quantity"] == 0


def test_a_trade_that_was_taken_back_has_no_row() -> None:
    found = derive([NEW, FILL, {**FILL, "seq": 2, "exec_type": "trade_cancel", "order_status": "new"}])
    assert found.fills == []
    assert found.orders[0]["executed_quantity"] == 0


def test_a_corrected_trade_has_the_price_and_quantity_of_the_correction() -> None:
    correction = {**FILL, "seq": 2, "exec_type": "trade_correct", "last_price": 99.0, "last_quantity": 3.0}
    _, (fill,), _ = derive([NEW, FILL, correction])
    assert (fill["last_price"], fill["last_quantity"], fill["corrected"]) == (99.0, 3.0, True)
    assert (fill["traded_price"], fill["traded_quantity"]) == (Decimal("99.0"), Decimal("3.0"))


def test_a_corrected_commission_is_in_the_row_of_its_fill_with_its_currency() -> None:
    correction = {**FILL, "seq": 2, "exec_type": "trade_correct", "last_price": None, "last_quantity": None}
    told = {"commission": 0.3, "commission_currency": "EUR", "exact": "f=0.30000000000000000001"}
    _, (fill,), _ = derive([NEW, FILL, correction | told])
    assert (fill["commission"], fill["commission_currency"], fill["commission_paid"]) == (
        0.3, "EUR", Decimal("0.30000000000000000001"),
    )  # fmt: skip
    assert (fill["last_price"], fill["copies"], fill["corrected"]) == (100.5, 1, True)
    _, (fill,), _ = derive([NEW, FILL, correction | {"commission": 1e300}])
    assert (fill["commission"], fill["commission_paid"]) == (1e300, None)
    _, (fill,), _ = derive([NEW, FILL, correction | {"commission": None}])
    assert (fill["commission"], fill["commission_paid"], fill["corrected"]) == (0.1, Decimal("0.1"), False)


def test_a_record_that_a_strategy_would_refuse_shows_what_it_tells() -> None:
    nameless = {name: value for name, value in NEW.items() if name not in ("order_id", "client_order_id")}
    assert derive([nameless]) == ([], [], 0)
    (order,), _, _ = derive([NEW | {"cumulative_quantity": -1.0}])
    assert order["cumulative_quantity"] == -1.0


def test_a_record_with_a_word_of_a_later_version_is_counted_and_the_word_is_absent() -> None:
    (order,), _, unreadable = derive([NEW, {**NEW, "seq": 1, "order_status": "hibernating", "exec_type": "restated"}])
    assert (order["order_status"], order["records"], unreadable) == ("new", 2, 1)


def test_a_record_of_funding_is_no_row_and_places_no_other() -> None:
    other = {**NEW, "session": 2, "order_status": "canceled", "exec_type": "canceled", "captured_ns": BEGIN_NS + 3}
    paid = {**NEW, "seq": 1, "exec_type": "funding", "captured_ns": BEGIN_NS + 9}
    late = {**NEW, "seq": 2, "order_status": "new", "exec_type": "order_status", "captured_ns": BEGIN_NS + 2}
    assert str(derive([NEW, paid, late, other])) == str(derive([NEW, late, other]))
    assert [each["exec_type"] for each in derive([paid, late, other]).orders] == ["canceled"]
