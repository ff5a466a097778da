"""What a hedger sends, when, and what it does when sending fails."""

import asyncio
import logging
import threading
from decimal import Decimal
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest

from ringbuf.errors import ConfigurationError
from ringbuf.record.enumerations import ExecType, OrderStatus, OrderType, Side
from ringbuf.strategies.hedger import Hedge, HedgeBalance, HedgeOrder, Hedger
from ringbuf.strategies.inventory import Inventory
from ringbuf.strategies.orders import OrderPages
from tests.unit.strategies.hedge_desk import MAKER, Desk, hedge

FILL = {**MAKER, "exec_type": "fill", "side": "buy", "order_id": "m", "trade_id": "t1", "last_quantity": "2"}


def desk(**terms: Any) -> Desk:
    """One that hedges the orders of the maker venue in H."""
    of_all = hedge(**terms)
    return Desk(lambda order: of_all if order.key.exchange == "maker-venue" else None)


def left(desk: Desk) -> Any:
    """The balance, comparable with any number."""
    return desk.balance("H").balance


def sent(desk: Desk) -> list[tuple[str, Any]]:
    return [(each.side.name.lower(), each.quantity) for each in desk.sent]


# What is due


def test_a_ratio_may_be_a_fraction_and_nothing_is_lost_of_it() -> None:
    of_all = Hedge(exchange="v", account="B", symbol="H", step=Decimal("0.001"), ratio=Fraction(1, 3))
    one = Desk(lambda order: of_all if order.key.exchange == "maker-venue" else None)
    for number in range(3):
        one.maker_fill("m", "buy", f"t{number}", "1")
        assert one.balance("H").balance == -Fraction(number + 1, 3) + sum(Fraction(each.quantity) for each in one.sent)
    assert sent(one) == [("sell", Decimal("0.333")), ("sell", Decimal("0.333")), ("sell", Decimal("0.334"))]
    assert one.balance("H") == HedgeBalance(Fraction(-1), Decimal(0), Decimal("-1.000"), Fraction(0))


@pytest.mark.parametrize(("ratio", "recorded"), [(Fraction(-2, 3), f"-0.{'6' * 37}7"), (Fraction(1, 8), "0.125")])
def test_a_record_has_so_many_decimals_of_a_fraction_that_nobody_takes_them_for_exact(
    ratio: Fraction, recorded: str
) -> None:
    of_all = Hedge(exchange="v", account="B", symbol="H", step=Decimal("0.001"), ratio=ratio)
    one = Desk(lambda order: of_all if order.key.exchange == "maker-venue" else None)
    one.maker_fill("m", "buy", "t1", "1")
    assert one.records[1]["hedge_ratio"] == Decimal(recorded)


def test_a_ratio_counts_to_the_last_digit_of_a_token_amount() -> None:
    one = desk(step="0.000000000000000001", ratio="0.5")
    one.maker_fill("m", "sell", "t1", "123456.000000000000000003")
    assert sent(one) == [("buy", Decimal("61728.000000000000000001"))]
    assert one.balance("H").balance == Fraction(1, 2 * 10**18)


def test_a_hedge_has_all_digits_of_what_it_hedges_and_its_record_all_of_the_ratio() -> None:
    executed, ratio = "9000000000000.123456789012345678", "0.12345678901234567890123456789012345678"
    one = desk(step="0.000000000000000001", ratio=ratio, side=Side.BUY)
    one.maker_fill("m", "buy", "t1", executed)
    (order,) = one.sent
    assert 0 <= left(one) < Fraction(order.hedge.step)
    assert Fraction(order.quantity) + left(one) == Fraction(executed) * Fraction(ratio)
    assert one.records[1]["hedge_ratio"] == Decimal(f"-{ratio}")


def test_a_negative_ratio_or_a_side_of_its_own_hedges_on_the_makers_side() -> None:
    for terms in ({"ratio": "-1"}, {"side": Side.BUY}):
        one = desk(**terms)
        one.maker_fill("m", "buy", "t1", "2")
        one.maker("m", exec_type="trade_cancel", trade_id="t1")
        assert sent(one) == [("buy", 2), ("sell", 2)]
        assert one.records[1]["hedge_ratio"] == -1  # as it is recorded, it says so in both cases


def test_what_is_below_the_minimum_notional_is_carried() -> None:
    one = desk(step="0.1", minimum_notional="10")
    one.maker_fill("m", "buy", "t1", "0.9", last_price="10")
    assert sent(one) == []
    one.maker_fill("m", "buy", "t2", "0.1", last_price="10")
    assert sent(one) == [("sell", 1)]


def test_without_any_price_the_minimum_notional_is_left_to_the_venue() -> None:
    one = desk(minimum_notional="10")
    one.maker_fill("m", "buy", "t1", "2")
    assert sent(one) == [("sell", 2)]


def test_the_hedges_own_price_decides_where_it_is_known() -> None:
    prices: list[Decimal | None] = [Decimal(4), None]
    pages = OrderPages(inventory=Inventory(hedges=lambda order: hedge(minimum_notional="10")))
    orders: list[HedgeOrder] = []
    Hedger(pages, orders.append, strategy="s", client_order_id=lambda _: "h", price=lambda _: prices[0])
    pages.apply({**FILL, "last_price": "100"})
    assert orders == []
    prices[0] = Decimal(5)
    pages.apply({**FILL, "trade_id": "t2", "last_quantity": "1", "last_price": "100"})
    assert [(each.quantity, each.price) for each in orders] == [(Decimal(3), Decimal(5))]


def test_what_an_order_executed_by_its_total_is_hedged_before_its_fill_comes_and_once() -> None:
    one = desk()
    one.maker("m", exec_type="order_status", order_status="partially_filled", side="buy", quantity="5",
              cumulative_quantity="2")  # fmt: skip
    one.maker_fill("m", "buy", "t1", "2", cumulative_quantity="2")
    assert sent(one) == [("sell", 2)]


def test_a_fill_without_a_side_is_hedged_when_the_side_is_told() -> None:
    one = desk()
    one.maker("m", exec_type="fill", trade_id="t1", last_quantity="2")
    assert sent(one) == []
    one.maker("m", exec_type="order_status", order_status="filled", side="sell", quantity="2")
    assert sent(one) == [("buy", 2)]


def test_a_fill_under_the_client_id_alone_is_the_same_when_the_order_id_is_told() -> None:
    one = desk()
    request = {"order_id": "", "client_order_id": "c", "side": "buy"}
    one.maker("", **request, exec_type="pending_new", order_status="pending_new", quantity="5")
    one.maker("", **request, exec_type="fill", trade_id="t1", last_quantity="2")
    one.maker("m", client_order_id="c", side="buy", exec_type="fill", trade_id="t1", last_quantity="2")
    one.maker("m", client_order_id="c", side="buy", exec_type="fill", trade_id="t2", last_quantity="1")
    assert sent(one) == [("sell", 2), ("sell", 1)]


def test_a_hedge_order_that_its_venue_replaces_by_another_one_goes_on_to_count() -> None:
    one = desk()
    one.maker_fill("m", "buy", "t1", "4")
    one.hedge("h1", exec_type="fill", trade_id="h1-1", last_quantity="1", cumulative_quantity="1")
    order = one.order("h1")
    names = {"exchange": order.exchange, "account": order.account, "symbol": order.symbol, "strategy": "s"}
    one.pages.apply({
        **names, "exec_type": "replaced", "order_status": "partially_filled", "side": "sell", "order_id": "O-2",
        "client_order_id": "h1-b", "orig_client_order_id": "h1", "quantity": "4", "cumulative_quantity": "1",
    })  # fmt: skip
    assert one.balance("H") == HedgeBalance(Fraction(-4), Decimal(-1), Decimal(-3), Fraction(0))


def test_a_hedge_that_its_venue_cut_to_less_leaves_the_rest_to_be_hedged() -> None:
    one = desk()
    one.maker_fill("m", "buy", "t1", "5")
    one.hedge("h1", exec_type="replaced", order_status="new", quantity="3")
    assert (sent(one), left(one)) == ([("sell", 5)], -2)
    assert [each.quantity for each in one.hedger.flush()] == [2]


def test_a_bust_of_a_hedge_is_owed_again_once_its_order_is_over() -> None:
    one = desk()
    one.maker_fill("m", "buy", "t1", "2")
    one.hedge("h1", exec_type="fill", order_status="filled", trade_id="x", last_quantity="2", quantity="2",
              cumulative_quantity="2")  # fmt: skip
    one.hedge("h1", exec_type="trade_cancel", trade_id="x", order_status="canceled", cumulative_quantity="0")
    assert (sent(one), left(one)) == ([("sell", 2)], -2)
    one.hedger.flush()
    assert sent(one) == [("sell", 2), ("sell", 2)]


def test_flush_sends_what_a_venue_rejected_and_only_what_is_left() -> None:
    one = desk()
    one.maker_fill("m", "buy", "t1", "5")
    one.hedge("h1", exec_type="fill", trade_id="h1-1", last_quantity="2")
    assert one.hedger.flush() == []
    one.hedge("h1", exec_type="canceled", order_status="canceled")
    (order,) = one.hedger.flush()
    assert (order.quantity, order.side, order.link_id) == (Decimal(3), Side.SELL, "m")
    assert one.hedger.flush() == []


def test_an_order_says_all_that_its_venue_needs_and_is_recorded_first() -> None:
    one = desk(order_type=OrderType.LIMIT, ratio="0.5")
    one.maker("m", client_order_id="c-1", exec_type="fill", side="buy", trade_id="t1", last_quantity="2",
              last_price="7", exchange_ns=1_700_000_000_000_000_000)  # fmt: skip
    (order,) = one.sent
    assert order[1:] == ("hedge-venue", "B", "H", Side.SELL, OrderType.LIMIT, Decimal(1), "h1", "c-1", Decimal(7))
    assert one.records[1] == {
        "exec_type": ExecType.PENDING_NEW, "order_status": OrderStatus.PENDING_NEW,
        "exchange": "hedge-venue", "account": "B", "symbol": "H", "strategy": "s", "side": Side.SELL,
        "order_type": OrderType.LIMIT, "quantity": Decimal(1), "client_order_id": "h1", "link_id": "c-1",
        "hedge_ratio": Decimal("0.5"), "arrival_price": None, "market_ns": 1_700_000_000_000_000_000, "seq": 1,
    }  # fmt: skip


def test_orders_that_have_no_hedge_and_hedge_orders_are_not_hedged() -> None:
    one = Desk(lambda order: hedge())  # of every order, that of a hedge too
    one.maker_fill("m", "buy", "t1", "2")
    one.hedge("h1", exec_type="fill", trade_id="h1-1", last_quantity="2")
    assert sent(one) == [("sell", 2)]
    other = Desk(lambda order: None)
    other.maker_fill("m", "buy", "t1", "2")
    assert (other.sent, other.hedger.balances()) == ([], {})


# Restart


@pytest.mark.parametrize("order", ["as recorded", "reversed"])
def test_a_restart_sends_nothing_and_ends_in_the_same_balance_whatever_the_order_of_the_records(order: str) -> None:
    one = desk(step="1")
    one.maker_fill("m", "buy", "t1", "5.5")
    one.hedge("h1", exec_type="fill", trade_id="h1-1", last_quantity="2")
    one.hedge("h1", exec_type="canceled", order_status="canceled", exchange_ns=1_700_000_000_000_000_000)
    one.maker_fill("n", "sell", "t1", "1")
    before, count = one.balance("H"), len(one.sent)
    if order == "reversed":
        one.records.reverse()
    one.restart()
    assert (one.balance("H"), len(one.sent)) == (before, count)
    one.maker_fill("n", "sell", "t1", "1")  # the venue tells it once more
    assert (one.balance("H"), len(one.sent)) == (before, count)


def test_where_each_venue_hedges_the_other_a_restart_in_any_order_sends_what_is_left_to_the_right_one() -> None:
    there = hedge()
    here = Hedge(exchange=MAKER["exchange"], account=MAKER["account"], symbol=MAKER["symbol"], step=Decimal(1))
    one = Desk(lambda order: there if order.key.exchange == MAKER["exchange"] else here)
    one.maker_fill("m", "buy", "t1", "5")
    one.hedge("h1", exec_type="fill", trade_id="h1-1", last_quantity="2")
    one.hedge("h1", exec_type="canceled", order_status="canceled")
    records = list(one.records)
    for some in permutations(records):
        one.records[:] = some
        one.restart()
        assert left(one) == -3
        (order,) = one.hedger.flush()
        assert (order.symbol, order.side, order.quantity) == ("H", Side.SELL, Decimal(3))


def test_what_was_executed_while_nobody_ran_is_hedged_when_the_venue_tells_it() -> None:
    one = desk()
    one.maker_fill("m", "buy", "t1", "5")
    one.restart()
    one.maker_fill("m", "buy", "t2", "1", origin="lookback")
    assert sent(one) == [("sell", 5), ("sell", 1)]


def test_what_was_owed_before_there_was_a_hedger_is_carried() -> None:
    inventory = Inventory(hedges=lambda order: hedge())
    inventory.apply(FILL)
    orders: list[HedgeOrder] = []
    hedger = Hedger(OrderPages(inventory=inventory), orders.append, strategy="s", client_order_id=lambda _: "h")
    assert (orders, float(hedger.balances()[hedge().instrument].balance)) == ([], -2)
    assert [each.quantity for each in hedger.flush()] == [2]


# Sending


@pytest.mark.parametrize("error", [TimeoutError, asyncio.CancelledError])
def test_when_sending_raises_the_order_counts_as_working_until_somebody_knows_better(
    caplog: pytest.LogCaptureFixture, error: type[BaseException]
) -> None:
    def send(order: HedgeOrder) -> None:
        raise error("no answer")

    pages = OrderPages(inventory=Inventory(hedges=lambda order: hedge()))
    hedger = Hedger(pages, send, strategy="s", client_order_id=lambda _: f"h{hedger.sent}")
    pages.apply(FILL)
    (balance,) = hedger.balances().values()
    assert (float(balance.working), float(balance.balance), hedger.failed) == (-2, 0, 1)
    assert "hedge order h0 (sell 2 H) may not have been sent" in caplog.text
    assert hedger.flush() == []
    names = {"exchange": "hedge-venue", "account": "B", "symbol": "H", "client_order_id": "h0"}
    pages.apply({**names, "exec_type": "denied"})
    assert [each.quantity for each in hedger.flush()] == [2]


def test_a_callback_may_tell_at_once_what_became_of_its_order() -> None:
    def send(order: HedgeOrder) -> None:
        names = {"exchange": order.exchange, "account": order.account, "symbol": order.symbol, "order_id": "O"}
        fill = {"exec_type": "fill", "trade_id": "x", "last_quantity": order.quantity, "side": order.side}
        pages.apply({**names, **fill, "client_order_id": order.client_order_id})

    pages = OrderPages(inventory=Inventory(hedges=lambda order: hedge()))
    hedger = Hedger(pages, send, strategy="s", client_order_id=lambda _: "h")
    pages.apply(FILL)
    assert [*hedger.balances().values()] == [HedgeBalance(Fraction(-2), Decimal(-2), Decimal(0), Fraction(0))]


def test_a_coroutine_function_sends_while_the_loop_goes_on() -> None:
    async def main() -> None:
        answered = asyncio.Event()
        orders = []

        async def send(order: HedgeOrder) -> None:
            await answered.wait()
            orders.append(order.quantity)
            raise ConnectionError("cut")

        pages = OrderPages(inventory=Inventory(hedges=lambda order: hedge()))
        hedger = Hedger(pages, send, strategy="s", client_order_id=lambda _: f"h{hedger.sent}")
        pages.apply(FILL)
        await asyncio.to_thread(pages.apply, {**FILL, "trade_id": "t2", "last_quantity": "1"})  # of another thread
        await asyncio.sleep(0)
        assert (hedger.sent, orders) == (2, [])
        answered.set()
        while hedger.failed < 2:
            await asyncio.sleep(0)
        assert orders == [2, 1]

    logging.disable(logging.ERROR)
    try:
        asyncio.run(main())
    finally:
        logging.disable(logging.NOTSET)


def test_a_coroutine_function_without_a_loop_sends_nothing_and_the_order_is_denied(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def send(order: HedgeOrder) -> None: ...

    pages = OrderPages(inventory=Inventory(hedges=lambda order: hedge()))
    hedger = Hedger(pages, send, strategy="s", client_order_id=lambda _: "h")
    pages.apply(FILL)
    (balance,) = hedger.balances().values()
    assert (float(balance.working), float(balance.balance)) == (0, -2)
    assert "hedge order h (sell 2 H) was not sent: no event loop runs" in caplog.text


def test_threads_that_fill_and_flush_at_once_hedge_each_quantity_once() -> None:
    pages = OrderPages(inventory=Inventory(hedges=lambda order: hedge()))
    orders: list[HedgeOrder] = []
    hedger = Hedger(pages, orders.append, strategy="s", client_order_id=lambda _: f"h{next(numbers)}")
    numbers = iter(range(10**6))

    def fill(name: str) -> None:
        for number in range(200):
            pages.apply({**FILL, "order_id": name, "trade_id": f"{name}-{number}", "last_quantity": "1"})

    def flush() -> None:
        for _ in range(200):
            hedger.flush()

    threads = [threading.Thread(target=fill, args=(name,)) for name in "ab"] + [threading.Thread(target=flush)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(each.quantity for each in orders) == 400
    (balance,) = hedger.balances().values()
    assert balance == HedgeBalance(Fraction(-400), Decimal(0), Decimal(-400), Fraction(0))


# What is wrong


@pytest.mark.parametrize("error", [IndexError, asyncio.CancelledError])
def test_a_function_that_raises_leaves_its_order_unhedged_until_it_answers(
    caplog: pytest.LogCaptureFixture, error: type[BaseException]
) -> None:
    answers: list[Hedge] = []

    def hedge_of(_: object) -> Hedge:
        if not answers:
            raise error
        return answers[0]

    one = Desk(hedge_of)
    one.maker_fill("m", "buy", "t1", "2")
    assert (sent(one), "hedges raised" in caplog.text) == ([], True)
    answers.append(hedge())
    one.maker_fill("m", "buy", "t2", "1")
    assert sent(one) == [("sell", 3)]


def test_pages_whose_inventory_has_no_hedges_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="has no hedges"):
        Hedger(OrderPages(), print, strategy="s", client_order_id=lambda _: "h")


@pytest.mark.parametrize(
    "terms",
    [
        {"step": "0"},
        {"ratio": "0"},
        {"minimum_quantity": "-1"},
        {"minimum_notional": "-1"},
        {"ratio": 0.5},
        {"minimum_quantity": "NaN"},
        {"symbol": ""},
    ],
)
def test_terms_that_cannot_be_hedged_by_are_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        hedge(**terms)
