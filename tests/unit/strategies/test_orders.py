"""Order pages: what an update changes in them, and how they are found."""

from decimal import Decimal
from typing import Any

import pytest

from ringbuf.record.execution import OrderStatus, Side
from ringbuf.strategies.inventory import Inventory
from ringbuf.strategies.orders import Delta, OrderPages
from tests.unit.strategies.inventories import INSTRUMENT, cancel, correct, fill, order

NAME = INSTRUMENT["exchange"], INSTRUMENT["account"], INSTRUMENT["symbol"]
NEW = order("new", order_id="o1", client_order_id="c1", price="100.5", cumulative_quantity=0)
PART = fill(0.4, order_id="o1", order_status="partially_filled", quantity=1, cumulative_quantity=0.4)
REST = fill(0.6, order_id="o1", order_status="filled", quantity=1, cumulative_quantity=1, trade_id="t2")


def told(pages: OrderPages) -> list[Delta]:
    """The deltas that its handlers are told from now on."""
    found: list[Delta] = []
    pages.on_delta(found.append)
    return found


def numbers(delta: Delta | None) -> tuple[Any, Any, Any]:
    """What was traded, what remains, what is held."""
    assert delta is not None
    return delta.traded, delta.remaining, delta.position.quantity


def test_a_delta_tells_what_an_update_changed() -> None:
    pages = OrderPages()
    new = pages.apply(NEW)
    assert new is not None
    assert (new.before, *numbers(new)) == (None, 0, 1, 0)
    assert (new.status, new.price) == ((OrderStatus.UNKNOWN, OrderStatus.NEW), (None, Decimal("100.5")))
    part = pages.apply(PART)
    assert part is not None
    assert part.before == new.page
    assert (part.traded, part.remaining) == (Decimal("0.4"), Decimal("-0.4"))
    assert (part.status, part.price) == ((OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED), None)
    assert (part.position.quantity, part.position.open_buy) == (Decimal("0.4"), Decimal("0.6"))
    assert part.update is PART
    assert part.page == pages.page(*NAME, order_id="o1")


@pytest.mark.parametrize("copy", [NEW, PART])
def test_a_copy_or_a_stale_message_is_no_delta(copy: dict[str, Any]) -> None:
    pages = OrderPages()
    pages.apply(NEW)
    pages.apply(PART)
    deltas = told(pages)
    assert pages.apply(copy) is None
    assert pages.apply(order("new", order_id="o1", cumulative_quantity=0, text="late")) is None
    assert deltas == []


def test_a_quantity_is_traded_once_whether_its_total_or_its_fill_comes_first() -> None:
    total = order("partially_filled", order_id="o1", cumulative_quantity=0.4)
    own_fill = fill(0.4, order_id="o1")
    for first, second in ((total, own_fill), (own_fill, total)):
        pages = OrderPages()
        pages.apply(NEW)
        assert numbers(pages.apply(first))[:2] == (Decimal("0.4"), Decimal("-0.4"))
        delta = pages.apply(second)
        assert delta is not None
        assert numbers(delta) == (0, 0, Decimal("0.4"))
        assert delta is not None
        assert not delta.page.awaited


def test_a_trade_that_is_taken_back_is_traded_less_than_zero() -> None:
    pages = OrderPages()
    for each in (NEW, PART, REST):
        pages.apply(each)
    delta = pages.apply(cancel(trade_id="t2"))
    assert numbers(delta) == (Decimal("-0.6"), Decimal("0.6"), Decimal("0.4"))
    assert delta is not None
    assert delta.status == (OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED)
    assert numbers(pages.apply(correct(trade_id="t1", last_quantity=0.3))) == (
        Decimal("-0.1"),
        Decimal("0.1"),
        Decimal("0.3"),
    )


def test_of_several_orders_that_change_each_is_told_and_the_own_one_is_returned() -> None:
    pages = OrderPages()
    pages.apply(NEW)
    deltas = told(pages)
    replaced = order("replaced", order_id="o2", client_order_id="c2", orig_client_order_id="c1", cumulative_quantity=0)
    own = pages.apply(replaced | {"order_status": "new", "quantity": 3})
    assert own is not None
    assert [each.page.order_id for each in deltas] == ["o2", "o1"]
    assert own is deltas[0]
    assert [numbers(each)[1] for each in deltas] == [3, -1]
    assert deltas[1].status == (OrderStatus.NEW, OrderStatus.REPLACED)
    assert [each.order_id for each in pages.open_pages()] == ["o2"]


def test_a_request_and_the_order_that_it_becomes_are_one_page() -> None:
    pages = OrderPages()
    request = order("pending_new", client_order_id="c1")
    asked = pages.apply(request)
    assert asked is not None
    assert asked.page == pages.page(*NAME, client_order_id="c1")
    new = pages.apply(NEW)
    assert new is not None
    assert (new.before, numbers(new)[1]) == (asked.page, 0)
    assert new.page == pages.page(*NAME, client_order_id="c1") == pages.page(*NAME, order_id="o1")
    assert pages.open_pages() == [new.page]


def test_two_pages_that_turn_out_to_be_one_order_have_traded_once() -> None:
    pages = OrderPages()
    deltas = told(pages)
    pages.apply(fill(0.4, client_order_id="c1"))
    pages.apply(fill(0.4, order_id="o1"))
    pages.apply(order("new", order_id="o1", client_order_id="c1"))
    assert [each.traded for each in deltas] == [Decimal("0.4"), Decimal("0.4"), Decimal("-0.4")]
    assert deltas[-1].page.executed == Decimal("0.4")


def test_a_page_that_turns_out_to_be_another_one_is_told_also_if_that_stays_as_it_was() -> None:
    pages = OrderPages()
    deltas = told(pages)
    pages.apply(order("pending_new", client_order_id="c1"))
    pages.apply(order("new", order_id="o1", client_order_id="c2"))
    delta = pages.apply(order("new", order_id="o1", client_order_id="c1") | {"exec_type": "order_status"})
    assert sum(each.remaining for each in deltas) == 1
    assert delta is deltas[-1]
    assert delta.page == pages.page(*NAME, client_order_id="c1") == pages.page(*NAME, client_order_id="c2")


def test_a_fill_that_names_no_order_has_a_page_without_ids() -> None:
    pages = OrderPages()
    delta = pages.apply(fill(0.4, side="sell"))
    assert delta is not None
    assert (delta.page.order_id, delta.page.client_order_id, delta.page.side) == ("", "", Side.SELL)
    assert (delta.page.executed, delta.position.quantity) == (Decimal("0.4"), Decimal("-0.4"))
    assert pages.apply(fill(0.4, side="sell")) is None
    assert numbers(pages.apply(cancel()))[0] == Decimal("-0.4")


def test_funding_is_no_delta() -> None:
    pages = OrderPages()
    assert pages.apply(INSTRUMENT | {"exec_type": "funding", "commission": 1, "commission_currency": "USD"}) is None
    assert pages.inventory.commissions() == {}
    assert pages.refused == 0


def test_pages_are_found_by_their_ids_and_by_the_last_of_a_client_id() -> None:
    pages = OrderPages()
    for order_id in ("o1", "o2"):
        pages.apply(order("new", order_id=order_id, client_order_id="mm"))
    pages.apply(order("canceled", order_id="o1", client_order_id="mm"))
    found = [pages.page(*NAME, order_id=each) for each in ("o1", "o2", "o3")]
    assert [each and each.status for each in found] == [OrderStatus.CANCELED, OrderStatus.NEW, None]
    assert pages.page(*NAME, client_order_id="mm") == found[1]
    assert pages.page(*NAME, client_order_id="other") is None
    assert pages.page("other", "A1", "x", order_id="o1") is None


def test_an_open_page_works_or_awaits_a_fill() -> None:
    pages = OrderPages()
    pages.apply(NEW)
    pages.apply(order("canceled", order_id="o1", cumulative_quantity=0.4))
    (page,) = pages.open_pages()
    assert page.is_over
    assert (page.awaited, page.leaves) == (Decimal("0.4"), Decimal(0))
    pages.apply(fill(0.4, order_id="o1"))
    assert pages.open_pages() == []


def test_pages_share_the_state_of_the_inventory_that_they_are_given() -> None:
    inventory = Inventory()
    pages = OrderPages(inventory=inventory)
    pages.apply(NEW)
    inventory.apply(PART)
    assert pages.page(*NAME, order_id="o1") == inventory.orders()[0]
    pages.apply(REST)
    assert inventory.position(*NAME).quantity == 1
