"""A simulated exchange: orders of one account and symbol, what really happens to them, and the truth at the end."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

BEGIN_MS = 1_790_000_000_000
FEES = (Decimal("0.0012"), Decimal("0.0005"), Decimal("-0.0003"), Decimal("0"))


@dataclass
class Order:
    """An order as it is at the exchange.

    Attributes:
        kind: `limit`, `ioc` or `post_only`.
        forced: `liquidation` or `adl` if the exchange made it, else empty.
    """

    number: int
    client_id: str
    side: str
    quantity: Decimal
    price: Decimal
    kind: str = "limit"
    position_side: str = ""
    forced: str = ""
    executed: Decimal = Decimal(0)
    status: str = "new"

    @property
    def left(self) -> Decimal:
        """What may still trade."""
        return self.quantity - self.executed

    @property
    def works(self) -> bool:
        return self.status in ("new", "partially_filled")


class Trade(NamedTuple):
    """A fill; the fee is paid if positive."""

    number: int
    quantity: Decimal
    price: Decimal
    fee: Decimal
    is_maker: bool
    position_before: Decimal


class Event(NamedTuple):
    """What happened.

    Attributes:
        kind: `new`, `rejected`, `fill`, `amended`, `canceled`, `expired`, `prevented` or `funding`.
        order: as it is after it; for a payment of funding any.
        request: client id of the request that led to it, empty if it has none of its own.
        former: client id that the order had before.
        paid: of a payment of funding.
    """

    kind: str
    time_ms: int
    order: Order
    trade: Trade | None = None
    request: str = ""
    former: str = ""
    paid: Decimal = Decimal(0)


class Abilities(NamedTuple):
    """What a venue does.

    Attributes:
        amend: `in place`, `new client id`, or `cancel and new` under the same client id.
        only_down: an amendment makes an order smaller.
        hedge_mode: long and short positions are two.
        forces: it liquidates and deleverages.
        funds: it pays funding.
        cancels_have_ids: the request to cancel has a client id of its own.
    """

    amend: str = "in place"
    only_down: bool = False
    hedge_mode: bool = False
    forces: bool = False
    funds: bool = False
    cancels_have_ids: bool = False


@dataclass
class Exchange:
    """What happens, at random."""

    draw: random.Random
    abilities: Abilities
    same_ms: bool
    orders: list[Order] = field(default_factory=list)
    trades: list[tuple[Order, Trade]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    funding_paid: Decimal = Decimal(0)
    requested: list[Order] = field(default_factory=list)
    _now_ms: int = BEGIN_MS
    _numbers: int = 0

    def run(self, acts: int) -> None:
        """Let so many things happen."""
        happenings = [
            self._new,
            self._new,
            self._fill,
            self._fill,
            self._fill,
            self._cancel,
            self._amend,
            self._prevent,
        ]
        if self.abilities.forces:
            happenings.append(self._force)
        if self.abilities.funds:
            happenings.append(self._fund)
        for _ in range(acts):
            self.draw.choice(happenings)()

    # The truth

    def positions(self) -> dict[str, Decimal]:
        """What is held, by position side; the empty one if there is one position."""
        held: dict[str, Decimal] = {}
        for order, trade in self.trades:
            signed = trade.quantity if order.side == "buy" else -trade.quantity
            held[order.position_side] = held.get(order.position_side, Decimal(0)) + signed
        return held

    def open(self, position_side: str, side: str) -> Decimal:
        """What working orders may still trade."""
        found = [
            each for each in self.orders if each.works and (each.position_side, each.side) == (position_side, side)
        ]
        return sum((each.left for each in found), Decimal(0))

    def fees(self) -> Decimal:
        """What all fills cost."""
        return sum((trade.fee for _, trade in self.trades), Decimal(0))

    # What happens

    def _new(self) -> None:
        order = self._order()
        self.requested.append(replace(order))
        if order.kind == "post_only" and self.draw.random() < 0.3:
            order.status = "rejected"
            self._tell("rejected", order)
            return
        self._tell("new", order)
        if order.kind == "ioc":
            if self.draw.random() < 0.7:
                self._trade(order, is_maker=False)
            if order.works:
                order.status = "expired"
                self._tell("expired", order)

    def _order(self) -> Order:
        number = self._number()
        hedge = self.abilities.hedge_mode
        order = Order(
            number,
            f"c{number}",
            self.draw.choice(("buy", "sell")),
            Decimal(self.draw.randint(2, 20)) / 10,
            Decimal(self.draw.randint(900, 1100)) / 10,
            self.draw.choice(("limit", "limit", "ioc", "post_only")),
            self.draw.choice(("long", "short")) if hedge else "",
        )
        self.orders.append(order)
        return order

    def _fill(self) -> None:
        if order := self._working():
            self._trade(order, is_maker=True)

    def _trade(self, order: Order, *, is_maker: bool) -> None:
        quantity = Decimal(self.draw.randint(1, int(order.left * 10))) / 10
        held = self.positions().get(order.position_side, Decimal(0))
        trade = Trade(self._number(), quantity, order.price, self.draw.choice(FEES), is_maker, held)
        order.executed += quantity
        order.status = "partially_filled" if order.left else "filled"
        self.trades.append((order, trade))
        self._tell("fill", order, trade=trade)

    def _cancel(self) -> None:
        if order := self._working():
            order.status = "canceled"
            request = f"x{self._number()}" if self.abilities.cancels_have_ids and self.draw.random() < 0.6 else ""
            self._tell("canceled", order, request=request)

    def _amend(self) -> None:
        order = self._working()
        if order is None or (self.abilities.only_down and order.left <= Decimal("0.1")):
            return
        most = int(order.left * 10) - 1 if self.abilities.only_down else 20
        left = Decimal(self.draw.randint(1, most)) / 10
        if self.abilities.amend == "cancel and new":
            order.status = "canceled"
            self._tell("canceled", order)
            other = replace(order, number=self._number(), quantity=left, executed=Decimal(0), status="new")
            self.orders.append(other)
            self._tell("new", other)
            return
        former = order.client_id
        if self.abilities.amend == "new client id":
            order.client_id = f"c{self._number()}"
        order.quantity = order.executed + left
        if any(each.order == order for each in self.events if each.time_ms == self._now_ms):
            self._now_ms += 1  # else it is the same as what was told before, and a copy of it
        self._tell("amended", order, former=former)

    def _prevent(self) -> None:
        """It would have traded with oneself."""
        if order := self._working():
            order.status = "expired"
            self._tell("prevented", order)

    def _force(self) -> None:
        order = self._order()
        order.kind, order.forced, order.client_id = "ioc", self.draw.choice(("liquidation", "adl")), ""
        self._tell("new", order)
        while order.works:
            self._trade(order, is_maker=False)

    def _fund(self) -> None:
        paid = Decimal(self.draw.randint(-50, 50)) / 1000
        if self.orders and paid:
            self.funding_paid += paid
            self._now_ms += 1  # else two payments are the same
            self._tell("funding", self.orders[-1], paid=paid)

    def _working(self) -> Order | None:
        working: Sequence[Order] = [each for each in self.orders if each.works]
        return self.draw.choice(working) if working else None

    def _tell(
        self,
        kind: str,
        order: Order,
        *,
        trade: Trade | None = None,
        request: str = "",
        former: str = "",
        paid: Decimal = Decimal(0),
    ) -> None:
        self._now_ms += self.draw.choice((0, 0, 1)) if self.same_ms else self.draw.randint(1, 5)
        self.events.append(Event(kind, self._now_ms, replace(order), trade, request, former, paid))

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers
