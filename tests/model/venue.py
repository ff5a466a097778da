"""A venue that knows what it really did, and tells it in one of many dialects."""

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

Fields = dict[str, Any]

BEGIN_NS = 1_790_000_000_000_000_000
COMMISSION = 0.5


class Dialect(NamedTuple):
    """How a venue, and the strategy that trades there, tell what happens.

    Attributes:
        times: reports have a venue time, and may arrive in any order.
        milliseconds: several of them may have the same.
        totals, leaves: which quantities are told.
        streams: fills come in a stream of their own, without the order's state.
        requests: the strategy records its own requests.
        labels: client ids are two labels that many orders share.
        trade_ids: `unique`, `per order` or `none`.
        replace: `in place`, `new order id` (whose totals go on), or `cancel and new` under the same client id.
        new_client_id: a replace in place gives the order a new client id.
        bust_by_reference, bust_names_order: how a cancel of a trade names it.
    """

    times: bool
    milliseconds: bool
    totals: bool
    leaves: bool
    streams: bool
    requests: bool
    labels: bool
    trade_ids: str
    replace: str
    new_client_id: bool
    bust_by_reference: bool
    bust_names_order: bool


def random_dialect(draw: random.Random) -> Dialect:
    """Any dialect in which what happened can be told from the reports."""

    def maybe() -> bool:
        return draw.random() < 0.5

    dialect = Dialect(
        times=maybe(),
        milliseconds=maybe(),
        totals=maybe(),
        leaves=maybe(),
        streams=maybe(),
        requests=maybe(),
        labels=draw.random() < 0.3,
        trade_ids=draw.choice(("unique", "per order", "none")),
        replace=draw.choice(("in place", "new order id", "cancel and new")),
        new_client_id=maybe(),
        bust_by_reference=maybe(),
        bust_names_order=maybe(),
    )
    if dialect.replace == "new order id":
        dialect = dialect._replace(totals=True, labels=False)  # else nobody can tell whether its quantity goes on
    return dialect


@dataclass(eq=False)
class Order:
    """An order as it really is."""

    order_id: str
    client_id: str
    side: str
    quantity: int
    executed: int = 0
    status: str = "new"
    trades: "list[Trade]" = field(default_factory=list)

    @property
    def works(self) -> bool:
        return self.status in ("new", "partially_filled")

    def trade(self, quantity: int) -> None:
        """It executed more, or with a negative quantity less."""
        self.executed += quantity
        if self.works or self.status == "filled":
            self.status = "filled" if self.executed >= self.quantity else "partially_filled" if self.executed else "new"


@dataclass(eq=False)
class Trade:
    """A trade as it really is."""

    order: Order
    quantity: int
    trade_id: str
    report_id: str
    is_canceled: bool = False


class Venue:
    """Orders, and what was told of them: by the strategy itself, in the stream of orders, and in that of fills."""

    def __init__(self, draw: random.Random, dialect: Dialect) -> None:
        self._draw = draw
        self._dialect = dialect
        self._now_ns = BEGIN_NS
        self._numbers = 0
        self.orders: list[Order] = []
        self.told: list[tuple[str, Fields]] = []

    def act(self) -> None:
        """Anything happens."""
        acts = (self._new, self._new, self._fill, self._fill, self._fill, self._cancel, self._replace, self._bust)
        self._draw.choice(acts)()

    def arrivals(self) -> list[Fields]:
        """The reports as they arrive: by venue times in any order with copies, else late fills at most."""
        own = [fields for stream, fields in self.told if stream == "own"]
        if self._dialect.times and not self._dialect.milliseconds:
            told = [fields for stream, fields in self.told if stream != "own"]
            told += self._draw.choices(told, k=2) if told else []
            return own + self._draw.sample(told, len(told))
        found: list[Fields] = []
        late: deque[Fields] = deque()
        for stream, fields in self.told:
            (late if stream == "fill" and self._draw.random() < 0.5 else found).append(fields)
            while late and self._draw.random() < 0.4:
                found.append(late.popleft())
        return [*found, *late]

    def truth(self) -> tuple[Decimal, ...]:
        """Position, open to buy and to sell, commission."""
        trades = [trade for order in self.orders for trade in order.trades if not trade.is_canceled]
        held = sum(each.quantity if each.order.side == "buy" else -each.quantity for each in trades)
        working = {"buy": 0, "sell": 0}
        for order in self.orders:
            working[order.side] += order.quantity - order.executed if order.works else 0
        return Decimal(held), Decimal(working["buy"]), Decimal(working["sell"]), len(trades) * Decimal(str(COMMISSION))

    # What happens

    def _new(self) -> None:
        number = self._number()
        client_id = self._draw.choice(("mm", "hedge")) if self._dialect.labels else f"c{number}"
        side, quantity = self._draw.choice(("buy", "sell")), self._draw.randrange(5, 20)
        order = Order(f"o{number}", client_id, side, quantity)
        self.orders.append(order)
        self._request(order, "pending_new", quantity=float(quantity), market_ns=BEGIN_NS + number)
        if self._draw.random() < 0.1:
            order.status = "rejected"
        self._tell_state(order, order.status)

    def _fill(self) -> None:
        working = [each for each in self.orders if each.works]
        if not working:
            return
        order, number = self._draw.choice(working), self._number()
        quantity = self._draw.randint(1, order.quantity - order.executed)
        order.trade(quantity)
        ids = {"unique": f"t{number}", "per order": str(len(order.trades) + 1), "none": ""}
        trade = Trade(order, quantity, ids[self._dialect.trade_ids], f"r{number}")
        order.trades.append(trade)
        fill: Fields = {"exec_type": "fill", "order_id": order.order_id, "side": order.side}
        fill |= {"trade_id": trade.trade_id, "report_id": trade.report_id, "commission": COMMISSION}
        self._tell_fill(order, fill | {"last_quantity": float(quantity), "last_price": 100.0 + number})

    def _cancel(self) -> None:
        working = [each for each in self.orders if each.works]
        if not working:
            return
        order, number = self._draw.choice(working), self._number()
        if self._dialect.labels or self._draw.random() < 0.5:
            self._request(order, "pending_cancel", order_id=order.order_id)
        else:
            other = {"client_order_id": f"x{number}", "orig_client_order_id": order.client_id}
            self._request(order, "pending_cancel", **other)
        if self._draw.random() < 0.2:
            self._tell("order", order, {"exec_type": "cancel_rejected", "order_status": order.status})
            return
        order.status = self._draw.choice(("canceled", "expired"))
        self._tell_state(order, order.status)

    def _replace(self) -> None:
        replace = {"in place": self._in_place, "new order id": self._by_another, "cancel and new": self._by_two}
        may_be_filled = self._dialect.replace == "in place"
        orders = [each for each in self.orders if each.works or (may_be_filled and each.status == "filled")]
        if orders:
            order = self._draw.choice(orders)
            more = self._draw.choice([each for each in range(1, 12) if order.executed + each != order.quantity])
            replace[self._dialect.replace](order, order.executed + more)

    def _in_place(self, order: Order, quantity: int) -> None:
        first = order.client_id
        if self._dialect.new_client_id and not self._dialect.labels:
            order.client_id = f"c{self._number()}"
            self._request(order, "pending_replace", quantity=float(quantity), orig_client_order_id=first)
        order.quantity = quantity
        order.trade(0)
        self._tell_state(order, "replaced", orig_client_order_id="" if first == order.client_id else first)

    def _by_another(self, order: Order, quantity: int) -> None:
        number = self._number()
        successor = Order(f"o{number}", f"c{number}", order.side, quantity, order.executed)
        successor.trade(0)
        order.status = "replaced"
        self.orders.append(successor)
        self._tell_state(successor, "replaced", orig_client_order_id=order.client_id)

    def _by_two(self, order: Order, quantity: int) -> None:
        successor = Order(f"o{self._number()}", order.client_id, order.side, quantity - order.executed)
        self.orders.append(successor)
        order.status = "canceled"
        tellings = [(successor, "new"), (order, "canceled")]
        self._draw.shuffle(tellings)
        for each, exec_type in tellings:
            self._tell_state(each, exec_type)

    def _bust(self) -> None:
        dialect = self._dialect
        trades = [trade for order in self.orders for trade in order.trades if not trade.is_canceled]
        is_told_ahead = dialect.streams and not dialect.times  # a total with a trade that is not seen before its bust
        if not trades or dialect.trade_ids != "unique" or dialect.replace == "new order id" or is_told_ahead:
            return
        trade = self._draw.choice(trades)
        trade.is_canceled = True
        trade.order.trade(-trade.quantity)
        name = {"ref_id": trade.report_id} if dialect.bust_by_reference else {"trade_id": trade.trade_id}
        if dialect.bust_names_order:
            self._tell_state(trade.order, "trade_cancel", **name)
        else:
            self._tell("order", None, {"exec_type": "trade_cancel"} | name)

    # What is told

    def _request(self, order: Order, exec_type: str, **other: Any) -> None:
        if self._dialect.requests:
            fields = {"exec_type": exec_type, "order_status": exec_type, "side": order.side}
            self.told.append(("own", fields | {"client_order_id": order.client_id} | other))

    def _tell_fill(self, order: Order, fill: Fields) -> None:
        total = {"cumulative_quantity": float(order.executed)} if self._dialect.trade_ids == "none" else {}
        if not self._dialect.streams:
            self._tell("order", order, self._state(order) | fill | total)
            return
        if self._draw.random() < 0.5:
            self._tell_state(order, "order_status")
            self._tell("fill", None, fill | total)
        else:
            self._tell("fill", None, fill | total)
            self._tell_state(order, "order_status")

    def _tell_state(self, order: Order, exec_type: str, **other: str) -> None:
        self._tell("order", order, self._state(order) | {"exec_type": exec_type} | other)

    def _state(self, order: Order) -> Fields:
        fields: Fields = {"order_status": order.status, "quantity": float(order.quantity), "side": order.side}
        if self._dialect.totals:
            fields["cumulative_quantity"] = float(order.executed)
        if self._dialect.leaves:
            fields["leaves_quantity"] = float(order.quantity - order.executed) if order.works else 0.0
        return fields

    def _tell(self, stream: str, order: Order | None, fields: Fields) -> None:
        ids = {} if order is None else {"order_id": order.order_id, "client_order_id": order.client_id}
        time = {"exchange_ns": self._time()} if self._dialect.times else {}
        self.told.append((stream, ids | time | {"report_id": f"r{self._number()}"} | fields))

    def _time(self) -> int:
        milliseconds = self._draw.choice((0, 1_000_000))
        self._now_ns += milliseconds if self._dialect.milliseconds else self._draw.randrange(1, 10**6)
        return self._now_ns

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers


def random_venue(seed: object) -> Venue:
    """A venue where something happened."""
    draw = random.Random(str(seed))
    venue = Venue(draw, random_dialect(draw))
    for _ in range(draw.randrange(3, 25)):
        venue.act()
    return venue


def shown(records: Sequence[Fields]) -> str:
    """Reports line by line."""
    return "\n".join(str({name: value for name, value in each.items() if value != ""}) for each in records)
