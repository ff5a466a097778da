"""Hyperliquid as it tells: what is left of an order; a change of an order is a cancel and a new one."""

from ringbuf.strategies.adapters.hyperliquid import HyperliquidAdapter
from tests.model.sessions.exchange import Abilities, Event
from tests.model.sessions.telling import Dialect, Message, Told, order_id, trade_id

USER = "0x00000000000000000000000000000000000000aa"
STATUSES = {
    "new": "open",
    "partially_filled": "open",
    "filled": "filled",
    "canceled": "canceled",
    "expired": "canceled",
}


class Perpetual(Dialect):
    """Orders, fills and payments are told apart."""

    adapter = HyperliquidAdapter
    exchange = "hyperliquid"
    symbol = "BTC"
    currency = "USDC"
    abilities = Abilities(amend="cancel and new", forces=True, funds=True)

    def tell(self, event: Event) -> list[Told]:
        if event.kind == "funding":
            row = {
                "time": event.time_ms,
                "coin": "BTC",
                "usdc": str(-event.paid),
                "szi": "0.3",
                "fundingRate": "0.00001",
            }
            return [Told("fundings", None, True, self._rows("userFundings", "fundings", row))]
        told = [Told("orders", event.order.number, False, {"channel": "orderUpdates", "data": [self.state(event)]})]
        if event.trade is not None:
            told.append(Told("fills", None, True, self._rows("userFills", "fills", self.execution(event))))
        return told

    def _rows(self, channel: str, name: str, row: Message) -> Message:
        return {"channel": channel, "data": {"user": USER, "isSnapshot": False, name: [row]}}

    def state(self, event: Event) -> Message:
        """The row of an order."""
        order = event.order
        status = {"rejected": "badAloPxRejected", "prevented": "selfTradeCanceled"}.get(event.kind)
        told: Message = {"coin": "BTC", "side": "B" if order.side == "buy" else "A", "limitPx": str(order.price)}
        told |= {"sz": str(order.left), "origSz": str(order.quantity), "oid": order_id(order.number)}
        told |= {"timestamp": event.time_ms} | ({"cloid": order.client_id} if order.client_id else {})
        return {"order": told, "status": status or STATUSES[order.status], "statusTimestamp": event.time_ms}

    def execution(self, event: Event) -> Message:
        """The row of a fill."""
        order, trade = event.order, event.trade
        assert trade is not None, "it is of a fill"
        directions = {"": "Open Long", "liquidation": "Liquidated Cross Long", "adl": "Auto-Deleveraging"}
        told: Message = {"coin": "BTC", "px": str(trade.price), "sz": str(trade.quantity), "time": event.time_ms}
        told |= {"side": "B" if order.side == "buy" else "A", "startPosition": str(trade.position_before)}
        told |= {"dir": directions[order.forced], "closedPnl": "0.0", "hash": "0x00", "oid": order_id(order.number)}
        told |= {"crossed": not trade.is_maker, "fee": str(trade.fee), "tid": trade_id(trade.number)}
        return told | {"feeToken": "USDC"} | ({"cloid": order.client_id} if order.client_id else {})
