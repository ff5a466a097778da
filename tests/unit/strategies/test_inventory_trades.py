"""Trades that a venue takes back or corrects, in the inventory of a strategy."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ringbuf.strategies.inventory import Position
from tests.unit.strategies.inventories import applied, cancel, correct, fill, order, position


def test_of_a_canceled_trade_nothing_is_left_and_its_order_works_again() -> None:
    inventory = applied(
        order("pending_new", client_order_id="c1"),
        fill(client_order_id="c1", order_status="filled", cumulative_quantity=1.0, commission=0.5),
        cancel(),
    )
    assert position(inventory) == Position(Decimal(0), Decimal(1))
    assert inventory.commissions() == {"": Decimal(0)}
    inventory.apply(order("canceled", client_order_id="c1", cumulative_quantity=0.0))
    assert position(inventory) == Position()


def test_what_a_canceled_trade_had_filled_of_a_working_order_is_open_again() -> None:
    working: dict[str, Any] = {"order_id": "1", "order_status": "partially_filled"}
    inventory = applied(
        order("new", order_id="1"),
        fill(0.3, **working, cumulative_quantity=0.3, trade_id="t1"),
        fill(0.2, **working, cumulative_quantity=0.5, trade_id="t2"),
    )
    assert position(inventory) == Position(Decimal("0.5"), Decimal("0.5"))
    inventory.apply(cancel(**working, cumulative_quantity=0.2))
    assert position(inventory) == Position(Decimal("0.2"), Decimal("0.8"))
    inventory.apply(fill(0.8, **working, cumulative_quantity=1.0, trade_id="t3"))
    assert position(inventory) == Position(Decimal(1))


def test_a_corrected_trade_has_the_quantity_of_its_latest_correction() -> None:
    inventory = applied(
        order("new", order_id="1"),
        fill(0.3, order_id="1", order_status="partially_filled", cumulative_quantity=0.3),
        correct(last_quantity=0.1, exchange_ns=2),
        correct(last_quantity=0.2, exchange_ns=1),
        correct(last_price=1.0, exchange_ns=3),
    )
    assert position(inventory) == Position(Decimal("0.1"), Decimal("0.9"))


def test_a_look_back_that_shows_the_corrected_trade_is_the_same_fill() -> None:
    shown = fill(0.1, order_id="1", origin="lookback", commission=0.5, commission_currency="USD")
    inventory = applied(fill(0.3, order_id="1"), correct(last_quantity=0.1), shown)
    assert position(inventory) == Position(Decimal("0.1"))
    assert inventory.commissions() == {"USD": Decimal("0.5")}


CHANGED = [
    fill(0.3, order_id="1", trade_id="t1", order_status="partially_filled", quantity=1.0, cumulative_quantity=0.3),
    fill(0.2, order_id="1", trade_id="t2", order_status="partially_filled", quantity=1.0, cumulative_quantity=0.5),
    fill(0.4, order_id="1", trade_id="t3", order_status="partially_filled", quantity=1.0, cumulative_quantity=0.9),
    cancel(trade_id="t2"),
    correct(trade_id="t3", last_quantity=0.5, exchange_ns=1),
    correct(trade_id="t3", last_quantity=0.1, exchange_ns=2),
]


@given(st.lists(st.sampled_from(CHANGED), max_size=6), st.permutations(CHANGED))
def test_a_change_counts_whether_it_comes_before_its_trade_or_after_it(
    repeated: list[dict[str, Any]], rest: list[dict[str, Any]]
) -> None:
    assert position(applied(*repeated, *rest)).quantity == Decimal("0.4")


def test_a_change_that_names_no_order_opens_nothing() -> None:
    assert position(applied(cancel(side="buy", quantity=1.0))) == Position()


def test_copies_of_a_fill_that_come_after_its_cancel_change_nothing() -> None:
    filled = fill(order_id="1", order_status="filled", quantity=1.0, cumulative_quantity=1.0)
    assert position(applied(filled, cancel(), filled, filled)) == Position(Decimal(0), Decimal(1))
    canceled = order("canceled", order_id="1", cumulative_quantity=0.0)
    assert position(applied(filled, cancel(), canceled, filled, filled)) == Position()
