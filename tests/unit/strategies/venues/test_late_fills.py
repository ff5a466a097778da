"""A fill in a stream of its own, later than an amendment of the same ms: what it says of the order is old."""

from decimal import Decimal
from typing import Any

import pytest

from ringbuf.strategies.adapters.binance import BinanceAdapter
from ringbuf.strategies.adapters.bybit import BybitAdapter
from ringbuf.strategies.inventory import Inventory

MS = 1_790_000_000_000


def bybit(name: str) -> dict[str, Any]:
    row = {"category": "linear", "symbol": "BTCUSDT", "orderId": "7", "side": "Buy"}
    order = row | {"orderStatus": "PartiallyFilled", "cumExecQty": "4", "orderType": "Limit", "updatedTime": str(MS)}
    fill = {"execId": "1", "execType": "Trade", "execQty": "4", "execPrice": "100", "execTime": str(MS)}
    return {
        "filled": {"topic": "order", "data": [order | {"qty": "10", "leavesQty": "6"}]},
        "amended": {"topic": "order", "data": [order | {"qty": "12", "leavesQty": "8"}]},
        "fill": {"topic": "execution", "data": [row | fill | {"orderQty": "10", "leavesQty": "6"}]},
    }[name]


def binance(name: str) -> dict[str, Any]:
    order = {"s": "BTCUSDT", "c": "c1", "S": "BUY", "o": "LIMIT", "f": "GTC", "i": 7, "z": "4", "p": "100", "T": MS}
    fill = {"l": "4", "L": "100", "t": 1, "m": True}
    update = {"e": "ORDER_TRADE_UPDATE", "T": MS}
    return {
        "filled": update | {"o": order | fill | {"x": "TRADE", "X": "PARTIALLY_FILLED", "q": "10"}},
        "amended": update | {"o": order | {"x": "AMENDMENT", "X": "PARTIALLY_FILLED", "q": "12"}},
        "fill": {"e": "TRADE_LITE", "T": MS, "s": "BTCUSDT", "c": "c1", "S": "BUY", "i": 7, "q": "10", "p": "100"}
        | fill,
    }[name]


@pytest.mark.parametrize(("kind", "message"), [(BybitAdapter, bybit), (BinanceAdapter, binance)])
def test_a_fill_that_comes_late_does_not_take_an_amendment_back(kind: Any, message: Any) -> None:
    inventory = Inventory()
    adapter = kind(inventory, exchange="venue", account="A1", strategy="mm")
    for name in ("filled", "amended", "fill"):
        adapter.receive(message(name))
    (order,) = inventory.orders()
    assert (order.quantity, order.executed, order.open) == (Decimal(12), Decimal(4), Decimal(8))
    assert inventory.position("venue", "A1", "BTCUSDT").quantity == Decimal(4)
