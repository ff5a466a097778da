"""OKX as it tells: swaps in hedge mode."""

from ringbuf.strategies.adapters.okx import OkxAdapter
from tests.model.sessions.exchange import Abilities, Event
from tests.model.sessions.telling import Dialect, Told, order_id, trade_id

STATUSES = {
    "new": "live",
    "partially_filled": "partially_filled",
    "filled": "filled",
    "canceled": "canceled",
    "expired": "canceled",
    "rejected": "canceled",
}
CANCEL_SOURCES = {"canceled": "1", "rejected": "31", "expired": "14", "prevented": "33"}
CATEGORIES = {"": "normal", "liquidation": "full_liquidation", "adl": "adl"}


class Swap(Dialect):
    """One message tells the order and its last fill; a fee that is paid is negative; fills are told alone, too."""

    adapter = OkxAdapter
    exchange = "okx"
    symbol = "BTC-USDT-SWAP"
    abilities = Abilities(amend="in place", hedge_mode=True, forces=True)

    def tell(self, event: Event) -> list[Told]:
        order, trade = event.order, event.trade
        row = {"instId": self.symbol, "instType": "SWAP", "ordId": str(order_id(order.number)), "px": str(order.price)}
        row |= {
            "clOrdId": order.client_id,
            "side": order.side,
            "posSide": order.position_side,
            "sz": str(order.quantity),
        }
        row |= {"ordType": order.kind, "state": STATUSES[order.status], "accFillSz": str(order.executed)}
        row |= {"uTime": str(event.time_ms), "category": CATEGORIES[order.forced], "tdMode": "cross", "code": "0"}
        row |= {"fillSz": "0", "fillPx": "", "tradeId": "", "fillFee": "0", "fillFeeCcy": "", "execType": ""}
        row |= {"reduceOnly": "false", "amendResult": "0" if event.kind == "amended" else "", "avgPx": "0"}
        row |= {"cancelSource": CANCEL_SOURCES.get(event.kind, ""), "fee": "-7.5", "feeCcy": "USDT"}
        if trade is None:
            return [Told("orders", order.number, False, {"arg": {"channel": "orders"}, "data": [row]})]
        fill = {"fillSz": str(trade.quantity), "fillPx": str(trade.price), "tradeId": str(trade_id(trade.number))}
        fill |= {"execType": "M" if trade.is_maker else "T"}
        row |= fill | {"fillFee": str(-trade.fee), "fillFeeCcy": "USDT", "fillTime": str(event.time_ms - 1)}
        alone = {name: row[name] for name in ("instId", "ordId", "side")} | fill
        alone |= {"ts": str(event.time_ms - 1), "clOrdId": "0", "count": "1"}
        return [
            Told("fills", None, True, {"arg": {"channel": "fills"}, "data": [alone]}),
            Told("orders", order.number, True, {"arg": {"channel": "orders"}, "data": [row]}),
        ]
