"""Deribit as it tells: an inverse perpetual, of which the amount is in USD."""

from ringbuf.strategies.adapters.deribit import DeribitAdapter
from tests.model.sessions.exchange import Abilities, Event, Order
from tests.model.sessions.telling import Dialect, Message, Told

STATUSES = {
    "new": "open",
    "partially_filled": "open",
    "filled": "filled",
    "canceled": "cancelled",
    "expired": "cancelled",
    "rejected": "rejected",
}


def _notification(channel: str, data: object) -> Message:
    params = {"channel": f"user.{channel}.BTC-PERPETUAL.raw", "data": data}
    return {"jsonrpc": "2.0", "method": "subscription", "params": params}


class Apart(Dialect):
    """Orders and trades are told apart. All orders have the same label."""

    adapter = DeribitAdapter
    exchange = "deribit"
    symbol = "BTC-PERPETUAL"
    currency = "BTC"
    abilities = Abilities(amend="in place", forces=True)

    def tell(self, event: Event) -> list[Told]:
        told = [Told("orders", event.order.number, False, _notification("orders", self.state(event)))]
        if event.trade is not None:
            told.append(Told("trades", None, True, _notification("trades", [self.execution(event)])))
        return told

    def client_id(self, order: Order) -> str:
        return "mm"

    def _names(self, event: Event) -> Message:
        order = event.order
        names = {"order_id": f"BTC-{order.number}", "instrument_name": self.symbol, "direction": order.side}
        return names | {"label": "mm" if not order.forced else "", "price": order.price}

    def state(self, event: Event) -> Message:
        """The row of an order."""
        order = event.order
        told = self._names(event) | {"amount": order.quantity, "filled_amount": order.executed, "order_type": "limit"}
        told |= {"order_state": STATUSES[order.status], "last_update_timestamp": event.time_ms, "average_price": 0}
        told |= {"time_in_force": "immediate_or_cancel" if order.kind == "ioc" else "good_til_cancelled"}
        told |= {"post_only": order.kind == "post_only", "reduce_only": False, "replaced": event.kind == "amended"}
        return told | ({"cancel_reason": "user_request"} if order.status == "canceled" else {})

    def execution(self, event: Event) -> Message:
        """The row of a fill."""
        trade = event.trade
        assert trade is not None, "it is of a fill"
        told = self._names(event) | {"trade_id": f"T-{trade.number}", "trade_seq": trade.number, "price": trade.price}
        told |= {"amount": trade.quantity, "fee": trade.fee, "fee_currency": "BTC", "timestamp": event.time_ms}
        told |= {"liquidity": "M" if trade.is_maker else "T", "state": STATUSES[event.order.status]}
        return told | ({"liquidation": "T"} if event.order.forced else {})


class Together(Apart):
    """Orders and trades in one channel."""

    def tell(self, event: Event) -> list[Told]:
        trades = [] if event.trade is None else [self.execution(event)]
        data = {"instrument_name": self.symbol, "trades": trades, "orders": [self.state(event)], "positions": []}
        return [Told("changes", event.order.number, bool(trades), _notification("changes", data))]
