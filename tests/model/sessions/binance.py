"""Binance as it tells: spot, and futures in hedge mode."""

from ringbuf.strategies.adapters.binance import BinanceAdapter
from tests.model.sessions.exchange import Abilities, Event
from tests.model.sessions.telling import Dialect, Message, Told, order_id, trade_id

STATUSES = {
    "new": "NEW",
    "partially_filled": "PARTIALLY_FILLED",
    "filled": "FILLED",
    "canceled": "CANCELED",
    "expired": "EXPIRED",
    "rejected": "REJECTED",
}
EXEC_TYPES = {"new": "NEW", "rejected": "REJECTED", "fill": "TRADE", "canceled": "CANCELED", "expired": "EXPIRED"}


def _order(event: Event) -> Message:
    order, trade = event.order, event.trade
    told: Message = {"s": "BTCUSDT", "c": order.client_id, "S": order.side.upper(), "q": str(order.quantity)}
    told |= {"p": str(order.price), "X": STATUSES[order.status], "z": str(order.executed), "T": event.time_ms}
    told |= {"i": order_id(order.number), "l": "0.00000000", "L": "0.00000000", "m": False}
    if trade is not None:
        told |= {"l": str(trade.quantity), "L": str(trade.price), "n": str(trade.fee), "t": trade_id(trade.number)}
        told |= {"m": trade.is_maker, "N": "USDT"}
    return told


class Spot(Dialect):
    """One message tells all; a cancel has a client id of its own, an amendment gives the order a new one."""

    adapter = BinanceAdapter
    exchange = "binance"
    symbol = "BTCUSDT"
    abilities = Abilities(amend="new client id", only_down=True, cancels_have_ids=True)

    def tell(self, event: Event) -> list[Told]:
        order = event.order
        exec_types = EXEC_TYPES | {"amended": "REPLACED", "prevented": "TRADE_PREVENTION"}
        kind = {"limit": ("LIMIT", "GTC"), "ioc": ("LIMIT", "IOC"), "post_only": ("LIMIT_MAKER", "GTC")}[order.kind]
        told = {"t": -1, "n": "0", "N": None} | _order(event)
        told |= {"e": "executionReport", "E": event.time_ms + 1, "x": exec_types[event.kind], "o": kind[0]}
        told |= {"f": kind[1], "C": "", "P": "0.00000000", "r": "NONE", "Q": "0.00000000", "V": "NONE"}
        if event.kind == "canceled" and event.request:
            told |= {"c": event.request, "C": order.client_id}
        if event.kind == "amended":
            told |= {"C": event.former}
        if event.kind == "prevented":
            told |= {"X": "EXPIRED_IN_MATCH", "v": 3, "A": str(order.left), "B": str(order.left), "U": 37}
        if event.kind == "rejected":
            told |= {"r": "-2010"}
        message = {"subscriptionId": 0, "event": told}
        return [Told("orders", order.number, event.trade is not None, message)]


class Futures(Dialect):
    """A fill is told twice: alone in TRADE_LITE, and with the order."""

    adapter = BinanceAdapter
    exchange = "binance_futures"
    symbol = "BTCUSDT"
    abilities = Abilities(amend="in place", hedge_mode=True, forces=True, funds=True)

    def tell(self, event: Event) -> list[Told]:
        order, trade, time = event.order, event.trade, {"E": event.time_ms + 3, "T": event.time_ms}
        if event.kind == "funding":
            balance = {"a": "USDT", "wb": "1000.5", "cw": "1000.5", "bc": str(-event.paid)}
            account = {"m": "FUNDING_FEE", "S": "BTCUSDT", "B": [balance], "P": []}
            return [Told("account", None, True, {"e": "ACCOUNT_UPDATE", "a": account} | time)]
        exec_types = EXEC_TYPES | {"amended": "AMENDMENT", "prevented": "EXPIRED"}
        tif = {"limit": "GTC", "ioc": "IOC", "post_only": "GTX"}[order.kind]
        told = {"t": 0} | _order(event) | {"x": exec_types[event.kind], "o": "LIMIT", "f": tif, "ap": "0", "sp": "0"}
        told |= {"ps": order.position_side.upper(), "R": False, "cp": False, "rp": "0", "er": "0"}
        if order.forced:
            begin = {"liquidation": "autoclose-", "adl": "adl_autoclose"}[order.forced]
            told |= {"c": f"{begin}{order.number}", "o": "LIQUIDATION", "x": "CALCULATED" if trade else "NEW"}
        if event.kind == "prevented":
            told |= {"X": "EXPIRED_IN_MATCH", "er": "1"}
        messages = [Told("orders", order.number, trade is not None, {"e": "ORDER_TRADE_UPDATE", "o": told} | time)]
        if trade is not None and not order.forced:
            lite = {name: told[name] for name in ("s", "q", "p", "m", "c", "S", "L", "l", "t", "i")}
            messages.insert(0, Told("trades", None, True, {"e": "TRADE_LITE"} | lite | time))
        return messages
