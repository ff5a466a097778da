"""A trade: the fills reported under one id, and what the venue changed about them.

A fill is told from others of its trade by order, side, price and quantity, because some venues give one trade id to
several fills of an order, and to both sides of a trade with oneself. A fill without an id is told by its order, what
the order had executed after it and when; where neither is known, each is a fill of its own.

A trade that was cancelled is no more, whichever comes first. Of corrections the latest counts, for each value that it
gives: one that another change names is older than that one, else venue time decides, then arrival.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

from ringbuf.record.enumerations import ExecType, Side
from ringbuf.trading.order import ZERO, Executed, Moment, Order
from ringbuf.trading.report import Commission, Report, is_countable

ANY: Final = Moment(0, 0)
Commissions: TypeAlias = tuple[tuple[int, Commission] | None, ...]
"""The commissions of a fill, each with its rank among those of all copies: the lowest counts."""
_LATER: Final = 1 << 62  # what is no live record ranks behind all that are


@dataclass(slots=True, eq=False)
class Fill(Executed):
    """One fill, from all its copies.

    Attributes:
        side, position_side, position_id: as it was reported; where it does not tell, those of its order count.
        quantity, price: as reported; None if the price is not known.
        commissions: each from the first live copy that tells it, else from the first.
        paid: its commissions as they count now, from the copies that a correction made of it, too.
        counted_price: its price as it counts now.
        is_ignored: whether its quantity is none that can be summed.
        entry: what it adds to the sums of its position.
    """

    order: Order = field(kw_only=True)
    side: Side = field(kw_only=True)
    position_side: str = field(kw_only=True)
    position_id: str = field(kw_only=True)
    quantity: Decimal = field(kw_only=True)
    price: Decimal | None = field(kw_only=True)
    commissions: Commissions = field(kw_only=True)
    trade: "Trade" = field(kw_only=True)
    paid: Commissions = ()
    counted_price: Decimal | None = None
    is_ignored: bool = False
    entry: Any = None

    @property
    def traded_side(self) -> Side:
        """Its side, or that of its order."""
        return self.side or self.order.side

    def complete(self, report: Report) -> None:
        """Take from a copy what this one lacks."""
        self.side = self.side or report.side
        self.position_side = self.position_side or report.position_side
        self.position_id = self.position_id or report.position_id
        self.commissions = _earlier(self.commissions, _commissions(report))


class Correction(NamedTuple):
    """A correction of a trade: its own id, when it was, and the values it gives."""

    own_id: str
    exchange_ns: int
    moment: Moment
    price: Decimal | None
    quantity: Decimal | None

    def is_copy_of(self, other: "Correction") -> bool:
        """Whether they differ in their arrival at most."""
        return self._replace(moment=ANY) == other._replace(moment=ANY)


@dataclass(slots=True, eq=False)
class Trade:
    """The fills under one trade id, and what the venue changed about them.

    Attributes:
        latest_ns: the latest venue time of anything about it.
    """

    fills: list[Fill] = field(default_factory=list)
    latest_ns: int = 0
    _canceled: Moment | None = None
    _corrections: list[Correction] = field(default_factory=list)
    _named: set[str] = field(default_factory=set)

    @property
    def is_changed(self) -> bool:
        """Whether the venue cancelled or corrected it."""
        return self._canceled is not None or bool(self._corrections)

    def fill(self, report: Report, order: Order) -> None:
        """Take a fill, or a copy of one."""
        assert report.last_quantity is not None, "a trade has a quantity"
        side = report.side or order.side
        for known in self.fills:
            same = (known.order, known.price, known.quantity) == (order, report.last_price, report.last_quantity)
            if same and known.traded_side is side:
                known.complete(report)
                return
        new = Fill(
            Moment(report.venue_ns, report.arrival),
            report.last_quantity if is_countable(report.last_quantity) else ZERO,
            order=order,
            quantity=report.last_quantity,
            side=report.side,
            position_side=report.position_side,
            position_id=report.position_id,
            price=report.last_price,
            commissions=_commissions(report),
            trade=self,
        )
        self.fills.append(new)
        order.fills.append(new)

    def change(self, report: Report) -> bool:
        """Take a cancel or a correction; whether it is news."""
        moment = Moment(report.venue_ns, report.arrival)
        if report.ref_id:
            self._named.add(report.ref_id)
        if report.exec_type is ExecType.TRADE_CANCEL:
            is_known = self._canceled is not None
            self._canceled = min(self._canceled or moment, moment)
            return not is_known
        own = report.report_id or (report.trade_id if report.ref_id != report.trade_id else "")
        new = Correction(own, report.exchange_ns, moment, report.last_price, report.last_quantity)
        is_known = any(each.is_copy_of(new) for each in self._corrections)
        if not is_known:
            self._corrections.append(new)
        return not is_known

    def absorb(self, other: "Trade") -> None:
        """Take what was known under another id of the same trade."""
        for each in other.fills:
            each.trade = self
        self.fills += other.fills
        self._canceled = min((each for each in (self._canceled, other._canceled) if each), default=None)
        self._corrections += other._corrections
        self._named |= other._named
        self.latest_ns = max(self.latest_ns, other.latest_ns)

    def recount(self) -> None:
        """Let every fill count as it does now; of those that a correction made the same, the first."""
        price = self._latest("price")
        quantity = self._latest("quantity")
        changed = self._canceled or (quantity.moment if quantity else None)
        seen: dict[tuple[object, ...], Fill] = {}
        for each in self.fills:
            counted_price = price.price if price else each.price
            counted = quantity.quantity if quantity and quantity.quantity is not None else each.quantity
            identity = (id(each.order), each.traded_side, counted_price, counted)
            first = seen.setdefault(identity, each)
            is_copy = first is not each
            each.paid = each.commissions
            if is_copy:
                first.paid = _earlier(first.paid, each.commissions)
            is_gone = is_copy or self._canceled is not None
            each.is_ignored = not is_gone and counted != 0 and not is_countable(counted)
            counted = ZERO if is_gone or each.is_ignored else counted
            each.order.booked += counted - each.counted
            each.counted, each.counted_price = counted, counted_price
            each.changed = None if is_copy or counted == each.reported else changed

    def _latest(self, name: str) -> Correction | None:
        told = [each for each in self._corrections if getattr(each, name) is not None]
        return max(told, key=lambda each: (each.own_id not in self._named, each.moment), default=None)


def _commissions(report: Report) -> Commissions:
    rank = report.arrival if report.is_live else report.arrival + _LATER
    return tuple(None if each is None else (rank, each) for each in report.commissions)


def _earlier(some: Commissions, others: Commissions) -> Commissions:
    """Of each commission the first that is told."""
    return tuple(min((each for each in pair if each), default=None) for pair in zip(some, others, strict=True))


def identity(report: Report, order: Order) -> Sequence[object]:
    """What tells a fill without a trade id from others; of which nothing is known, it is a fill of its own."""
    if report.total is None and not report.exchange_ns:
        return (report.arrival,)
    side = report.side or order.side
    return id(order), side, report.last_price, report.last_quantity, report.total, report.exchange_ns
