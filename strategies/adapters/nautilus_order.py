"""What is known of an order of NautilusTrader from its events, to say the order's state after each of them.

An event of NautilusTrader tells neither what was executed in all nor the state that it leaves the order in.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from ringbuf.strategies.adapters import value
from ringbuf.strategies.adapters.adapter import Update
from ringbuf.strategies.adapters.message import plain
from ringbuf.trading.number import EXACT, ZERO

REQUESTED: Final = "pending_new"
WORKING: Final = frozenset({"new", "triggered", "replaced"})
ENDS: Final = frozenset({"canceled", "expired", "rejected", "denied"})


@dataclass(slots=True)
class NautilusOrder:
    """One order, by its client order id.

    Attributes:
        account: of the order; empty as long as no event told it.
        untold: updates that wait until it is known.
        heard: ids of its events, where they may be missed.
        is_emulated: whether it waits on our side for a trigger, and then is asked for once more, as another type.
    """

    account: str = ""
    untold: list[Update] = field(default_factory=list)
    heard: set[Any] = field(default_factory=set)
    is_emulated: bool = False
    _order_id: str = ""
    _side: str = ""
    _position: Update = field(default_factory=dict)
    _request: str = ""  # the id of the event with which it began
    _is_over: bool = False
    _status: str = ""  # while it works and nothing is executed
    _quantity: Decimal | None = None  # None if it is not known, or an amount of money
    _quantity_ns: int = 0
    _latest_ns: int = 0
    _total: Decimal = ZERO
    _fills: dict[str, Update] = field(default_factory=dict)  # the state after each, as it was told

    def completed(self, update: Update, quantity: Decimal | None = None) -> Iterator[Update]:
        """What an event says, with what it lacks; and the state now, if a later one was told without this event.

        Args:
            update: what the event says by itself.
            quantity: what is ordered now, where that is known from elsewhere.
        """
        is_late = self._learn(update)
        self._quantity = self._quantity if quantity is None else quantity
        yield self._position | update | self._ids(update) | self._state(update)
        if is_late and self._total and self._request and not self._is_over:
            names = ("exchange", "symbol", "strategy", "client_order_id", "origin")
            now = {name: update[name] for name in names if name in update}
            ids = value.told(order_id=self._order_id, exec_type="order_status", exchange_ns=self._latest_ns or None)
            yield self._position | now | ids | self._executed()

    def _learn(self, update: Update) -> bool:
        """Take what an event says; whether a state was told before that is later, and does not know of it."""
        exec_type, at_ns = update["exec_type"], update.get("exchange_ns")
        at_ns = at_ns if isinstance(at_ns, int) else 0
        self._side = self._side or update.get("side", "")
        self._position = self._position or {
            name: update[name] for name in ("position_side", "position_id") if name in update
        }
        self._is_over |= exec_type in ENDS
        is_news = exec_type == "replaced" or (exec_type == "fill" and update.get("trade_id") not in self._fills)
        is_late = at_ns < self._latest_ns and is_news
        if exec_type == REQUESTED:
            is_late = not self._request
            self._begin(update)
        elif exec_type == "replaced" and at_ns >= self._quantity_ns:
            self._quantity, self._quantity_ns = value.decimal(update.get("quantity")), at_ns
        elif exec_type in ("new", "triggered") and at_ns:
            self._status = exec_type
        elif exec_type == "fill" and is_news:
            self._total = EXACT.add(self._total, value.decimal(update.get("last_quantity")) or ZERO)
        self._latest_ns = max(self._latest_ns, at_ns)
        return is_late

    def _begin(self, update: Update) -> None:
        """Take what was asked for. An emulated order that is asked for once more is no second order."""
        request = update.get("report_id", "")
        if self._request in ("", request):
            self._request = request
        elif self.is_emulated:
            update["exec_type"] = "restated"
            del update["order_status"]
        if not self._quantity_ns:
            is_money = update.get("quantity_unit") == "quote"
            self._quantity = None if is_money else value.decimal(update.get("quantity"))

    def _ids(self, update: Update) -> Update:
        """The venue's id; a new one is that of another order, which takes the place of the one before."""
        known, told = self._order_id, update.get("order_id", "")
        if not told:  # what the venue says of an order that it knows
            return value.told(order_id=known) if "exchange_ns" in update else {}
        if update["exec_type"] not in WORKING and known:
            return {}
        self._order_id = told
        if known in ("", told):
            return {}
        return value.told(orig_client_order_id=update.get("client_order_id"), side=self._side)

    def _state(self, update: Update) -> Update:
        """The state after an event, as far as the event leaves it open."""
        exec_type = update["exec_type"]
        if exec_type == "fill":
            trade_id = update.get("trade_id", "")
            return self._fills.setdefault(trade_id, self._executed()) if trade_id else {}
        if exec_type in WORKING and "exchange_ns" in update:
            return self._executed() if self._total else value.told(order_status=self._status)
        if exec_type in ("canceled", "expired") and self._total and self._request:
            return {"cumulative_quantity": plain(self._total)}
        return {}

    def _executed(self) -> Update:
        """The state of an order of which something is executed; nothing if not all of its events may be known."""
        if not self._request:
            return {}
        is_filled = self._quantity is not None and self._total >= self._quantity
        found: dict[str, Any] = {"cumulative_quantity": plain(self._total)}
        if self._quantity is not None:
            found["quantity"] = plain(self._quantity)
        if is_filled or not self._is_over:
            found["order_status"] = "filled" if is_filled else "partially_filled"
        return found
