"""What a simulated exchange tells when it is asked: its orders and trades as they really are."""

from collections import OrderedDict, defaultdict, deque
from typing import Any, Final

Message = dict[str, Any]

MOST_TRADES: Final = 10_000
"""So many trades of a client can be asked for."""
MOST_ORDERS: Final = 10_000
"""So many orders of a client that are over can be asked for."""
OPEN: Final = ("new", "partially_filled")


class VenueHistory:
    """The last report of each order, and the trades, by client."""

    def __init__(self) -> None:
        self._open: defaultdict[str, dict[str, Message]] = defaultdict(dict)
        self._over: defaultdict[str, OrderedDict[str, Message]] = defaultdict(OrderedDict)
        self._trades: defaultdict[str, deque[Message]] = defaultdict(lambda: deque(maxlen=MOST_TRADES))

    def note(self, client: str, event: Message) -> None:
        """Keep what was reported of an order."""
        name = event["client_order_id"]
        if event["event"] == "fill":
            self._trades[client].append(event)
        if event["status"] in OPEN:
            self._open[client][name] = event
        elif event["event"] != "cancel_rejected":
            self._open[client].pop(name, None)
            over = self._over[client]
            over[name] = event
            if len(over) > MOST_ORDERS:
                over.popitem(last=False)

    def open_orders(self, client: str) -> list[Message]:
        """The state of each open order."""
        return [_state(event) for event in self._open[client].values()]

    def order(self, client: str, client_order_id: str) -> Message | None:
        """The state of one order; None if no request for it ever came, or if it was over long ago."""
        event = self._open[client].get(client_order_id) or self._over[client].get(client_order_id)
        return None if event is None else _state(event)

    def trades(self, client: str, since_ns: int) -> list[Message]:
        """The trades since a time, as they were reported."""
        return [event for event in self._trades[client] if event["exchange_ns"] >= since_ns]


def _state(event: Message) -> Message:
    """A report of the order's state, without the trade that led to it."""
    of_trade = ("trade_id", "last_price", "last_quantity", "liquidity", "fee", "fee_currency")
    return {name: value for name, value in event.items() if name not in of_trade} | {"event": "order_status"}
