"""A FIX 4.4 session: requests have client ids of their own, a replace gives the order a new one."""

from datetime import UTC, datetime
from typing import Any

from ringbuf.strategies.adapters.fix import FixAdapter
from tests.model.sessions.exchange import Abilities, Event
from tests.model.sessions.telling import Dialect, Told, order_id, trade_id
from tests.unit.strategies.venues.fix_session import STATUSES, encoded

EXEC_TYPES = {
    "new": "0",
    "rejected": "8",
    "fill": "F",
    "amended": "5",
    "canceled": "4",
    "expired": "C",
    "prevented": "C",
}


class Session(Dialect):
    """One message tells all."""

    adapter = FixAdapter
    exchange = "sim"
    symbol = "EUR/USD"
    abilities = Abilities(amend="new client id", cancels_have_ids=True)

    def tell(self, event: Event) -> list[Told]:
        order, trade = event.order, event.trade
        time = f"{datetime.fromtimestamp(event.time_ms // 1000, UTC):%Y%m%d-%H:%M:%S}.{event.time_ms % 1000:03}"
        tags: dict[int, Any] = {35: "8", 37: order_id(order.number), 11: order.client_id, 55: self.symbol, 60: time}
        tags |= {150: EXEC_TYPES[event.kind], 39: STATUSES[order.status], 54: "1" if order.side == "buy" else "2"}
        tags |= {38: order.quantity, 44: order.price, 14: order.executed, 151: order.left if order.works else 0}
        tags |= {17: f"{event.kind}{event.time_ms}{order.number}{order.executed}"}
        if event.kind == "canceled" and event.request:
            tags |= {11: event.request, 41: order.client_id}
        if event.kind == "amended":
            tags |= {41: event.former}
        if trade is not None:
            tags |= {
                17: trade_id(trade.number),
                31: trade.price,
                32: trade.quantity,
                12: trade.fee,
                13: "3",
                479: "USDT",
            }
        return [Told("session", order.number, trade is not None, tags)]

    def text(self, message: dict[Any, Any]) -> str:
        return encoded(message)
