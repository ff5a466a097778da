"""What a hedger sends when a function that it was given fails, and what is not sent for good."""

import asyncio
from decimal import Decimal, getcontext
from typing import Any

import pytest

from ringbuf.strategies.hedger import Hedge, HedgeOrder, Hedger
from ringbuf.strategies.inventory import Inventory, OrderState
from ringbuf.strategies.orders import Delta, OrderPages
from tests.unit.strategies.hedge_desk import MAKER, Desk, hedge

ONE = {**MAKER, "exec_type": "fill", "side": "buy", "order_id": "m", "trade_id": "t1", "last_quantity": "2"}
OTHER = {**ONE, "symbol": "N", "order_id": "n"}


def hedged_apart(order: OrderState) -> Hedge:
    """Each symbol has a hedge instrument of its own."""
    return hedge(symbol=f"H{order.key.symbol}", minimum_notional="10")


@pytest.mark.parametrize("updates", [(ONE, OTHER), (OTHER, ONE)])
def test_what_can_be_sent_is_sent_when_the_price_of_another_instrument_cannot_be_told(
    updates: tuple[dict[str, Any], ...],
) -> None:
    def price(of: Hedge) -> Decimal:
        if of.symbol == "HN":
            raise ConnectionError("no price")
        return Decimal(100)

    pages, orders = OrderPages(inventory=Inventory(hedges=hedged_apart)), list[HedgeOrder]()
    for update in updates:
        pages.apply(update)
    ids = iter("abc")
    hedger = Hedger(pages, orders.append, strategy="s", client_order_id=lambda _: next(ids), price=price)
    with pytest.raises(ConnectionError, match="no price"):
        hedger.flush()
    assert [(each.symbol, each.quantity) for each in orders] == [("HM", Decimal(2))]
    left = {key.symbol: (each.working, float(each.balance)) for key, each in hedger.balances().items()}
    assert left == {"HM": (Decimal(-2), 0), "HN": (Decimal(0), -2)}


def test_an_order_whose_request_no_page_takes_is_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    pages, orders = OrderPages(inventory=Inventory(hedges=lambda order: hedge())), list[HedgeOrder]()
    hedger = Hedger(pages, orders.append, strategy="s", client_order_id=lambda _: "")
    pages.apply(ONE)
    pages.apply({**ONE, "trade_id": "t2"})
    (balance,) = hedger.balances().values()
    assert (orders, float(balance.balance)) == ([], -4)
    assert "its request does not count as working" in caplog.text


def test_an_order_that_is_too_large_to_be_counted_is_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(lambda order: hedge(ratio="9e20"))
    desk.maker_fill("m", "buy", "t1", "2")
    assert (desk.sent, float(desk.balance("H").balance)) == ([], -1.8e21)
    assert [page.key.symbol for page in desk.pages.open_pages()] == [MAKER["symbol"]]
    assert "its request does not count as working" in caplog.text


@pytest.mark.parametrize("told", [Decimal("60.5"), 60.5, "60.5"])
def test_a_price_is_any_number_that_a_record_takes(told: Any) -> None:
    pages, orders = (
        OrderPages(inventory=Inventory(hedges=lambda order: hedge(minimum_notional="100"))),
        list[HedgeOrder](),
    )
    hedger = Hedger(pages, orders.append, strategy="s", client_order_id=lambda _: "h", price=lambda _: told)
    pages.apply(ONE)
    assert [(each.quantity, each.price) for each in orders] == [(Decimal(2), Decimal("60.5"))]
    assert [each.failed for each in pages.handlers] == [0]
    assert hedger.sent == 1


def test_a_price_is_not_taken_from_the_fill_of_another_instrument() -> None:
    pages, orders = OrderPages(inventory=Inventory(hedges=hedged_apart)), list[HedgeOrder]()

    @pages.on_delta
    def trade_at_once(delta: Delta) -> None:
        if delta.page.key.symbol == "M":
            pages.apply({**OTHER, "last_price": "1"})

    ids = iter("abc")
    Hedger(pages, orders.append, strategy="s", client_order_id=lambda _: next(ids))
    pages.apply({**ONE, "last_price": "1000"})
    assert {each.symbol: each.price for each in orders} == {"HM": Decimal(1000), "HN": None}


def test_what_is_no_hedge_leaves_its_order_unhedged_and_the_position_right(caplog: pytest.LogCaptureFixture) -> None:
    def hedges(order: OrderState) -> Any:
        return "BTCUSDT"

    pages, orders = OrderPages(inventory=Inventory(hedges=hedges)), list[HedgeOrder]()
    Hedger(pages, orders.append, strategy="s", client_order_id=lambda _: "h")
    pages.apply(ONE)
    assert orders == []
    assert [each.quantity for each in pages.inventory.positions().values()] == [2]
    assert "hedges gave BTCUSDT for order m" in caplog.text


def test_how_an_order_is_hedged_is_reckoned_in_the_usual_context_and_sums_stay_exact() -> None:
    def hedges(order: OrderState) -> Hedge:
        found = hedge(ratio=Decimal(1) / Decimal(3))
        getcontext().prec = 3
        return found

    pages, orders = OrderPages(inventory=Inventory(hedges=hedges)), list[HedgeOrder]()
    Hedger(pages, orders.append, strategy="s", client_order_id=lambda _: "h")
    pages.apply({**ONE, "last_quantity": "3.00001"})
    pages.apply({**ONE, "trade_id": "t2", "last_quantity": "0.12345"})
    assert [each.hedge.ratio for each in orders] == [Decimal("0.3333333333333333333333333333")]
    assert pages.inventory.position("maker-venue", "A", "M").quantity == Decimal("3.12346")


def test_an_order_whose_sending_was_cancelled_is_counted_and_goes_on_to_work(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        begun = asyncio.Event()

        async def send(order: HedgeOrder) -> None:
            begun.set()
            await asyncio.Event().wait()

        pages = OrderPages(inventory=Inventory(hedges=lambda order: hedge()))
        hedgers.append(Hedger(pages, send, strategy="s", client_order_id=lambda _: "h"))
        pages.apply(ONE)
        await begun.wait()

    hedgers: list[Hedger] = []
    asyncio.run(main())  # its end cancels what is still under way
    (balance,) = hedgers[0].balances().values()
    assert (hedgers[0].failed, balance.working) == (1, Decimal(-2))
    assert "hedge order h (sell 2 H) may not have been sent" in caplog.text


def test_a_price_function_that_applies_what_it_hears_hedges_nothing_twice() -> None:
    news = [{**ONE, "trade_id": "t2"}]

    def price(of: Hedge) -> Decimal:
        if news:
            pages.apply(news.pop())
        return Decimal(100)

    pages, orders = OrderPages(inventory=Inventory(hedges=lambda order: hedge())), list[HedgeOrder]()
    pages.apply(ONE)
    ids = iter("abc")
    hedger = Hedger(pages, orders.append, strategy="s", client_order_id=lambda _: next(ids), price=price)
    hedger.flush()
    (balance,) = hedger.balances().values()
    assert sum(each.quantity for each in orders) == 4
    assert balance.working == -4
