"""The balances of all hedge instruments, from the orders of a ledger.

A balance is made of sums, to which each order adds an entry of its own. The entry is replaced when the order has
changed, so copies, corrections, busts and what is told late or in another order end in the same balance, and so do the
same records when they are applied once more after a restart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from ringbuf.trading.hedge import SIGNS, Hedge, HedgeBalance, HedgeEntry
from ringbuf.trading.number import NOTHING, ZERO
from ringbuf.trading.order import Order
from ringbuf.trading.order_state import OrderState
from ringbuf.trading.report import Instrument

HedgeOf: TypeAlias = Callable[[OrderState], Hedge | None]
"""How an order is hedged; None if it is not. It must answer the same for an order after a restart."""


class HedgeState(NamedTuple):
    """What is known of one hedge instrument.

    Attributes:
        newly_owed: by how much what is owed is another than when it was asked for last.
        hedge, maker: the maker order that changed it last, and how that is hedged; None if only hedge orders are known.
    """

    key: Instrument
    balance: HedgeBalance
    newly_owed: Fraction
    hedge: Hedge | None
    maker: OrderState | None


@dataclass(slots=True)
class _Sums:
    """The running sums of one hedge instrument; `hedge` and `maker` are of the order that changed `owed` last."""

    owed: Fraction = NOTHING
    filled: Decimal = ZERO
    working: Decimal = ZERO
    balance: Fraction = NOTHING
    seen: Fraction = NOTHING
    hedge: Hedge | None = None
    maker: OrderState | None = None

    def add(self, entry: HedgeEntry, times: int) -> None:
        self.owed += times * entry.owed
        self.filled += times * entry.filled
        self.working += times * entry.working
        self.balance += times * (entry.owed - Fraction(entry.filled) - Fraction(entry.working))

    @property
    def read(self) -> HedgeBalance:
        return HedgeBalance(self.owed, self.filled, self.working, self.balance)


class HedgeBook:
    """Balances by hedge instrument. For one thread, in an exact context.

    A hedge order is one with a `link_id`; it counts in the balance of its own instrument, and is not hedged itself. A
    maker order is another one that `hedge_of` gives a hedge for, and has that hedge from then on. An order that took
    the place of another one hedges what that one did, and is hedged as that one is.
    """

    def __init__(self, hedge_of: HedgeOf) -> None:
        self._hedge_of = hedge_of
        self._sums: dict[Instrument, _Sums] = {}
        self._touched: dict[Instrument, None] = {}

    def balances(self) -> dict[Instrument, HedgeBalance]:
        """All balances now."""
        return {key: sums.read for key, sums in self._sums.items()}

    def count(self, order: Order) -> None:
        """Let an order count as it is now, and those that took its place if that tells how they count."""
        counted = [order]
        for each in counted:
            self._count(each)
            counted += [later for later in each.successors if _has_news_for(each, later)]

    def _count(self, order: Order) -> None:
        old, new = order.hedged, self._entry(order)
        if new == old:
            return
        if old is not None:
            self._add(old, -1)
        if new is not None:
            self._add(new, 1)
        order.hedged = new
        if new is not None and order.hedge is not None:
            sums = self._sums[new.key]
            sums.hedge, sums.maker = order.hedge, order.state

    def take(self, key: Instrument) -> HedgeState:
        """One of them; what is newly owed there is told once."""
        sums = self._sums[key]
        newly, sums.seen = sums.owed - sums.seen, sums.owed
        return HedgeState(key, sums.read, newly, sums.hedge, sums.maker)

    def take_touched(self) -> list[HedgeState]:
        """Those that orders have changed since they were taken last."""
        touched, self._touched = self._touched, {}
        return [self.take(key) for key in touched]

    def _add(self, entry: HedgeEntry, times: int) -> None:
        sums = self._sums.get(entry.key)
        if sums is None:
            sums = self._sums[entry.key] = _Sums()
        sums.add(entry, times)
        self._touched[entry.key] = None

    def _entry(self, order: Order) -> HedgeEntry | None:
        former, state = order.former, order.state
        if former is not None:
            order.inherited_link_id = _link_of(former)
            order.hedge = order.hedge or (former.hedge if order.replaces else None)
        if state is None:
            return None  # it turned out to be another one
        if _link_of(order):
            order.hedge = None  # it may have been taken for a maker order before that was known
            sign = SIGNS[state.side]
            return HedgeEntry(order.instrument, filled=sign * state.executed, working=sign * state.leaves)
        if order.hedge is None and (state.executed or any(each.replaces for each in order.successors)):
            order.hedge = self._hedge_of(state)
        if order.hedge is None:
            return None
        return HedgeEntry(order.hedge.instrument, owed=order.hedge.owed(state))


def _link_of(order: Order) -> str:
    return order.link_id or order.inherited_link_id


def _has_news_for(order: Order, successor: Order) -> bool:
    """Whether an order has another link than the one which took its place has from it, or a hedge that it has not."""
    if successor.link_id:
        return False
    link = _link_of(order)
    has_hedge = bool(not link and order.hedge and successor.replaces and not successor.hedge)
    return has_hedge or link != successor.inherited_link_id
