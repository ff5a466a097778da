"""An order and its inventory are never out of step, and nothing is counted by adding floats."""

import threading
from decimal import Context, Decimal, Inexact, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuf import EXECUTION, Consumer, Origin, Side
from ringbuf.errors import RecordError
from ringbuf.record.value import blank
from ringbuf.strategies import Recorder
from ringbuf.strategies.inventory import Inventory, Position

INSTRUMENT = {"exchange": "sim", "account": "A1", "symbol": "BTC-PERPETUAL"}
TARGET = Decimal(1)


def order(status: str, **fields: Any) -> dict[str, Any]:
    return INSTRUMENT | {"exec_type": status, "order_status": status, "side": "buy", "quantity": 1.0} | fields


def fill(last_quantity: float = 1.0, **fields: Any) -> dict[str, Any]:
    usual = {
        "exec_type": "fill",
        "side": "buy",
        "last_price": 64000.5,
        "last_quantity": last_quantity,
        "trade_id": "t1",
    }
    return INSTRUMENT | usual | fields


def cancel(**fields: Any) -> dict[str, Any]:
    return INSTRUMENT | {"exec_type": "trade_cancel", "trade_id": "t1"} | fields


def correct(**fields: Any) -> dict[str, Any]:
    return INSTRUMENT | {"exec_type": "trade_correct", "trade_id": "t1"} | fields


def applied(*records: dict[str, Any]) -> Inventory:
    inventory = Inventory()
    for record in records:
        inventory.apply(record)
    return inventory


def position(inventory: Inventory) -> Position:
    return inventory.position(**INSTRUMENT)


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


def test_a_closed_order_stays_closed_when_an_old_state_arrives_late() -> None:
    inventory = applied(
        order("pending_new", client_order_id="c1"),
        fill(client_order_id="c1", order_id="1", order_status="filled", cumulative_quantity=1.0),
        order("new", client_order_id="c1", order_id="1", cumulative_quantity=0.0),
    )
    assert position(inventory) == Position(Decimal(1))


def test_a_client_order_id_can_be_used_again_after_its_order_closed() -> None:
    inventory = applied(
        order("pending_new", client_order_id="c1"),
        order("canceled", client_order_id="c1"),
        order("pending_new", client_order_id="c1"),
    )
    assert position(inventory) == Position(Decimal(0), Decimal(1))


FIRST: dict[str, Any] = {"client_order_id": "c1", "order_id": "A"}
SECOND: dict[str, Any] = {"client_order_id": "c1", "order_id": "B"}
FIRST_FILLED = fill(**FIRST, order_status="filled", quantity=1.0, cumulative_quantity=1.0)


def test_copies_of_the_old_order_leave_the_new_one_with_its_client_order_id_alone() -> None:
    inventory = applied(order("new", **FIRST), FIRST_FILLED, order("pending_new", client_order_id="c1"), FIRST_FILLED)
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


def test_an_order_that_gets_another_order_id_when_it_is_replaced_is_still_one_order() -> None:
    inventory = applied(order("new", **FIRST), order("replaced", **SECOND, order_status="new") | {"quantity": 2.0})
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


def test_sums_are_of_decimals_not_of_floats() -> None:
    fills = [fill(0.1, order_id="1", trade_id=str(number)) for number in range(3)]
    assert sum([0.1] * 3) != 0.3
    assert position(applied(*fills)).quantity == Decimal("0.3")


@pytest.mark.parametrize("context", [Context(prec=28), Context(prec=3), Context(prec=3, traps=[Inexact])])
def test_sums_are_exact_whatever_the_context_of_who_applies(context: Context) -> None:
    with localcontext(context):
        inventory = applied(
            fill(1e12, order_id="1", trade_id="1"),
            fill(1e-18, order_id="2", trade_id="2"),
            fill(1e12, order_id="3", trade_id="3", side="sell"),
        )
    assert position(inventory).quantity == Decimal("1E-18")


def test_a_fill_that_comes_again_counts_once() -> None:
    again = fill(order_id="1", commission=0.5, commission_currency="USD")
    inventory = applied(again, again | {"origin": "lookback"})
    assert position(inventory) == Position(Decimal(1))
    assert inventory.commissions() == {"USD": Decimal("0.5")}


@pytest.mark.parametrize(
    "other",
    [
        {"trade_id": "t2"},
        {"order_id": "2"},
        {"side": "sell"},
        {"last_price": 64001.0},
        {"last_quantity": 0.5},
    ],
    ids=str,
)
def test_a_fill_that_differs_in_any_part_of_its_identity_is_another_fill(other: dict[str, Any]) -> None:
    inventory = applied(fill(order_id="1"), fill(order_id="1") | other)
    assert position(inventory) != position(applied(fill(order_id="1")))


def test_fills_without_trade_id_are_told_apart_by_cumulative_quantity_and_time() -> None:
    first = fill(order_id="1", trade_id=None, cumulative_quantity=1.0, exchange_ns=1)
    assert position(applied(first, first)).quantity == 1
    assert position(applied(first, first | {"cumulative_quantity": 2.0})).quantity == 2
    assert position(applied(first, first | {"exchange_ns": 2})).quantity == 2


def test_fills_with_nothing_to_tell_them_apart_all_count() -> None:
    nameless = fill(order_id="1", trade_id=None)
    assert position(applied(nameless, nameless)).quantity == 2


@pytest.mark.parametrize("other", [{"exchange": "other"}, {"account": "A2"}, {"symbol": "ETH-PERPETUAL"}], ids=str)
def test_exchanges_accounts_and_symbols_are_kept_apart(other: dict[str, str]) -> None:
    inventory = applied(fill(order_id="1"), fill(order_id="1") | other)
    assert list(inventory.positions().values()) == [Position(Decimal(1))] * 2


def test_an_order_known_under_several_ids_is_one_under_each_of_them() -> None:
    inventory = applied(
        order("pending_new", client_order_id="c1"),
        order("replaced", client_order_id="c2", order_id="1", order_status="new"),
        order("new", client_order_id="c1", order_id="1"),  # so c1 and c2 are the same
        order("canceled", client_order_id="c2"),
    )
    assert position(inventory) == Position()


def test_a_commission_that_only_a_copy_tells_is_counted() -> None:
    inventory = applied(fill(order_id="1"), fill(order_id="1", commission=0.5, commission_currency="USD"))
    assert inventory.commissions() == {"USD": Decimal("0.5")}


def test_commissions_are_kept_by_currency_and_a_rebate_is_negative() -> None:
    inventory = applied(
        fill(order_id="1", trade_id="1", commission=0.1, commission_currency="USD"),
        fill(order_id="1", trade_id="2", commission=-0.3, commission_currency="USD"),
        fill(order_id="1", trade_id="3", commission=0.001, commission_currency="BTC"),
    )
    assert inventory.commissions() == {"USD": Decimal("-0.2"), "BTC": Decimal("0.001")}


def test_records_of_the_ring_give_the_same_inventory_as_the_fields_they_were_recorded_from() -> None:
    given: list[dict[str, Any]] = [
        order("pending_new", client_order_id="c1", quantity=0.3),
        order("new", client_order_id="c1", order_id="1", quantity=0.3),
        fill(0.1, client_order_id="c1", order_id="1", quantity=0.3, cumulative_quantity=0.1, side=Side.BUY),
        fill(0.7, client_order_id="c2", order_id="2", side="SELL", commission=-0.01, commission_currency="USD"),
    ]
    with Recorder.open("mm") as recorder:
        bound = recorder.bind(**INSTRUMENT, strategy="mm")
        for fields in given:
            bound.order(**{name: value for name, value in fields.items() if name not in INSTRUMENT})
    from_ring = Inventory()
    with Consumer.open("mm") as consumer:
        for records in consumer.poll():
            for record in records:
                from_ring.apply(record)
    assert from_ring.positions() == applied(*given).positions()
    assert position(from_ring) == Position(Decimal("-0.6"), Decimal("0.2"))
    assert from_ring.commissions() == {"USD": Decimal("-0.01")}


INCOMPLETE: list[dict[str, Any]] = [
    fill(order_id="1", trade_id="t9") | {"side": None},
    fill(order_id="1", trade_id="t9") | {"last_price": None},
    fill(float("nan"), order_id="1", trade_id="t9"),
    fill(order_id="1", trade_id="t9") | {"last_price": "about 5"},
    fill(trade_id="t9"),
    fill(-1.0, order_id="1", trade_id="t9"),
    correct(order_id="1", last_quantity=-1.0),
    cancel(order_id="1", trade_id=None),
    fill(order_id="1", trade_id="t9") | {"symbol": ""},
]


@pytest.mark.parametrize("record", INCOMPLETE)
def test_a_record_that_does_not_say_what_was_traded_is_refused_and_changes_nothing(record: dict[str, Any]) -> None:
    inventory = applied(fill(order_id="1"))
    before = inventory.positions()
    with pytest.raises(RecordError):
        inventory.apply(record)
    assert inventory.positions() == before


def test_a_value_no_enumeration_has_is_unknown_and_no_error() -> None:
    record = blank(EXECUTION)[0]
    record["exchange"], record["account"], record["symbol"], record["order_id"] = b"sim", b"A1", b"BTC-PERPETUAL", b"1"
    record["order_status"], record["origin"] = 200, Origin.LIVE
    inventory = Inventory()
    assert inventory.apply(record) == Position()


def test_a_reader_in_another_thread_never_sees_a_fill_without_its_order() -> None:
    inventory, done, seen = Inventory(), threading.Event(), [Decimal(0)]

    def read() -> None:
        while not done.is_set():
            held, open_buy, _ = position(inventory)
            if held + open_buy != seen[-1]:
                seen.append(held + open_buy)

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
