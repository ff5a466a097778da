"""Open orders as venues list them.

Hyperliquid's have the time at which they were made, and what is left of them now. OKX's have their last fill, which may
be known, while something else of the order is news.
"""

from decimal import Decimal
from typing import Any

from ringbuf.strategies.adapters.hyperliquid import HyperliquidAdapter
from ringbuf.strategies.adapters.okx import OkxAdapter
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


OKX = {"exchange": "okx", "account": "A1", "strategy": "mm"}


def row_of_okx(state: str, total: str, ms: int, **more: str) -> dict[str, Any]:
    row = {
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "ordId": "7",
        "clOrdId": "c7",
        "side": "buy",
        "posSide": "net",
    }
    row |= {"ordType": "limit", "state": state, "accFillSz": total, "uTime": str(ms), "fillSz": "0", "tradeId": ""}
    return row | {"sz": "10", "px": "100", "fee": "-0.3", "feeCcy": "USDT"} | more


def opened_at_okx() -> tuple[OrderPages, dict[str, str]]:
    """An order of which 2 were executed, and told."""
    pages = OrderPages()
    adapter = OkxAdapter(pages, **OKX)
    fill = {"fillSz": "2", "fillPx": "100", "tradeId": "5", "fillTime": str(MS + 9)}
    told = row_of_okx("partially_filled", "2", MS + 9, **fill, fillFee="-0.3", fillFeeCcy="USDT")
    for row in (row_of_okx("live", "0", MS), told):
        adapter.receive({"arg": {"channel": "orders"}, "data": [row]})
    return pages, fill


def asked_of_okx(pages: OrderPages, listed: list[dict[str, Any]], one: dict[str, Any] | None = None) -> Reconciliation:
    def answer(*rows: dict[str, Any]) -> Answer:
        found = Answer()
        OkxAdapter(found, **OKX).receive({"code": "0", "data": list(rows)})
        return found

    order = None if one is None else lambda _: answer(one)
    return reconcile(pages, VenueQueries(open_orders=lambda: answer(*listed), trades=list, order=order), **OKX)


def test_an_amendment_that_was_missed_is_news_though_the_last_fill_is_known() -> None:
    pages, fill = opened_at_okx()
    amended = row_of_okx("partially_filled", "2", MS + 20, **fill, sz="4", px="101")
    assert asked_of_okx(pages, [amended]).is_sure
    (order,) = pages.inventory.orders()
    assert (order.quantity, order.price, order.open) == (Decimal(4), Decimal(101), Decimal(2))
    assert asked_of_okx(pages, [amended]).updates == []


def test_a_cancel_that_was_missed_is_news_though_the_last_fill_is_known() -> None:
    pages, fill = opened_at_okx()
    found = asked_of_okx(pages, [], row_of_okx("canceled", "2", MS + 20, **fill))
    assert found.ended == []
    assert page(pages) == ("CANCELED", Decimal(2), Decimal(0))


def test_a_fill_in_an_answer_has_the_time_of_the_fill() -> None:
    pages = OrderPages()
    fill = {"fillSz": "2", "fillPx": "100", "tradeId": "5", "fillTime": str(MS + 9)}
    asked_of_okx(pages, [row_of_okx("partially_filled", "2", MS + 20, **fill)])
    assert pages.inventory.commissions() == {"USDT": Decimal("0.3")}
    told = OkxAdapter(Answer(), **OKX).updates({"code": "0", "data": [row_of_okx("canceled", "2", MS + 20, **fill)]})
    assert [(each["exec_type"], each["exchange_ns"]) for each in told if isinstance(each, dict)] == [
        ("fill", (MS + 9) * 1_000_000),
        ("canceled", (MS + 20) * 1_000_000),
    ]
