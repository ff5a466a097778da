"""A conditional order of Binance's futures that is triggered: it expires, and works on under its id in the same ms.

https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams/Event-Order-Update; `ot` is the
type that it was made with, `o` the one that it has now.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ringbuf.strategies.adapters.binance import BinanceAdapter
from ringbuf.strategies.adapters.ccxt import CcxtAdapter
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
