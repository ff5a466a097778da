"""An order and its inventory are never out of step."""

import threading
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ringbuf.strategies.inventory import Inventory, Position
from tests.unit.strategies.inventories import applied, fill, order, position

TARGET = Decimal(1)


class TwoStreams:
    """What goes wrong elsewhere: open orders come from one stream, positions from another."""

    def __init__(self) -> None:
        self.position = Decimal(0)
        self.open_buy = Decimal(0)

    def on_order(self, record: dict[str, Any]) -> None:
        self.open_buy = Decimal(0) if record["order_status"] == "filled" else TARGET

    def on_fill(self, record: dict[str, Any]) -> None:
        self.position += Decimal(repr(record["last_quantity"]))


def test_with_two_streams_a_strategy_buys_twice() -> None:
    # The venue's one event, "order 1 is filled", reaches this strategy as two.
    state, bought = TwoStreams(), 0
    state.on_order(order("new"))
    for event, handler in [(order("filled"), state.on_order), (fill(), state.on_fill)]:
        handler(event)
        if state.position + state.open_buy < TARGET:
            bought += 1
    assert bought == 1, "it has sent a second order for what it already owns"


def test_with_one_record_for_order_and_fill_it_does_not() -> None:
    inventory = applied(order("pending_new", client_order_id="c1"))
    for record in [
        order("new", client_order_id="c1", order_id="1", cumulative_quantity=0.0),
        fill(0.4, client_order_id="c1", order_id="1", order_status="partially_filled", cumulative_quantity=0.4),
        fill(0.6, client_order_id="c1", order_id="1", order_status="filled", cumulative_quantity=1.0, trade_id="t2"),
    ]:
        after = inventory.apply(record)
        assert after.quantity + after.open_buy == TARGET
    assert after == Position(Decimal(1)) == position(inventory)


ORDER_STREAM = [
    order("new", client_order_id="c1", order_id="1"),
    order("partially_filled", order_id="1", cumulative_quantity=0.3),
    order("filled", order_id="1", cumulative_quantity=1.0),
]
FILL_STREAM = [
    fill(0.3, order_id="1", trade_id="t1"),
    fill(0.3, order_id="1", trade_id="t2"),
    fill(0.4, order_id="1", trade_id="t3", client_order_id="c1"),
]


@given(
    st.lists(st.sampled_from([*ORDER_STREAM, *FILL_STREAM]), max_size=12), st.permutations(ORDER_STREAM + FILL_STREAM)
)
def test_whatever_the_order_in_which_a_venue_reports_orders_and_fills_it_does_not(
    repeated: list[dict[str, Any]], rest: list[dict[str, Any]]
) -> None:
    inventory = applied(order("pending_new", client_order_id="c1"))
    linked = ORDER_STREAM[0]  # the acknowledgement tells which order id the order has got
    for record in [linked, *repeated, *rest]:
        after = inventory.apply(record)
        assert after.quantity + after.open_buy == TARGET, record
    assert after == Position(Decimal(1))


def test_what_is_not_executed_is_free_again_when_an_order_ends() -> None:
    inventory = applied(
        order("pending_new", client_order_id="c1"),
        fill(0.3, client_order_id="c1", order_id="1", order_status="partially_filled", cumulative_quantity=0.3),
        order("pending_cancel", client_order_id="c1", order_id="1"),
    )
    assert position(inventory) == Position(Decimal("0.3"), Decimal("0.7"))
    inventory.apply(order("canceled", client_order_id="c1", order_id="1", cumulative_quantity=0.3))
    assert position(inventory) == Position(Decimal("0.3"))


def test_a_rejected_order_is_not_open() -> None:
    inventory = applied(order("pending_new", client_order_id="c1"), order("rejected", client_order_id="c1"))
    assert position(inventory) == Position()


def test_an_order_that_is_over_stays_so_when_an_old_state_arrives_late() -> None:
    inventory = applied(
        order("pending_new", client_order_id="c1"),
        fill(client_order_id="c1", order_id="1", order_status="filled", cumulative_quantity=1.0),
        order("new", client_order_id="c1", order_id="1", cumulative_quantity=0.0),
    )
    assert position(inventory) == Position(Decimal(1))


def test_a_client_order_id_can_be_used_again_after_its_order_is_over() -> None:
    inventory = applied(
        order("pending_new", client_order_id="c1"),
        order("canceled", client_order_id="c1"),
        order("pending_new", client_order_id="c1", price=64000.0),
    )
    assert position(inventory) == Position(Decimal(0), Decimal(1))


def test_a_copy_of_a_request_asks_for_nothing_more() -> None:
    request = order("pending_new", client_order_id="c1")
    assert position(applied(request, request)) == Position(Decimal(0), Decimal(1))
    assert position(applied(request, order("rejected", client_order_id="c1"), request)) == Position()


FIRST: dict[str, Any] = {"client_order_id": "c1", "order_id": "A"}
SECOND: dict[str, Any] = {"client_order_id": "c1", "order_id": "B"}
FIRST_FILLED = fill(**FIRST, order_status="filled", quantity=1.0, cumulative_quantity=1.0)


def test_copies_of_the_old_order_leave_the_new_one_with_its_client_order_id_alone() -> None:
    again = order("pending_new", client_order_id="c1", price=64000.0)
    first = [order("pending_new", client_order_id="c1"), order("new", **FIRST), FIRST_FILLED]
    inventory = applied(*first, again, FIRST_FILLED)
    assert position(inventory) == Position(Decimal(1), Decimal(1))
    inventory.apply(order("new", **SECOND))
    inventory.apply(FIRST_FILLED)
    assert position(inventory) == Position(Decimal(1), Decimal(1))
    inventory.apply(order("canceled", client_order_id="c1"))
    assert position(inventory) == Position(Decimal(1))


def test_another_order_id_tells_that_a_client_order_id_is_used_again() -> None:
    inventory = applied(order("new", **FIRST), FIRST_FILLED, order("new", **SECOND))
    assert position(inventory) == Position(Decimal(1), Decimal(1))
    inventory.apply(order("canceled", **SECOND))
    assert position(inventory) == Position(Decimal(1))


def test_an_order_that_gets_another_order_id_when_it_is_replaced_takes_the_place_of_the_first() -> None:
    replaced: dict[str, Any] = {"client_order_id": "c2", "orig_client_order_id": "c1", "order_id": "B", "quantity": 2.0}
    inventory = applied(order("new", **FIRST), order("replaced", order_status="new") | replaced)
    assert position(inventory) == Position(Decimal(0), Decimal(2))


def test_two_orders_that_share_a_client_order_id_both_work() -> None:
    inventory = applied(order("new", **FIRST), order("new", **SECOND))
    assert position(inventory) == Position(Decimal(0), Decimal(2))


def test_an_order_replaced_under_a_new_client_order_id_is_still_one_order() -> None:
    inventory = applied(
        order("pending_new", client_order_id="c1"),
        order("new", client_order_id="c1", order_id="1"),
        order("pending_replace", client_order_id="c2", quantity=2.0),
        order("replaced", client_order_id="c2", order_id="1", order_status="new", quantity=2.0),
    )
    assert position(inventory) == Position(Decimal(0), Decimal(2))


def test_a_cancel_without_side_frees_the_side_of_its_order() -> None:
    inventory = applied(
        order("pending_new", client_order_id="c1", side="sell"), order("canceled", client_order_id="c1", side=None)
    )
    assert position(inventory) == Position()


def test_an_order_known_under_several_ids_is_one_under_each_of_them() -> None:
    inventory = applied(
        order("pending_new", client_order_id="c1"),
        order("replaced", client_order_id="c2", order_id="1", order_status="new"),
        order("new", client_order_id="c1", order_id="1"),  # so c1 and c2 are the same
        order("canceled", client_order_id="c2"),
    )
    assert position(inventory) == Position()


def test_a_reader_in_another_thread_never_sees_a_fill_without_its_order() -> None:
    inventory, done, seen = Inventory(), threading.Event(), [Decimal(0)]

    def read() -> None:
        while not done.is_set():
            now = position(inventory)
            if now.quantity + now.open_buy != seen[-1]:
                seen.append(now.quantity + now.open_buy)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(2000):
        name: dict[str, Any] = {"client_order_id": f"c{number}", "trade_id": str(number)}
        inventory.apply(order("pending_new", **name))
        inventory.apply(fill(**name, order_status="filled", quantity=1.0, cumulative_quantity=1.0))
    done.set()
    reader.join()
    assert seen == sorted(seen), "a fill must turn what is open into what is held, never lower the sum"
    assert position(inventory) == Position(Decimal(2000))
