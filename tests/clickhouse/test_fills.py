"""The exact numbers of `fills`, which sums are made of."""

from decimal import Decimal
from typing import Any

from tests.clickhouse.databases import Database
from tests.clickhouse.test_views import FILL, fills, record

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
