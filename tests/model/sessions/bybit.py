"""Bybit as it tells: linear perpetuals in hedge mode, and spot."""

from ringbuf.strategies.adapters.bybit import BybitAdapter
from tests.model.sessions.exchange import Abilities, Event
from tests.model.sessions.telling import Dialect, Message, Told

STATUSES = {
    "new": "New",
    "partially_filled": "PartiallyFilled",
    "filled": "Filled",
    "canceled": "Cancelled",
    "expired": "Cancelled",
    "rejected": "Rejected",
}
TIMES_IN_FORCE = {"limit": "GTC", "ioc": "IOC", "post_only": "PostOnly"}
EXEC_TYPES = {"": "Trade", "liquidation": "BustTrade", "adl": "AdlTrade"}


class Linear(Dialect):
    """Orders and executions are told apart."""

    adapter = BybitAdapter
    exchange = "bybit"
    symbol = "BTCUSDT"
    category = "linear"
    abilities = Abilities(amend="in place", hedge_mode=True, forces=True, funds=True)

    def tell(self, event: Event) -> list[Told]:
        if event.kind == "funding":
            row = self._names(event) | {"execType": "Funding", "execFee": str(event.paid), "execQty": "0.3"}
            row |= {"execId": f"f{event.time_ms}", "execTime": str(event.time_ms), "execPrice": "100.5"}
            row |= {"orderId": f"funding-{event.time_ms}", "orderLinkId": "", "orderType": "UNKNOWN"}
            return [Told("executions", None, True, self._message("execution", event, row))]
        told = [Told("orders", event.order.number, False, self._message("order", event, self.state(event)))]
        if event.trade is not None:
            row = self.execution(event)
            told.append(Told("executions", None, True, self._message("execution", event, row)))
        return told

    def _message(self, topic: str, event: Event, row: Message) -> Message:
        return {"id": f"m{event.time_ms}", "topic": topic, "creationTime": event.time_ms + 20, "data": [row]}

    def _names(self, event: Event) -> Message:
        order = event.order
        names = {"category": self.category, "symbol": "BTCUSDT", "orderId": f"o-{order.number}"}
        return names | {"orderLinkId": order.client_id, "side": order.side.title()}

    def state(self, event: Event) -> Message:
        """The row of an order."""
        order = event.order
        left = "0" if not order.works else str(order.left)
        row = self._names(event) | {"qty": str(order.quantity), "cumExecQty": str(order.executed), "leavesQty": left}
        row |= {"price": str(order.price), "orderType": "Limit", "timeInForce": TIMES_IN_FORCE[order.kind]}
        row |= {"orderStatus": STATUSES[order.status], "updatedTime": str(event.time_ms), "avgPrice": ""}
        row |= {"positionIdx": {"long": 1, "short": 2}.get(order.position_side, 0), "rejectReason": "EC_NoError"}
        row |= {"cancelType": "UNKNOWN", "reduceOnly": False, "closeOnTrigger": False, "stopOrderType": ""}
        if event.kind == "rejected":
            row |= {"rejectReason": "EC_PostOnlyWillTakeLiquidity"}
        if event.kind == "prevented":
            row |= {"cancelType": "CancelBySmp"}
        return row

    def execution(self, event: Event) -> Message:
        """The row of a fill."""
        order, trade = event.order, event.trade
        assert trade is not None, "it is of a fill"
        row = self._names(event) | {"execId": f"e-{trade.number}", "execPrice": str(trade.price)}
        row |= {"execQty": str(trade.quantity), "execFee": str(trade.fee), "execType": EXEC_TYPES[order.forced]}
        row |= {"execTime": str(event.time_ms), "isMaker": trade.is_maker, "seq": 140_000 + trade.number}
        row |= {"orderQty": str(order.quantity), "leavesQty": str(order.left), "orderPrice": str(order.price)}
        return row | {"feeRate": "0.0006", "feeCurrency": "USDT"}


class Spot(Linear):
    """Has a status of its own for a part that is filled and the rest canceled."""

    exchange = "bybit_spot"
    category = "spot"
    abilities = Abilities(amend="in place")

    def state(self, event: Event) -> Message:
        """The row of an order."""
        row = super().state(event)
        if row["orderStatus"] == "Cancelled" and event.order.executed:
            row["orderStatus"] = "PartiallyFilledCanceled"
        return row
