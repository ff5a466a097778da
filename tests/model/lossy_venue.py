"""A venue whose messages are lost, late, repeated and out of order, and whose queries fail; and what is true there."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ringbuf.strategies.orders import OrderPages
from ringbuf.strategies.reconciliation import NO_SUCH_ORDER, VenueQueries
from ringbuf.trading.order_state import OrderState

Update = dict[str, Any]
NAMED = {"exchange": "okx", "account": "A1", "symbol": "BTC", "strategy": "mm"}
BEGIN_NS = 1_790_000_000_000_000_000


@dataclass
class VenueOrder:
    """One order as the venue has it."""

    order_id: str
    client_order_id: str
    side: str
    quantity: Decimal
    fills: list[Update] = field(default_factory=list)
    status: str = "new"
    at: int = 0

    @property
    def executed(self) -> Decimal:
        """The sum of its fills."""
        return sum((each["last_quantity"] for each in self.fills), Decimal(0))


class LossyVenue:
    """Orders, fills and cancels at random.

    Args:
        draw: decides.
        pages: get what arrives.
    """

    def __init__(self, draw: random.Random, pages: OrderPages) -> None:
        self.draw, self.pages = draw, pages
        self.orders: list[VenueOrder] = []
        self.late: list[Update] = []
        self.is_timed, self.tells_totals = draw.random() < 0.7, draw.random() < 0.6
        self.has_trades, self.has_order = draw.random() < 0.7, draw.random() < 0.5
        self.fails = 0.0
        self._clock = 0
        self._sent = 0

    # What happens

    def trade(self) -> None:
        """One thing happens, and is told or not."""
        kind, working = self.draw.random(), [each for each in self.orders if each.status in ("new", "partially_filled")]
        if kind < 0.3 or not working:
            self._place()
        elif kind < 0.8:
            self._fill(self.draw.choice(working))
        else:
            self._cancel(self.draw.choice(working))

    def _place(self) -> None:
        self._sent += 1
        client_order_id = f"c{self._sent}"
        side, quantity = self.draw.choice(("buy", "sell")), Decimal(self.draw.choice(("1", "0.3", "2.5")))
        asked = {"client_order_id": client_order_id, "side": side, "quantity": quantity}
        self.pages.apply(NAMED | asked | {"exec_type": "pending_new", "order_status": "pending_new"})
        if self.draw.random() < 0.15:
            return  # it never arrives
        order = VenueOrder(f"o{self._sent}", client_order_id, side, quantity)
        self.orders.append(order)
        self._tell(self.state(order) | {"exec_type": "new"})

    def _fill(self, order: VenueOrder) -> None:
        left = order.quantity - order.executed
        quantity = left if self.draw.random() < 0.4 else min(left, Decimal("0.1"))
        order.at = self._now()
        trade_id = f"t{order.order_id}-{len(order.fills)}"
        fill = {"trade_id": trade_id, "last_quantity": quantity, "last_price": Decimal(100), "at": order.at}
        order.fills.append(fill)
        order.status = "filled" if order.executed == order.quantity else "partially_filled"
        self._tell(self.fill(order, fill, order.executed, order.status))
        self._tell(self.state(order))

    def _cancel(self, order: VenueOrder) -> None:
        order.at, order.status = self._now(), "canceled"
        self._tell(self.state(order))

    def _now(self) -> int:
        self._clock += 1
        return self._clock

    # What is told

    def _tell(self, update: Update) -> None:
        for _ in range(1 + (self.draw.random() < 0.1)):
            kind = self.draw.random()
            if kind < 0.5:
                self.pages.apply(update)
            elif kind < 0.7:
                self.late.insert(self.draw.randrange(len(self.late) + 1), update)

    def arrive(self) -> None:
        """What was late arrives."""
        late, self.late = self.late, []
        for each in late:
            self.pages.apply(each)

    def state(self, order: VenueOrder) -> Update:
        """The state of an order."""
        return self._named(order, order.at) | {
            "exec_type": "order_status", "order_status": order.status, "quantity": order.quantity,
            "cumulative_quantity": order.executed, "price": Decimal(100), "average_price": Decimal(100),
        }  # fmt: skip

    def fill(self, order: VenueOrder, fill: Update, total: Decimal, status: str) -> Update:
        """A fill."""
        told = {name: value for name, value in fill.items() if name != "at"} | {"exec_type": "fill"}
        totals = {"cumulative_quantity": total, "order_status": status} if self.tells_totals else {}
        return self._named(order, fill["at"]) | told | totals

    def _named(self, order: VenueOrder, at: int) -> Update:
        named = {"order_id": order.order_id, "client_order_id": order.client_order_id, "side": order.side}
        return NAMED | named | ({"exchange_ns": BEGIN_NS + at} if self.is_timed else {})

    # What it answers

    def queries(self) -> VenueQueries:
        """All that can be asked."""
        return VenueQueries(
            open_orders=self._failing(self._open),
            trades=self._failing(self.trades) if self.has_trades else None,
            order=self._order if self.has_order else None,
            positions=self._failing(lambda: {"BTC": self.position}),
        )

    def _failing(self, answer: Callable[[], Any]) -> Callable[[], Any]:
        def ask() -> Any:
            if self.draw.random() < self.fails:
                if self.draw.random() < 0.5:
                    return None
                raise TimeoutError("no answer")
            return answer()

        return ask

    def _open(self) -> list[Update]:
        return [self.state(each) for each in self.orders if each.status in ("new", "partially_filled")]

    def trades(self) -> list[Update]:
        """Every fill."""
        found = []
        for order in self.orders:
            total = Decimal(0)
            for each in order.fills:
                total += each["last_quantity"]
                status = "filled" if total == order.quantity else "partially_filled"
                found.append(self.fill(order, each, total, status))
        return found

    def _order(self, page: OrderState) -> Any:
        if self.draw.random() < self.fails:
            raise TimeoutError("no answer")
        for each in self.orders:
            if page.order_id == each.order_id or (not page.order_id and page.client_order_id == each.client_order_id):
                return self.state(each)
        return NO_SUCH_ORDER

    # What is true

    @property
    def position(self) -> Decimal:
        """What is held."""
        return self.executed("buy") - self.executed("sell")

    def executed(self, side: str) -> Decimal:
        """What was bought or sold."""
        return sum((each.executed for each in self.orders if each.side == side), Decimal(0))

    def open(self, side: str) -> Decimal:
        """What may still trade."""
        working = (each for each in self.orders if each.side == side and each.status in ("new", "partially_filled"))
        return sum((each.quantity - each.executed for each in working), Decimal(0))

    @property
    def requests_lost(self) -> int:
        """Requests that never arrived."""
        return self._sent - len(self.orders)
