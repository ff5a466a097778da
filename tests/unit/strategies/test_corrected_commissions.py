"""Commissions that a venue corrects, in the inventory of a strategy."""

from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from ringbuf.strategies.inventory import Inventory
from ringbuf.trading.lookback import REPORTS
from tests.unit.strategies.inventories import applied, cancel, correct, fill, order

PAID = fill(order_id="1", commission=0.5, commission_currency="USD")


def paid(*records: dict[str, Any]) -> dict[str, Decimal]:
    """The commissions, without those that came to nothing."""
    return {currency: amount for currency, amount in applied(*records).commissions().items() if amount}


def test_a_corrected_commission_takes_the_place_of_the_one_before_with_its_currency() -> None:
    assert paid(PAID, correct(order_id="1", commission="0.30000000000000000001", commission_currency="EUR")) == {
        "EUR": Decimal("0.30000000000000000001")
    }
    assert paid(PAID, correct(commission=-0.25)) == {"": Decimal("-0.25")}
    assert paid(PAID, correct(commission=0)) == {}


def test_a_correction_that_tells_no_commission_leaves_it_as_it_was() -> None:
    inventory = applied(PAID, correct(commission=0.1, commission_currency="USD", exchange_ns=1))
    for untold in ({}, {"commission": None}, {"commission": float("nan"), "commission_currency": "EUR"}):
        inventory.apply(correct(last_price=1.0, exchange_ns=2, **untold))
        assert inventory.commissions() == {"USD": Decimal("0.1")}


def test_each_of_the_two_commissions_is_corrected_alone() -> None:
    both = PAID | {"other_commission": 2, "other_commission_currency": "BNB"}
    other = correct(other_commission=3, other_commission_currency="BNB", exchange_ns=2)
    assert paid(both, other) == {"USD": Decimal("0.5"), "BNB": Decimal(3)}
    one = correct(commission=1, commission_currency="USD", exchange_ns=1)
    assert paid(both, other, one) == {"USD": Decimal(1), "BNB": Decimal(3)}


CORRECTIONS = (
    correct(commission=1, exchange_ns=1, report_id="x1"),
    correct(commission=2, exchange_ns=3, report_id="x2"),
    correct(commission=4, exchange_ns=2, report_id="x3"),
    correct(last_quantity=0.5, exchange_ns=4, report_id="x4"),
)


def test_the_latest_correction_that_tells_it_counts_whatever_comes_first_and_how_often() -> None:
    for records in permutations((PAID, *CORRECTIONS)):
        assert paid(*records) == paid(*records, *records) == {"": Decimal(2)}, records


def test_a_correction_of_a_correction_is_later_than_that_one() -> None:
    first = correct(report_id="x1", exchange_ns=9, commission=1)
    second = correct(trade_id="", ref_id="x1", report_id="x2", exchange_ns=2, commission=2)
    for records in permutations((PAID, first, second)):
        assert paid(*records) == {"": Decimal(2)}, records


def test_of_a_trade_that_is_taken_back_no_commission_is_left() -> None:
    for records in permutations((PAID, correct(commission=1), cancel())):
        assert paid(*records) == {}, records


def test_a_look_back_that_shows_the_commission_of_before_changes_nothing() -> None:
    assert paid(PAID, correct(commission=1), PAID | {"origin": "lookback"}) == {"": Decimal(1)}


@pytest.mark.parametrize("amount", [1e300, 1e-300, float("inf")])
def test_a_corrected_commission_that_cannot_be_summed_is_not_and_neither_is_the_one_before(amount: float) -> None:
    assert paid(PAID, correct(commission=amount, commission_currency="USD")) == {}


# Several fills under one trade id

ONE = fill(order_id="1", commission=0.5)
OTHER = fill(order_id="2", side="sell", commission=0.75)


def test_a_correction_is_about_the_order_that_it_names() -> None:
    assert paid(ONE, OTHER, correct(order_id="2", commission=4)) == {"": Decimal("4.5")}
    each = correct(order_id="1", commission=8), correct(order_id="2", commission=4)
    for records in permutations((ONE, OTHER, *each)):
        assert paid(*records) == {"": Decimal(12)}, records


@pytest.mark.parametrize("named", [{}, {"order_id": "3"}])
def test_a_correction_that_names_no_order_of_the_trade_counts_once(named: dict[str, Any]) -> None:
    assert paid(ONE, OTHER, correct(**named, commission=4, last_price=1.0)) == {"": Decimal("4.75")}
    assert paid(correct(**named, commission=4), OTHER, ONE) == {"": Decimal("4.5")}


def test_fills_of_one_order_under_one_trade_id_count_a_corrected_commission_once() -> None:
    part = ONE | {"last_quantity": 2.0, "commission": 0.25}
    assert paid(ONE, part, correct(order_id="1", commission=4)) == {"": Decimal("4.25")}
    whole = correct(order_id="1", commission=4, last_quantity=3.0)
    assert paid(ONE, part, whole) == {"": Decimal(4)}, "they are one fill now"


def test_a_fill_that_tells_less_is_the_same_fill_and_the_correction_is_about_that_one() -> None:
    for records in permutations((ONE | {"order_id": None}, ONE, correct(commission=4))):
        assert paid(*records) == {"": Decimal(4)}, records


def test_the_order_that_it_names_may_become_known_later() -> None:
    request = order("pending_new", client_order_id="c2", side="sell")
    named = order("new", order_id="2", client_order_id="c2", side="sell")
    correction = correct(client_order_id="c2", commission=4)
    assert paid(ONE, request, correction, OTHER | {"exchange_ns": 1}) == {"": Decimal("4.75")}
    assert paid(ONE, request, correction, OTHER, named) == {"": Decimal("4.5")}


def test_when_an_order_is_forgotten_its_commission_does_not_become_that_of_another_one() -> None:
    begin_ns, second = 1_790_000_000_000_000_000, 1_000_000_000
    inventory = Inventory(lookback=timedelta(seconds=1))
    over = {"order_status": "filled", "quantity": 1.0, "exchange_ns": begin_ns}
    works = {"order_status": "partially_filled", "quantity": 9.0, "exchange_ns": begin_ns}
    for each in (ONE | over, OTHER | works, correct(order_id="1", commission=4, exchange_ns=begin_ns)):
        inventory.apply(each)
    for number in range(3 * REPORTS):
        later = {"order_id": f"later {number}", "exchange_ns": begin_ns + number * second}
        inventory.apply(order("canceled", **later))
    assert inventory.ledger.order_of(next(iter(inventory.positions())), "1", "") is None
    inventory.apply(OTHER | works | {"origin": "lookback"})
    assert inventory.commissions() == {"": Decimal("4.75")}
