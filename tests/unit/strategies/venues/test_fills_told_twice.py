"""A fill that a venue tells in several ways counts once, by what the venue's documents say of them."""

import random
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import pytest

from ringbuf.strategies.adapters.binance import BinanceAdapter
from ringbuf.strategies.adapters.okx import OkxAdapter
from ringbuf.strategies.adapters.stream import StreamAdapter
from ringbuf.strategies.inventory import Inventory
from ringbuf.trading.order_state import OrderState

MS: Final = 1_790_000_000_000
SWAP: Final = "BTC-USDT-SWAP"


def ended(kind: type[StreamAdapter], messages: Iterable[Any], symbol: str) -> tuple[Decimal, list[OrderState]]:
    """The position after messages, and the orders."""
    inventory = Inventory()
    adapter = kind(inventory, exchange="venue", account="A1", strategy="mm")
    for each in messages:
        adapter.receive(each)
    return inventory.position("venue", "A1", symbol).quantity, list(inventory.orders())


def okx_fill(trade_id: str, size: str, count: str = "1") -> dict[str, Any]:
    """A row of `fills`, which knows a client order id only if it is a number."""
    row = {"instId": SWAP, "ordId": "7", "clOrdId": "0", "side": "buy", "fillPx": "70000", "execType": "T"}
    row |= {"tradeId": trade_id, "fillSz": size, "count": count, "ts": str(MS + 1)}
    return {"arg": {"channel": "fills"}, "data": [row]}


def okx_order(trade_id: str, size: str, total: str, *, category: str = "normal") -> dict[str, Any]:
    row = {"instId": SWAP, "instType": "SWAP", "ordId": "7", "clOrdId": "c7", "side": "buy", "sz": "10", "px": "70000"}
    row |= {"ordType": "limit", "state": "filled" if total == "10" else "partially_filled", "accFillSz": total}
    row |= {"fillSz": size, "fillPx": "70000", "tradeId": trade_id, "uTime": str(MS + 1), "category": category}
    return {"arg": {"channel": "orders"}, "data": [row]}


OKX: Final = [okx_fill("12", "3", "2"), okx_order("11", "1", "1"), okx_order("12", "2", "3")]


@pytest.mark.parametrize("seed", range(6))
def test_fills_that_okx_sums_up_do_not_count_beside_those_of_the_order(seed: int) -> None:
    messages = [*OKX, okx_fill("13", "7"), okx_order("13", "7", "10")]
    random.Random(seed).shuffle(messages)
    quantity, (order,) = ended(OkxAdapter, messages, SWAP)
    assert (quantity, order.executed, order.status.name) == (Decimal(10), Decimal(10), "FILLED")


def test_a_fill_of_okx_that_sums_up_others_is_listed() -> None:
    adapter = OkxAdapter(Inventory(), exchange="okx", account="A1", strategy="mm")
    adapter.receive(OKX)
    assert [each.kind for each in adapter.refused] == ["fills summed up"]


def test_a_client_order_id_that_okx_leaves_out_of_its_fills_is_not_zero() -> None:
    asked = {"exchange": "venue", "account": "A1", "symbol": SWAP, "side": "buy", "quantity": "10"}
    inventory = Inventory()
    inventory.apply(asked | {"exec_type": "pending_new", "order_status": "pending_new", "client_order_id": "c7"})
    adapter = OkxAdapter(inventory, exchange="venue", account="A1", strategy="mm")
    adapter.receive([okx_order("11", "1", "1"), okx_fill("12", "2")])
    (order,) = inventory.orders()
    assert order.client_order_id == "c7"


def test_two_fills_of_one_liquidation_by_okx_are_two() -> None:
    """Their ids are negative there: https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-transaction-details-last-3-months."""
    row = {"instId": SWAP, "instType": "SWAP", "ordId": "7", "side": "buy", "fillPx": "70000", "fillSz": "5"}
    row |= {"ts": str(MS), "subType": "105", "fee": "-1", "feeCcy": "USDT"}
    answer = {"code": "0", "data": [row | {"tradeId": "-4"}, row | {"tradeId": "-3"}]}
    told = okx_order("-4", "5", "10", category="full_liquidation")
    quantity, (order,) = ended(OkxAdapter, [answer, answer, told], SWAP)
    assert (quantity, order.executed, order.open) == (Decimal(10), Decimal(10), Decimal(0))


def allocated(number: int, quantity: str, price: str) -> dict[str, Any]:
    """A fill of an order that was routed: an allocation, and no trade."""
    told = {"price": price, "qty": quantity, "commission": "0", "commissionAsset": "BTC"}
    return told | {"matchType": "ONE_PARTY_TRADE_REPORT", "tradeId": -1, "allocId": number}


def routed() -> list[dict[str, Any]]:
    """An order that was routed, told by the answer, by the stream, and by the history of allocations.

    https://developers.binance.com/docs/binance-spot-api-docs/faqs/sor_faq
    """
    fills = [allocated(0, "1", "28000"), allocated(1, "1", "28000"), allocated(2, "2", "30000")]
    answer: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "orderId": 2,
        "clientOrderId": "c2",
        "transactTime": MS,
        "price": "31000",
    }
    answer |= {"origQty": "4", "executedQty": "4", "status": "FILLED", "type": "LIMIT", "side": "BUY"}
    told: list[dict[str, Any]] = [answer | {"fills": fills, "usedSor": True, "workingFloor": "SOR"}]
    total = Decimal(0)
    for each in fills:
        total += Decimal(each["qty"])
        report: dict[str, Any] = {
            "e": "executionReport",
            "s": "BTCUSDT",
            "c": "c2",
            "C": "",
            "S": "BUY",
            "o": "LIMIT",
            "q": "4",
        }
        report |= {"p": "31000", "i": 2, "l": each["qty"], "L": each["price"], "n": "0", "N": "BTC", "t": -1, "T": MS}
        report |= {"z": str(total), "x": "TRADE", "X": "FILLED" if total == 4 else "PARTIALLY_FILLED", "m": False}
        told.append(report | {"b": "ONE_PARTY_TRADE_REPORT", "a": each["allocId"], "k": "SOR", "uS": True})
        row: dict[str, Any] = {
            "symbol": "BTCUSDT",
            "allocationId": each["allocId"],
            "allocationType": "SOR",
            "orderId": 2,
        }
        row |= {name: each[name] for name in ("price", "qty", "commission", "commissionAsset")}
        told.append(row | {"time": MS, "isBuyer": True, "isMaker": False, "isAllocator": False})
    return told


@pytest.mark.parametrize("seed", range(12))
def test_an_order_that_binance_routed_counts_each_allocation_once(seed: int) -> None:
    draw = random.Random(seed)
    messages = routed()
    known = draw.sample(messages, len(messages))
    quantity, (order,) = ended(BinanceAdapter, known, "BTCUSDT")
    assert (quantity, order.executed, order.status.name) == (Decimal(4), Decimal(4), "FILLED")


@pytest.mark.parametrize("told", ["answer", "stream", "history"])
def test_each_way_in_which_binance_tells_allocations_tells_all_of_them(told: str) -> None:
    messages = routed()
    parts = {"answer": messages[:1], "stream": messages[1::2], "history": messages[2::2]}
    quantity, _ = ended(BinanceAdapter, parts[told], "BTCUSDT")
    assert quantity == Decimal(4)
