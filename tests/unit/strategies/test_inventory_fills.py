"""What a fill counts as in an inventory, exactly, and which records it refuses."""

from decimal import Context, Decimal, Inexact, localcontext
from typing import Any

import pytest

from ringbuf import EXECUTION, Consumer, Origin, Side
from ringbuf.errors import RecordError
from ringbuf.record.value import blank
from ringbuf.strategies import Recorder
from ringbuf.strategies.inventory import Instrument, Inventory, Position
from tests.unit.strategies.inventories import INSTRUMENT, applied, cancel, correct, fill, order, position


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
    fill(order_id="1", trade_id="t9") | {"last_price": "about 5"},
    order("new"),
    order("sleeping", order_id="1"),
    fill(-1.0, order_id="1", trade_id="t9"),
    correct(order_id="1", last_quantity=-1.0),
    cancel(order_id="1", trade_id=None),
    fill(order_id="1", trade_id="t9") | {"symbol": ""},
]


@pytest.mark.parametrize("record", INCOMPLETE)
def test_a_record_that_cannot_be_understood_is_refused_and_changes_nothing(record: dict[str, Any]) -> None:
    inventory = applied(fill(order_id="1"))
    before = inventory.positions()
    with pytest.raises(RecordError):
        inventory.apply(record)
    assert inventory.positions() == before


def test_a_fill_counts_without_its_price_and_is_a_status_without_its_quantity() -> None:
    inventory = applied(fill(order_id="1", trade_id="t1", last_price=None))
    assert position(inventory) == Position(Decimal(1))
    assert inventory.sums()[Instrument(**INSTRUMENT)].unpriced == 1
    assert position(applied(order("new", order_id="1"), fill(0.0, order_id="1"))) == Position(Decimal(0), Decimal(1))
    nothing = fill(float("nan"), order_id="1")
    assert position(applied(order("new", order_id="1"), nothing)) == Position(Decimal(0), Decimal(1))


@pytest.mark.parametrize("price", [0.0, -37.63, "1e-18"])
def test_every_price_counts(price: float | str) -> None:
    inventory = applied(fill(2.0, last_price=price))
    assert position(inventory) == Position(Decimal(2))
    sums = inventory.sums()[Instrument(**INSTRUMENT)]
    assert (sums.fills, sums.unpriced, sums.bought_quote) == (1, 0, 2 * Decimal(str(price)))


def test_a_fill_without_a_side_has_that_of_its_order_and_is_counted_as_ignored_until_it_is_known() -> None:
    inventory = applied(fill(order_id="1", side=None))
    assert position(inventory) == Position()
    assert inventory.sums()[Instrument(**INSTRUMENT)].ignored == 1
    inventory.apply(order("new", order_id="1", side="sell"))
    assert position(inventory) == Position(Decimal(-1))
    assert inventory.sums()[Instrument(**INSTRUMENT)].ignored == 0


def test_a_fill_of_no_order_counts() -> None:
    assert position(applied(fill())) == Position(Decimal(1))


def test_positions_are_found_by_their_instrument_and_in_hedge_mode_by_its_side() -> None:
    inventory = applied(
        fill(order_id="1"),
        fill(2.0, order_id="2", position_side="long"),
        fill(3.0, order_id="3", side="sell", position_side="short", position_id="7"),
    )
    assert inventory.positions() == {
        Instrument(**INSTRUMENT): Position(Decimal(1)),
        Instrument(**INSTRUMENT, position_side="long"): Position(Decimal(2)),
        Instrument(**INSTRUMENT, position_side="short", position_id="7"): Position(Decimal(-3)),
    }
    assert inventory.position(**INSTRUMENT, position_side="long") == Position(Decimal(2))


def test_a_stored_value_that_no_enumeration_has_is_refused() -> None:
    record = blank(EXECUTION)[0]
    record["exchange"], record["account"], record["symbol"], record["order_id"] = b"sim", b"A1", b"BTC-PERPETUAL", b"1"
    record["order_status"], record["origin"] = 200, Origin.LIVE
    inventory = Inventory()
    with pytest.raises(RecordError, match="order_status"):
        inventory.apply(record)
    assert inventory.orders() == []
