"""The exact numbers of `fills`, which sums are made of."""

import math
from decimal import Decimal
from typing import Any

import pytest

from tests.clickhouse.databases import Database
from tests.clickhouse.test_views import FILL, fills, positions, record

NUMBERS = ("traded_quantity", "traded_price", "traded_quote", "commission_paid", "other_commission_paid")


def exact_numbers(views: Database) -> list[tuple[Any, ...]]:
    """The exact numbers of each fill."""
    return [tuple(fill[name] for name in NUMBERS) for fill in fills(views)]


def test_a_fill_has_the_exact_numbers_that_are_summed(views: Database) -> None:
    record(views, {**FILL, "commission": -0.2, "other_commission": 1e-9})
    wanted = ("0.1", "60000.5", "6000.05", "-0.2", "0.000000001")
    assert exact_numbers(views) == [tuple(map(Decimal, wanted))]


def test_each_number_is_exact_that_any_copy_tells_whole(views: Database) -> None:
    amount = "1.123456789012345678"
    record(views, {**FILL, "last_quantity": float(amount), "exact": f"q={amount}"})
    look_back = {**FILL, "origin": "lookback", "last_quantity": float(amount)}
    record(views, {**look_back, "commission": float(amount), "exact": f"q={amount};f={amount}"})
    quantity, price = Decimal(amount), Decimal("60000.5")
    assert exact_numbers(views) == [(quantity, price, quantity * price, quantity, None)]


def test_a_corrected_fill_has_the_exact_numbers_of_the_correction(views: Database) -> None:
    amount = "2.123456789012345678"
    correction = {**FILL, "exec_type": "trade_correct", "last_quantity": float(amount), "exact": f"q={amount}"}
    record(views, {**FILL, "exact": "q=0.1000000000000000055"}, correction)
    ((quantity, price, *_),) = exact_numbers(views)
    assert (quantity, price) == (Decimal(amount), Decimal("60000.5"))


def test_what_cannot_be_summed_is_null(views: Database) -> None:
    record(views, {**FILL, "last_price": 1e300}, {**FILL, "trade_id": "t-2", "last_quantity": 1e-300})
    found = exact_numbers(views)
    assert [[number is None for number in numbers] for numbers in found] == [
        [False, True, True, True, True],
        [True, False, True, True, True],
    ]


def test_a_corrected_fill_has_the_commission_of_the_correction_and_its_currency(views: Database) -> None:
    amount, nothing = "0.123456789012345678", {"last_price": math.nan, "last_quantity": math.nan}
    other = {"other_commission": 0.5, "other_commission_currency": "BNB"}
    record(views, {**FILL, **other, "commission": 1.0, "commission_currency": "USD"})
    told = {"commission": float(amount), "commission_currency": "EUR", "exact": f"f={amount}"}
    record(views, {**FILL, **nothing, **told, "exec_type": "trade_correct", "text": "of the correction"})
    (fill,) = fills(views)
    assert exact_numbers(views) == [
        (Decimal("0.1"), Decimal("60000.5"), Decimal("6000.05"), Decimal(amount), Decimal("0.5"))
    ]
    assert (fill["commission"], fill["commission_currency"]) == (float(amount), "EUR")
    assert (fill["other_commission"], fill["other_commission_currency"]) == (0.5, "BNB")
    assert (fill["corrected"], fill["copies"], fill["text"]) == (True, 1, "")
    (position,) = positions(views)
    assert position["commissions"] == {"EUR": Decimal(amount), "BNB": Decimal("0.5")}


@pytest.mark.parametrize("amount", [math.inf, 1e300, 1e-300])
def test_a_corrected_commission_beyond_all_reason_is_counted_and_not_summed(views: Database, amount: float) -> None:
    paid = {**FILL, "commission": 1.0, "commission_currency": "USD"}
    record(views, paid, {**paid, "trade_id": "t-2"}, {**paid, "exec_type": "trade_correct", "commission": amount})
    (position,) = positions(views)
    assert (position["commissions"], position["ignored_commissions"]) == ({"USD": Decimal(1)}, 1)


def test_a_commission_of_a_fill_that_is_not_counted_is_counted_as_ignored(views: Database) -> None:
    paid = {**FILL, "commission": 0.1}
    record(
        views, paid, {**paid, "trade_id": "t-2", "last_quantity": 1e21}, {**paid, "order_id": "o-2", "side": "unknown"}
    )
    (position,) = positions(views)
    assert (position["fills"], position["ignored"], position["ignored_commissions"]) == (1, 2, 2)
    assert position["commissions"] == {"": Decimal("0.1")}


def test_of_a_trade_with_oneself_each_side_has_its_own_corrected_commission(views: Database) -> None:
    sold = {**FILL, "order_id": "o-2", "side": "sell"}
    record(views, {**FILL, "commission": 1.0}, {**sold, "commission": 2.0})
    for fields, wanted in (
        ({**sold, "commission": 4.0}, [1, 4]),
        ({**FILL, "order_id": "", "commission": 8.0}, [8, 4]),
    ):
        record(views, {**fields, "exec_type": "trade_correct"})
        assert [each["commission_paid"] for each in fills(views)] == wanted
