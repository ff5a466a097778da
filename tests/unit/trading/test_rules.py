"""Each rule of orders and trades on its own, in the smallest history that needs it."""

from decimal import Decimal
from typing import Any

import pytest

from ringbuf.strategies.inventory import Position
from tests.unit.trading.histories import BEGIN_NS, INSTRUMENT, Fields, applied, totals

REQUEST: Fields = {
    "exec_type": "pending_new",
    "order_status": "pending_new",
    "side": "buy",
    "quantity": 10.0,
    "client_order_id": "c",
}


def new(order_id: str = "1", quantity: float = 10.0, **fields: Any) -> Fields:
    usual = {"side": "buy", "client_order_id": "c", "cumulative_quantity": 0.0}
    state = {"exec_type": "new", "order_status": "new", "order_id": order_id, "quantity": quantity}
    return usual | state | fields


def fill(last_quantity: float, trade_id: str = "t", **fields: Any) -> Fields:
    trade = {"exec_type": "fill", "last_quantity": last_quantity, "trade_id": trade_id}
    return trade | {"side": "buy", "last_price": 100.0, "order_id": "1"} | fields


def state(word: str, **fields: Any) -> Fields:
    return {"exec_type": word, "order_status": word, "order_id": "1", "quantity": 10.0} | fields


def bust(**fields: Any) -> Fields:
    return {"exec_type": "trade_cancel"} | fields


def held(quantity: float, open_buy: float = 0) -> Position:
    return Position(Decimal(str(quantity)), Decimal(str(open_buy)))


# What tells fills apart


def test_a_fill_that_names_no_order_is_known_by_its_trade() -> None:
    liquidation = fill(2.0, order_id=None, trade_type="liquidation")
    assert totals(applied([liquidation, liquidation])) == held(2)


@pytest.mark.parametrize("less", ["order_id", "side", "last_price"])
def test_a_fill_that_tells_less_is_a_copy_of_the_one_that_tells_more_in_either_order(less: str) -> None:
    whole = fill(2.0)
    for records in ([whole, whole | {less: None}], [whole | {less: None}, whole]):
        inventory = applied(records)
        assert totals(inventory) == held(2)
        (sums,) = inventory.sums().values()
        assert (sums.fills, sums.unpriced, sums.ignored) == (1, 0, 0)


def test_what_tells_less_than_two_fills_is_neither_of_them_and_what_tells_other_things_is_another_fill() -> None:
    prices = [fill(2.0, last_price=price) for price in (100.0, 101.0)]
    assert totals(applied([*prices, fill(2.0, last_price=None)])) == held(4)
    assert totals(applied([fill(2.0, last_price=None), *prices])) == held(4)
    assert totals(applied([fill(2.0, side=None), fill(3.0)])) == held(5)


def test_a_fill_without_an_id_is_known_again_after_the_order_id_and_the_side_of_its_order_came() -> None:
    told = {"exec_type": "fill", "last_price": 100.0, "last_quantity": 1.0, "cumulative_quantity": 1.0}
    by_client_id: Fields = told | {"client_order_id": "c"}
    assert totals(applied([REQUEST, by_client_id, new(), by_client_id])) == held(1, 9)
    assert totals(applied([REQUEST, by_client_id, new(), by_client_id | {"order_id": "1"}])) == held(1, 9)
    by_order_id: Fields = told | {"order_id": "1"}
    assert totals(applied([by_order_id, new(), by_order_id])) == held(1, 9)


def test_trade_ids_that_begin_anew_in_each_order_are_told_apart_by_the_order() -> None:
    assert totals(applied([fill(1.0, "1", order_id=str(number)) for number in range(1, 51)])) == held(50)


# What ends an order, and what opens it


def test_two_fills_that_turn_out_to_be_of_one_trade_are_one() -> None:
    by_report, by_trade = fill(4.0, "", report_id="r"), fill(4.0)
    assert totals(applied([new(), by_report, by_trade])) == held(8, 2)
    joined = [new(), by_report, by_trade, fill(4.0, report_id="r")]
    assert totals(applied(joined)) == held(4, 6)
    assert totals(applied([*joined, by_trade, by_report])) == held(4, 6)


def test_the_position_of_a_fill_is_that_of_its_first_live_copy_that_tells_it() -> None:
    late = fill(4.0, origin="lookback", position_side="short", position_id="p1")
    silent, live = fill(4.0), fill(4.0, position_side="long", position_id="p2")
    for records in ([late, silent, live], [silent, live, late]):
        known = {
            (each.position_side, each.position_id): its.quantity for each, its in applied(records).positions().items()
        }
        assert known["long", "p2"] == 4
        assert known.get(("short", "p1"), 0) == 0


def test_what_turns_out_to_be_a_copy_tells_the_position_of_its_fill() -> None:
    copy = {"exec_type": "fill", "last_quantity": 4.0, "trade_id": "t", "last_price": 100.0, "position_side": "long"}
    found = applied([fill(4.0), copy]).positions()
    assert {each.position_side: its.quantity for each, its in found.items()}["long"] == 4


def test_our_request_to_cancel_does_not_open_what_was_canceled_meanwhile() -> None:
    other = new("2", client_order_id="d", exchange_ns=BEGIN_NS + 2)
    ours = {"exec_type": "pending_cancel", "order_status": "pending_cancel", "client_order_id": "c", "order_id": "1"}
    records = [new(exchange_ns=BEGIN_NS), state("canceled", exchange_ns=BEGIN_NS + 1), other, ours]
    assert totals(applied(records)) == held(0, 10)


@pytest.mark.parametrize("word", ["canceled", "expired"])
def test_a_fill_that_the_cancel_overtook_counts_and_opens_nothing_though_its_total_is_larger(word: str) -> None:
    late = fill(4.0, order_status="partially_filled", quantity=10.0, cumulative_quantity=4.0)
    assert totals(applied([new(), state(word, cumulative_quantity=0.0), late])) == held(4)
    later = late | {"exchange_ns": BEGIN_NS + 1}
    ended = state(word, cumulative_quantity=0.0, exchange_ns=BEGIN_NS)
    assert totals(applied([new(), ended, later])) == held(4, 6), "by the venue's clock it works again"


def test_an_order_ends_with_a_lower_total_after_a_trade_was_taken_back_whatever_the_bust_names() -> None:
    filled = fill(4.0, order_status="partially_filled", quantity=10.0, cumulative_quantity=4.0)
    ended = state("canceled", cumulative_quantity=0.0)
    for named in ({"trade_id": "t"}, {"trade_id": "t", "order_id": "1"}, {"ref_id": "t"}):
        assert totals(applied([new(), filled, bust(**named), ended, filled, ended])) == held(0)
        assert totals(applied([new(), bust(**named), filled, ended])) == held(0)


# What is told of quantities


def test_an_amount_of_money_is_no_quantity() -> None:
    money: Fields = {"quantity_unit": "quote", "quantity": 1000.0, "leaves_quantity": 1000.0}
    assert totals(applied([new() | money])) == held(0)


def test_where_ordered_and_leaves_quantity_are_told_the_total_follows() -> None:
    untold: Fields = {"cumulative_quantity": None}
    partially = state("partially_filled", leaves_quantity=6.0)
    inventory = applied([new(leaves_quantity=10.0) | untold, partially])
    assert inventory.position(**INSTRUMENT) == Position(Decimal(0), Decimal(10), awaited_buy=Decimal(4))
    assert totals(applied([fill(4.0)], inventory)) == held(4, 6)
    ended = state("closed", exec_type="order_status", leaves_quantity=6.0)
    assert totals(applied([ended], inventory)) == held(4)


def test_a_price_of_minus_two_is_no_copy_of_minus_one() -> None:
    inventory = applied(new(price=price, cumulative_quantity=None) for price in (-1.0, -2.0))
    assert [each.price for each in inventory.orders()] == [Decimal(-2)]


# Which order a report is about


def test_the_last_order_under_a_client_id_is_the_one_named_last_for_the_first_time() -> None:
    orders = [new("1"), new("2"), new("1", order_status="new", exec_type="order_status")]
    canceled = {"exec_type": "canceled", "order_status": "canceled", "client_order_id": "c"}
    states = {each.order_id: each.status.name for each in applied([*orders, canceled]).orders()}
    assert states == {"1": "NEW", "2": "CANCELED"}


def test_an_order_that_took_the_place_of_one_under_the_same_client_id_keeps_it() -> None:
    replaced = new("2", 12.0, exec_type="replaced", orig_client_order_id="c")
    traded = fill(3.0, order_id="2", client_order_id="c")
    assert totals(applied([new(), replaced, traded])) == held(3, 9)


def test_requests_that_are_alike_are_one_unless_they_answer_different_events() -> None:
    assert totals(applied([REQUEST, REQUEST])) == held(0, 10)
    events = [REQUEST | {"market_ns": BEGIN_NS + number} for number in range(2)]
    assert totals(applied(events)) == held(0, 20)


def test_a_split_of_the_stock_adds_to_the_totals_and_is_no_fill_that_is_awaited() -> None:
    traded = fill(4.0, order_status="partially_filled", quantity=10.0, cumulative_quantity=4.0)
    split = state("partially_filled", exec_type="restated", quantity=20.0, cumulative_quantity=8.0)
    assert totals(applied([new(), traded, split])) == held(4, 12)


def test_of_two_orders_under_one_label_each_has_the_side_that_the_venue_says() -> None:
    requests = [REQUEST, REQUEST | {"side": "sell", "quantity": 7.0}]
    sold, bought = new("2", 7.0, side="sell"), new("1")
    position = totals(applied([*requests, sold, bought]))
    assert position == Position(Decimal(0), Decimal(10), Decimal(7))


def test_an_order_that_expired_stays_so_when_the_bust_of_its_trade_came_before_the_fill() -> None:
    filled = state("filled", exec_type="order_status", cumulative_quantity=10.0)
    expired = state("expired", cumulative_quantity=0.0)
    assert totals(applied([new(), filled, bust(trade_id="t"), expired, fill(10.0)])) == held(0)


def test_a_cancel_with_a_lower_total_ends_an_order_that_was_replaced_before_its_trade_was_taken_back() -> None:
    told = state("partially_filled", exec_type="order_status", cumulative_quantity=4.0)
    replaced = state("partially_filled", exec_type="replaced", quantity=12.0, cumulative_quantity=4.0)
    canceled = state("canceled", quantity=12.0, cumulative_quantity=0.0)
    assert totals(applied([new(), told, replaced, bust(trade_id="t"), fill(4.0), canceled])) == held(0)
    assert totals(applied([new(), told, replaced, bust(trade_id="t"), canceled, fill(4.0)])) == held(0)


def test_filled_without_a_total_is_as_much_as_was_ordered_then() -> None:
    untold: Fields = {"cumulative_quantity": None}
    filled = fill(10.0, order_status="filled", quantity=10.0)
    enlarged = new(quantity=16.0, exec_type="replaced") | untold
    canceled = state("canceled", quantity=16.0)
    assert totals(applied([new() | untold, filled, enlarged, canceled])) == held(10)
    nothing_told = fill(10.0, order_status="filled")
    assert totals(applied([new() | untold, nothing_told, enlarged, canceled])) == held(10)
