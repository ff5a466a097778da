"""Hedges of orders that take the place of others, and hedge orders that do."""

from decimal import Decimal
from itertools import permutations
from typing import Any

from ringbuf.record.enumerations import Side
from ringbuf.strategies.inventory import OrderState
from ringbuf.trading.hedge import Hedge
from tests.unit.strategies.hedge_desk import Desk, hedge

OF_ALL = hedge()


def of_first(order: OrderState) -> Hedge | None:
    """A strategy that knows its maker order by the first client id alone."""
    return OF_ALL if order.client_order_id == "c1" else None


def of_makers(order: OrderState) -> Hedge | None:
    return OF_ALL if order.key.exchange == "maker-venue" else None


def sent(desk: Desk) -> list[tuple[str, Any]]:
    return [(each.side.name.lower(), each.quantity) for each in desk.sent]


def test_a_maker_order_that_another_one_replaces_is_hedged_on_and_once() -> None:
    one = Desk(of_first)
    ids = {"client_order_id": "c1", "side": "buy"}
    one.maker_fill("m1", trade_id="t1", quantity="2", **ids, cumulative_quantity="2")
    replaced = {"client_order_id": "c2", "orig_client_order_id": "c1", "side": "buy", "quantity": "5"}
    one.maker("m2", exec_type="replaced", order_status="partially_filled", cumulative_quantity="2", **replaced)
    one.maker("m2", exec_type="fill", trade_id="t2", last_quantity="1", client_order_id="c2", cumulative_quantity="3")
    one.restart()
    one.maker("m2", exec_type="fill", trade_id="t3", last_quantity="2", client_order_id="c2", cumulative_quantity="5")
    assert sent(one) == [("sell", 2), ("sell", 1), ("sell", 2)]
    assert one.balance("H").owed == -5


def test_a_maker_order_that_was_replaced_before_it_executed_anything_is_hedged_on_whatever_comes_first() -> None:
    first = {"client_order_id": "c1", "exec_type": "new", "order_status": "new"}
    second = {"client_order_id": "c2", "orig_client_order_id": "c1", "exec_type": "replaced", "order_status": "new"}
    third = {"client_order_id": "c3", "orig_client_order_id": "c2", "exec_type": "replaced", "order_status": "new"}
    fill = {"client_order_id": "c3", "exec_type": "fill", "trade_id": "t1", "last_quantity": "2"}
    reports = [("m1", first), ("m2", second), ("m3", third), ("m3", fill)]
    for order in permutations(reports):
        one = Desk(of_first)
        for name, report in order:
            one.maker(name, side="buy", quantity="5", **report)
        assert sent(one) == [("sell", 2)]
        assert one.balance("H").owed == -2


def test_a_hedge_order_that_takes_the_place_of_one_counts_whatever_order_its_records_come_in() -> None:
    one = Desk(of_makers)
    one.maker_fill("m", "buy", "t1", "5")
    order = {"exchange": "hedge-venue", "account": "B", "symbol": "H", "strategy": "s", "side": Side.SELL}
    news = {**order, "exec_type": "new", "order_status": "new"}
    one.pages.apply({**news, "order_id": "1", "client_order_id": "h1", "exchange_ns": 10**18 + 1})
    canceled = {**order, "order_id": "1", "client_order_id": "h1", "exec_type": "canceled", "order_status": "canceled"}
    one.pages.apply({**canceled, "exchange_ns": 10**18 + 2})
    second = {**news, "order_id": "2", "client_order_id": "x", "orig_client_order_id": "h1", "quantity": "5"}
    one.pages.apply({**second, "exchange_ns": 10**18 + 3})
    third = {"order_id": "3", "client_order_id": "y", "orig_client_order_id": "x", "quantity": "4"}
    one.pages.apply({**news, **third, "exchange_ns": 10**18 + 4})
    before = one.balance("H")
    assert before.working == -4
    assert before.balance == -1
    for records in permutations(list(one.records)):
        one.records[:] = records
        one.restart()
        assert (one.balance("H"), len(one.sent)) == (before, 1)


def test_orders_that_say_to_have_taken_each_others_place_are_counted() -> None:
    one = Desk(of_makers)
    for name, first in (("m1", "c2"), ("m2", "c1"), ("m1", "c2")):
        ids = {"client_order_id": f"c{name[1]}", "orig_client_order_id": first}
        one.maker(name, side="buy", exec_type="fill", trade_id=name, last_quantity="1", quantity="5", **ids)
    assert sent(one) == [("sell", 1), ("sell", 1)]
    assert one.balance("H").owed == -2


def test_a_position_that_was_split_owes_nothing_more() -> None:
    one = Desk(of_makers)
    one.maker("m", exec_type="new", order_status="new", side="buy", quantity="4", cumulative_quantity="0")
    one.maker_fill("m", "buy", "t1", "2", cumulative_quantity="2")
    one.maker("m", exec_type="restated", order_status="partially_filled", quantity="8", cumulative_quantity="4")
    assert sent(one) == [("sell", 2)]


def test_a_hedge_order_whose_requests_to_replace_are_recorded_hedges_on_though_a_word_in_between_was_lost() -> None:
    one = Desk(of_makers)
    one.maker_fill("m", "buy", "t1", "5")
    order = {"exchange": "hedge-venue", "account": "B", "symbol": "H", "strategy": "s", "side": Side.SELL}
    news = {**order, "exec_type": "new", "order_status": "new", "quantity": "5"}
    one.pages.apply({**news, "order_id": "1", "client_order_id": "h1"})
    for name, first in (("x", "h1"), ("y", "x")):
        ids = {"client_order_id": name, "orig_client_order_id": first}
        one.pages.apply({**order, **ids, "exec_type": "pending_replace", "quantity": "5"})
    third = {"order_id": "3", "client_order_id": "y", "orig_client_order_id": "x"}
    one.pages.apply({**news, **third, "exec_type": "replaced"})
    fill = {"exec_type": "fill", "trade_id": "t2", "last_quantity": "2", "last_price": "1"}
    one.pages.apply({**order, **fill, "order_id": "3", "client_order_id": "y"})
    found = one.balance("H")
    assert (found.filled, found.working) == (Decimal(-2), Decimal(-3))
    assert found.balance == 0
    one.restart()
    assert one.balance("H") == found


def test_a_hedge_order_that_is_amended_by_a_cancel_and_a_new_one_hedges_on_under_its_client_id() -> None:
    one = Desk(of_makers)
    one.maker_fill("m", "buy", "t1", "5")
    one.hedge("h1", exec_type="new", order_status="new", quantity="5")
    one.hedge("h1", exec_type="canceled", order_status="canceled")
    one.hedge("h1", exec_type="new", order_status="new", quantity="4", order_id="O-2")
    found = one.balance("H")
    assert (found.filled, found.working) == (Decimal(0), Decimal(-4))
    assert found.balance == -1
    one.maker_fill("m", "buy", "t2", "2")
    assert sent(one) == [("sell", 5), ("sell", 3)]
    one.restart()
    assert one.balance("H").balance == 0
