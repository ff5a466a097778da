"""Open orders as Hyperliquid lists them: with the time at which they were made, and what is left of them now."""

from decimal import Decimal
from typing import Any

from ringbuf.strategies.adapters.hyperliquid import HyperliquidAdapter
from ringbuf.strategies.orders import OrderPages
from ringbuf.strategies.reconciliation import Answer, Reconciliation, VenueQueries, reconcile

WHOSE = {"exchange": "hyperliquid", "account": "A1", "strategy": "mm"}
MS = 1_790_000_000_000


def listed(left: str) -> dict[str, Any]:
    order = {"coin": "BTC", "side": "B", "limitPx": "100", "oid": 7, "timestamp": MS, "origSz": "10.0"}
    return order | {"sz": left}


def opened() -> OrderPages:
    """An order of which 2 were executed, and told."""
    pages = OrderPages()
    adapter = HyperliquidAdapter(pages, **WHOSE)
    fill = {"coin": "BTC", "px": "100", "sz": "2", "side": "B", "time": MS + 9, "oid": 7, "tid": 1, "fee": "0"}
    for left, ms in (("10.0", MS), ("8.0", MS + 9)):
        update = {"order": listed(left), "status": "open", "statusTimestamp": ms}
        adapter.receive({"channel": "orderUpdates", "data": [update]})
    adapter.receive({"channel": "userFills", "data": {"user": "0x1", "fills": [fill]}})
    return pages


def asked(pages: OrderPages, *rows: dict[str, Any]) -> Reconciliation:
    def open_orders() -> Answer:
        answer = Answer()
        HyperliquidAdapter(answer, **WHOSE).receive(list(rows))
        return answer

    return reconcile(pages, VenueQueries(open_orders=open_orders, trades=list), **WHOSE)


def page(pages: OrderPages) -> tuple[str, Decimal, Decimal]:
    (order,) = pages.inventory.orders()
    return order.status.name, order.executed, order.open


def test_what_a_list_tells_as_executed_is_not_older_than_the_last_update() -> None:
    pages = opened()
    assert [each["last_quantity"] for each in asked(pages, listed("5.0")).inferred] == [Decimal(3)]
    assert page(pages) == ("PARTIALLY_FILLED", Decimal(5), Decimal(5))


def test_an_order_that_is_listed_after_all_works_again() -> None:
    pages = opened()
    assert len(asked(pages).ended) == 1
    assert page(pages) == ("CANCELED", Decimal(2), Decimal(0))
    assert asked(pages, listed("8.0")).is_sure
    assert page(pages) == ("PARTIALLY_FILLED", Decimal(2), Decimal(8))


def test_a_list_that_comes_late_opens_nothing_and_takes_nothing_back() -> None:
    pages = opened()
    adapter = HyperliquidAdapter(pages, **WHOSE)
    adapter.receive([listed("10.0")])
    assert page(pages) == ("PARTIALLY_FILLED", Decimal(2), Decimal(8))
    canceled = {"order": listed("8.0"), "status": "canceled", "statusTimestamp": MS + 20}
    adapter.receive({"channel": "orderUpdates", "data": [canceled]})
    adapter.receive({"channel": "openOrders", "data": {"dex": "", "user": "0x1", "orders": [listed("8.0")]}})
    assert page(pages) == ("CANCELED", Decimal(2), Decimal(0))
