"""Conditional orders that are triggered. Of old ones of Binance: it expires, and works on under its id in the same ms.

https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams/Event-Order-Update; `ot` is the
type that it was made with, `o` the one that it has now.
"""

from collections.abc import Callable
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from ringbuf.strategies.adapters.binance import BinanceAdapter
from ringbuf.strategies.adapters.ccxt import CcxtAdapter
from ringbuf.strategies.adapters.okx import OkxAdapter
from ringbuf.strategies.inventory import Inventory

MS = 1_622_812_118_021


def told(kind: str, order_type: str, ms: int = MS, **more: str) -> dict[str, Any]:
    status = {"TRADE": "PARTIALLY_FILLED"}.get(kind, kind)
    order: dict[str, Any] = {
        "s": "TRXUSDT",
        "c": "c1",
        "S": "BUY",
        "o": order_type,
        "ot": "STOP",
        "f": "GTC",
        "q": "150",
        "p": "0.076",
    }
    order |= {"sp": "0.075", "x": kind, "X": status, "i": 4014170259, "l": "0", "z": "0", "L": "0", "t": 0, "T": ms}
    return order | more


def by_ccxt(order: dict[str, Any]) -> dict[str, Any]:
    """As ccxt's `watch_orders` has it."""
    statuses = {"NEW": "open", "PARTIALLY_FILLED": "open", "EXPIRED": "expired"}
    filled = float(order["z"])
    return {"info": order, "symbol": "TRX/USDT:USDT", "id": "4014170259", "clientOrderId": "c1", "side": "buy"} | {
        "timestamp": order["T"], "lastUpdateTimestamp": order["T"], "type": order["o"].lower(), "price": 0.076,
        "amount": 150.0, "filled": filled, "remaining": 150.0 - filled, "status": statuses[order["X"]], "trades": [],
    }  # fmt: skip


def received(adapter: Any, order: dict[str, Any]) -> None:
    adapter.receive({"e": "ORDER_TRADE_UPDATE", "T": order["T"], "E": order["T"], "o": order})


def received_by_ccxt(adapter: Any, order: dict[str, Any]) -> None:
    adapter.orders(by_ccxt(order))


@pytest.mark.parametrize(("kind", "receive"), [(BinanceAdapter, received), (CcxtAdapter, received_by_ccxt)])
def test_an_order_that_is_triggered_works_on(kind: Any, receive: Callable[[Any, Any], None]) -> None:
    inventory = Inventory()
    adapter = kind(inventory, exchange="binance_futures", account="A1", strategy="mm")
    found = []
    for each in (
        told("NEW", "STOP", MS - 1_000),
        told("EXPIRED", "STOP"),
        told("NEW", "LIMIT"),
        told("TRADE", "LIMIT", z="40", l="40", L="0.076", t="7"),
        told("EXPIRED", "LIMIT", MS + 1, z="40"),
    ):
        receive(adapter, each)
        (order,) = inventory.orders()
        found.append((order.status.name, order.open))
    assert found == [
        ("NEW", Decimal(150)),
        ("EXPIRED", Decimal(0)),
        ("NEW", Decimal(150)),
        ("PARTIALLY_FILLED", Decimal(110) if kind is BinanceAdapter else Decimal(150)),  # the fill comes apart
        ("EXPIRED", Decimal(0) if kind is BinanceAdapter else Decimal(40)),
    ]


def test_an_order_that_was_never_triggered_is_new_and_not_restated() -> None:
    inventory = Inventory()
    adapter = BinanceAdapter(inventory, exchange="binance_futures", account="A1", strategy="mm")
    for ot, kind in (("LIMIT", "new"), ("STOP", "restated")):
        order = told("NEW", "LIMIT") | {"ot": ot}
        (update,) = adapter.updates({"e": "ORDER_TRADE_UPDATE", "o": order})
        assert (update["exec_type"], update["order_status"], update["order_type"]) == (kind, "new", "limit")


ALGO_MS = 1_765_431_097_030


def algo(status: str, ms: int, **more: str) -> dict[str, Any]:
    """Of a conditional order that waits in a service of its own.

    https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams/Event-Algo-Order-Update
    """
    order = {"caid": "c1", "aid": 7, "at": "CONDITIONAL", "o": "STOP", "s": "TRXUSDT", "S": "BUY", "f": "GTC"} | {
        "q": "150", "p": "0.076", "tp": "0.075", "X": status, "ai": "", "aq": "0", "ap": "0", "act": "0",
    }  # fmt: skip
    return {"e": "ALGO_UPDATE", "T": ALGO_MS + ms, "E": ALGO_MS + ms, "o": order | more}


def placed(kind: str, ms: int, **more: str) -> dict[str, Any]:
    order = told(kind, "LIMIT", ALGO_MS + ms, ot="LIMIT", **more)
    return {"e": "ORDER_TRADE_UPDATE", "T": ALGO_MS + ms, "E": ALGO_MS + ms, "o": order}


TRIGGERED = [
    algo("NEW", 0),
    algo("TRIGGERING", 900),
    algo("TRIGGERED", 902, ai="4014170259", act="LIMIT"),
    placed("NEW", 901),
    placed("TRADE", 905, z="40", l="40", L="0.076", t="7"),
    placed("TRADE", 906, z="150", l="110", L="0.076", t="8", X="FILLED"),
    algo("FINISHED", 907, ai="4014170259", aq="150", act="LIMIT"),
]


def desk() -> tuple[Inventory, BinanceAdapter]:
    inventory = Inventory()
    return inventory, BinanceAdapter(inventory, exchange="binance_futures", account="A1", strategy="mm")


def test_a_conditional_order_and_the_one_in_its_place_are_never_open_at_once() -> None:
    inventory, adapter = desk()
    found = []
    for each in TRIGGERED:
        adapter.receive(each)
        found.append({order.order_id: int(order.open) for order in inventory.orders() if order.open})
    assert found == [
        {"algo-7": 150},
        {"algo-7": 150},
        {"4014170259": 150},
        {"4014170259": 150},
        {"4014170259": 110},
        {},
        {},
    ]


def test_in_whatever_order_the_messages_about_a_conditional_order_come_it_is_filled_once_and_over() -> None:
    for order in permutations(TRIGGERED):
        inventory, adapter = desk()
        for each in order:
            adapter.receive(each)
        orders = {each.order_id: (each.status.name, each.open) for each in inventory.orders()}
        assert orders == {"algo-7": ("REPLACED", Decimal(0)), "4014170259": ("FILLED", Decimal(0))}
        (position,) = inventory.positions().values()
        assert position.quantity == 150


@pytest.mark.parametrize(
    ("last", "status"), [("CANCELED", "CANCELED"), ("EXPIRED", "EXPIRED"), ("REJECTED", "REJECTED")]
)
def test_a_conditional_order_that_is_never_placed_ends(last: str, status: str) -> None:
    messages = [algo("NEW", 0), algo("TRIGGERING", 900), algo(last, 903)]
    for order in permutations(messages):
        inventory, adapter = desk()
        for each in order:
            adapter.receive(each)
        (page,) = inventory.orders()
        assert (page.status.name, page.open, page.order_id) == (status, Decimal(0), "algo-7")


def algo_of_okx(state: str, ms: int, **more: str) -> dict[str, Any]:
    """https://www.okx.com/docs-v5/en/#order-book-trading-algo-trading-ws-algo-orders-channel"""
    row = {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "algoId": "7", "algoClOrdId": "c1", "ordType": "trigger"} | {
        "side": "buy", "posSide": "net", "sz": "11", "triggerPx": "40000", "ordPx": "41000", "state": state,
        "ordId": "", "actualSz": "0", "uTime": str(ALGO_MS + ms),
    }  # fmt: skip
    return {"arg": {"channel": "orders-algo", "instType": "ANY"}, "data": [row | more]}


def order_of_okx(state: str, ms: int, filled: str = "0", last: str = "0", trade_id: str = "") -> dict[str, Any]:
    row = {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "algoId": "7", "algoClOrdId": "c1", "ordType": "limit"} | {
        "side": "buy", "posSide": "net", "sz": "11", "px": "41000", "state": state, "ordId": "8", "clOrdId": "",
        "accFillSz": filled, "fillSz": last, "fillPx": "40500", "tradeId": trade_id, "uTime": str(ALGO_MS + ms),
    }  # fmt: skip
    return {"arg": {"channel": "orders", "instType": "ANY"}, "data": [row]}


def test_in_whatever_order_the_messages_about_an_algo_order_of_okx_come_it_is_filled_once_and_over() -> None:
    messages = [
        algo_of_okx("live", 0),
        algo_of_okx("effective", 900, ordId="8", actualSz="11"),
        order_of_okx("live", 901),
        order_of_okx("partially_filled", 905, "4", "4", "1"),
        order_of_okx("filled", 906, "11", "7", "2"),
    ]
    for order in permutations(messages):
        inventory = Inventory()
        adapter = OkxAdapter(inventory, exchange="okx", account="A1", strategy="mm")
        for each in order:
            adapter.receive(each)
        orders = {each.order_id: (each.status.name, each.open) for each in inventory.orders()}
        assert orders == {"algo-7": ("REPLACED", Decimal(0)), "8": ("FILLED", Decimal(0))}
        assert inventory.position("okx", "A1", "BTC-USDT-SWAP").quantity == 11
        assert not adapter.refused


@pytest.mark.parametrize("number", ["0", "", None, "-1"])
def test_an_algo_order_without_a_number_is_none(number: str | None) -> None:
    inventory = Inventory()
    adapter = OkxAdapter(inventory, exchange="okx", account="A1", strategy="mm")
    message = algo_of_okx("live", 0)
    message["data"][0]["algoId"] = number
    adapter.receive(message)
    adapter.receive({"arg": {"channel": "candle1m"}, "data": [["1597026383085", "8533.02"]]})
    assert (inventory.orders(), list(adapter.refused)) == ([], [])
