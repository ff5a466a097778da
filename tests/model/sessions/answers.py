"""What the venues answer about orders and trades: in the dialect of each, built from what really happened."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.model.sessions import binance, bybit, deribit, hyperliquid, okx
from tests.model.sessions.exchange import Event, Exchange, Order, Trade
from tests.model.sessions.telling import Dialect, Message, order_id, trade_id

Fill = tuple[Order, Trade]


@dataclass
class Answers:
    """Answers of one venue.

    Attributes:
        latest: the last event of each order.
        times: when each trade was.
    """

    dialect: Any
    exchange: Exchange
    latest: dict[int, Event] = field(init=False)
    times: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.latest = {each.order.number: each for each in self.exchange.events if each.kind != "funding"}
        self.times = {each.trade.number: each.time_ms for each in self.exchange.events if each.trade is not None}

    def orders(self, orders: Iterable[Order]) -> Any:
        """Their states now."""
        return _ORDERS[type(self.dialect)](self, list(orders))

    def trades(self) -> Any:
        """All of them."""
        return _TRADES[type(self.dialect)](self, self.exchange.trades)

    def event(self, order: Order) -> Event:
        """An order as it is now."""
        return self.latest[order.number]._replace(order=order, trade=None)

    def fill(self, fill: Fill) -> Event:
        """A fill as it was told."""
        return Event("fill", self.times[fill[1].number], *fill)


def _binance_order(answers: Answers, order: Order) -> Message:
    """https://developers.binance.com/docs/binance-spot-api-docs/rest-api/account-endpoints, and of futures."""
    row: Message = {"symbol": "BTCUSDT", "orderId": order_id(order.number), "clientOrderId": order.client_id}
    row |= {"price": str(order.price), "origQty": str(order.quantity), "executedQty": str(order.executed)}
    row |= {"status": binance.STATUSES[order.status], "side": order.side.upper(), "type": "LIMIT", "timeInForce": "GTC"}
    row |= {"updateTime": answers.latest[order.number].time_ms}
    return row | ({"positionSide": order.position_side.upper(), "avgPrice": "0"} if order.position_side else {})


def _binance_trade(answers: Answers, fill: Fill) -> Message:
    order, trade = fill
    row: Message = {"symbol": "BTCUSDT", "id": trade_id(trade.number), "orderId": order_id(order.number)}
    row |= {"price": str(trade.price), "qty": str(trade.quantity), "time": answers.times[trade.number]}
    row |= {"commission": str(trade.fee), "commissionAsset": "USDT"}
    if not order.position_side:
        return row | {"isBuyer": order.side == "buy", "isMaker": trade.is_maker}
    return row | {"side": order.side.upper(), "positionSide": order.position_side.upper(), "maker": trade.is_maker}


def _okx_order(answers: Answers, order: Order) -> Message:
    """With its last fill: https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-order-list."""
    row: Message = {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "ordId": str(order_id(order.number))}
    row |= {"clOrdId": order.client_id, "side": order.side, "posSide": order.position_side, "px": str(order.price)}
    row |= {"sz": str(order.quantity), "ordType": order.kind, "state": okx.STATUSES[order.status], "tdMode": "cross"}
    row |= {"accFillSz": str(order.executed), "uTime": str(answers.latest[order.number].time_ms), "feeCcy": "USDT"}
    row |= {"fillSz": "0", "tradeId": "", "category": okx.CATEGORIES[order.forced]}
    trades = [trade for each, trade in answers.exchange.trades if each is order]
    if not trades:
        return row
    row |= {"fillSz": str(trades[-1].quantity), "fillPx": str(trades[-1].price)}
    row |= {"tradeId": str(trade_id(trades[-1].number)), "fillTime": str(answers.times[trades[-1].number])}
    return row | {"fee": str(-sum(each.fee for each in trades))}


def _okx_trade(answers: Answers, fill: Fill) -> Message:
    order, trade = fill
    row: Message = {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "ordId": str(order_id(order.number))}
    row |= {"clOrdId": order.client_id, "side": order.side, "posSide": order.position_side, "subType": "1"}
    row |= {"tradeId": str(trade_id(trade.number)), "fillPx": str(trade.price), "fillSz": str(trade.quantity)}
    return row | {"fee": str(-trade.fee), "feeCcy": "USDT", "ts": str(answers.times[trade.number])}


def _hyperliquid_order(answers: Answers, order: Order) -> Message:
    """One that is open comes without its status, and with the time at which it was made."""
    told: Message = answers.dialect.state(answers.event(order))
    return told["order"] | {"timestamp": 1} if order.works else told


def _rows(told: Callable[[Answers, Any], Message]) -> Callable[[Answers, list[Any]], Any]:
    return lambda answers, given: [told(answers, each) for each in given]


def _pages(told: Callable[[Answers, Any], Message]) -> Callable[[Answers, list[Any]], Any]:
    """OKX's, the latest first."""
    return lambda answers, given: {"code": "0", "data": [told(answers, each) for each in reversed(given)]}


def _categories(told: Callable[[Answers, Any], Message]) -> Callable[[Answers, list[Any]], Any]:
    """Bybit's, the latest first."""
    return lambda answers, given: {
        "result": {"category": answers.dialect.category, "list": [told(answers, each) for each in reversed(given)]}
    }


def _results(told: Callable[[Answers, Any], Message], name: str = "") -> Callable[[Answers, list[Any]], Any]:
    def answer(answers: Answers, given: list[Any]) -> Any:
        rows = [told(answers, each) for each in given]
        return {"jsonrpc": "2.0", "result": {name: rows} if name else rows}

    return answer


def _state(answers: Answers, order: Order) -> Message:
    found: Message = answers.dialect.state(answers.event(order))
    return found


def _execution(answers: Answers, fill: Fill) -> Message:
    found: Message = answers.dialect.execution(answers.fill(fill))
    return found


_ORDERS: dict[type[Dialect], Callable[[Answers, list[Order]], Any]] = {
    binance.Spot: _rows(_binance_order),
    binance.Futures: _rows(_binance_order),
    bybit.Spot: _categories(_state),
    okx.Swap: _pages(_okx_order),
    deribit.Apart: _results(_state),
    deribit.Together: _results(_state),
    hyperliquid.Perpetual: _rows(_hyperliquid_order),
}
"""Not of Bybit in hedge mode: its executions do not say which position they are for."""
_TRADES: dict[type[Dialect], Callable[[Answers, list[Fill]], Any]] = {
    binance.Spot: _rows(_binance_trade),
    binance.Futures: _rows(_binance_trade),
    bybit.Spot: _categories(_execution),
    okx.Swap: _pages(_okx_trade),
    deribit.Apart: _results(_execution, "trades"),
    deribit.Together: _results(_execution, "trades"),
    hyperliquid.Perpetual: _rows(_execution),
}
ANSWERING = tuple(_ORDERS)
