"""An order: what is known of it, and what it may still trade.

Of each thing a report tells (status, total, quantity, leaves, price) the latest counts. Latest is by `Rank`: the
venue's time, then what the order had executed, then arrival. So a late older message sets nothing back, and what one
message does not tell stays as the one before told it. What is kept is enough to go on from, without the reports.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Generic, NamedTuple, TypeVar

from ringbuf.record.enumerations import ExecType, OrderStatus, Side
from ringbuf.trading.report import Instrument, Report
from ringbuf.trading.states import ENDS, REOPENING, REQUESTS, Force

T = TypeVar("T")

ZERO: Final = Decimal(0)
PENDING: Final = frozenset({OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE})
ITS_REQUEST: Final = REQUESTS | {ExecType.CANCELED, ExecType.CANCEL_REJECTED}
"""Reports whose client order id may be that of a request to cancel."""


class Moment(NamedTuple):
    """When something was reported: venue time, ns since the epoch, and place in the order of arrival."""

    venue_ns: int
    arrival: int


class Rank(NamedTuple):
    """How late a report is among those of its order.

    Attributes:
        venue_ns: see `Report.venue_ns`; -1 for our own request for the order, which is before all.
        changes: how often trades of the order had been cancelled or corrected: the total may be less from then on. A
            change counts if it names the order, or if it came after the fill.
        total: what the order had executed.
        arrival: place in the order of arrival.
    """

    venue_ns: int
    changes: int
    total: Decimal
    arrival: int

    @property
    def moment(self) -> Moment:
        """When it was."""
        return Moment(self.venue_ns, self.arrival)


class Told(NamedTuple, Generic[T]):
    """What the latest report that tells it tells."""

    rank: Rank
    value: T


class Leaves(NamedTuple):
    """A leaves quantity, and what had been executed then; None if that was not told."""

    quantity: Decimal
    total: Decimal | None


class Word(NamedTuple):
    """What was said last of whether an order works.

    Attributes:
        strength: (venue time, changes, total, force, arrival): the greatest counts.
        is_over: whether it says that the order is over.
    """

    strength: tuple[int, int, Decimal, Force, int]
    status: OrderStatus
    is_over: bool

    @property
    def moment(self) -> Moment:
        """When it was said."""
        return Moment(self.strength[0], self.strength[4])


@dataclass(slots=True, eq=False)
class Executed:
    """A fill, as far as its order needs to know it.

    Attributes:
        moment: when it was reported first.
        reported: its quantity as it was reported.
        counted: its quantity as it counts now: 0 if the venue took it back.
        changed: when that changed, None if it did not.
    """

    moment: Moment
    reported: Decimal
    counted: Decimal = ZERO
    changed: Moment | None = None


@dataclass(slots=True, eq=False)
class Order:
    """One order of one instrument.

    Attributes:
        order_id: the venue's; empty as long as it is not known.
        client_order_id: the latest that is its own.
        side, position_side, position_id: as told first; they do not change.
        carried: what the order whose place it took had executed, where its own totals go on from that.
        restated: what splits of the stock added to its totals.
        booked: what its fills sum up to.
        names: the client order ids it was reported with.
        replaces: the client order id of another order whose place it took.
        former: that order, as far as it is known.
        latest_ns: the latest venue time of anything about it.
        entry: what it adds to the open quantities of its position.
    """

    instrument: Instrument
    order_id: str = ""
    client_order_id: str = ""
    side: Side = Side.UNKNOWN
    position_side: str = ""
    position_id: str = ""
    carried: Decimal = ZERO
    restated: Decimal = ZERO
    booked: Decimal = ZERO
    fills: list[Executed] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    replaces: str = ""
    former: "Order | None" = None
    latest_ns: int = 0
    entry: Any = None
    _changes: int = 0
    _reached: Decimal = ZERO
    _word: Word | None = None
    _replaced: Word | None = None
    _status: Told[OrderStatus] | None = None
    _settled: Told[OrderStatus] | None = None
    _refused: Told[None] | None = None
    _named: Told[str] | None = None
    _total: Told[Decimal | None] | None = None
    _quantity: Told[Decimal] | None = None
    _leaves: Told[Leaves] | None = None
    _price: Told[Decimal] | None = None
    _seen: set[int] = field(default_factory=set)

    # What it is now

    @property
    def status(self) -> OrderStatus:
        """Its state."""
        if self.is_over:
            assert self._last_word is not None
            return self._last_word.status
        told = self._status
        if told and told.value in PENDING and self._refused and self._refused.rank > told.rank:
            told = self._settled  # the order goes back to what it was
        if self._last_word is not None and self._last_word.is_over:
            return OrderStatus.PARTIALLY_FILLED if self.booked else OrderStatus.NEW  # a trade was taken back
        return told.value if told else OrderStatus.UNKNOWN

    @property
    def is_over(self) -> bool:
        """Whether it works no more. A filled order works again if one of its trades was taken back since."""
        word = self._last_word
        return word is not None and word.is_over and not self._is_reopened(word)

    @property
    def price(self) -> Decimal | None:
        """Its price; None if it is not known or has none."""
        return self._price.value if self._price else None

    @property
    def quantity(self) -> Decimal | None:
        """What was ordered in all; None if it is not known."""
        told, leaves = self._quantity, self._leaves
        if leaves is None or (told is not None and told.rank > leaves.rank):
            return told.value if told else None
        total = leaves.value.total
        return leaves.value.quantity + (self._booked_at(leaves.rank.moment) if total is None else total)

    @property
    def executed(self) -> Decimal:
        """What it has executed by its totals or by its fills, whichever is more."""
        return max(self._executed_by_total() - self.carried - self.restated, self.booked)

    @property
    def awaited(self) -> Decimal:
        """What it has executed by its totals and of which the fill is yet to come."""
        return self.executed - self.booked

    @property
    def working(self) -> Decimal:
        """What may still trade."""
        quantity = self.quantity
        if quantity is None or self.is_over:
            return ZERO
        return max(quantity - self.carried - self.restated - self.executed, ZERO)

    # What makes it so

    def is_copy(self, report: Report) -> bool:
        """Whether the same report was there before."""
        mark = hash(report.fingerprint)
        if mark in self._seen:
            return True
        self._seen.add(mark)
        return False

    def learn(self, report: Report) -> None:
        """Take what never changes."""
        self.order_id = self.order_id or report.order_id
        self.side = self.side or report.side
        self.position_side = self.position_side or report.position_side
        self.position_id = self.position_id or report.position_id
        self.latest_ns = max(self.latest_ns, report.venue_ns)

    def trade_changed(self) -> None:
        """One of its trades was cancelled or corrected."""
        self._changes += 1
        self._reached = ZERO

    def advance(self, report: Report) -> None:
        """Take what a report that is no copy tells of the order's state."""
        rank = self._rank(report)
        is_over = self._hear(report, rank)
        if report.client_order_id and report.exec_type not in ITS_REQUEST:
            self._named = _later(self._named, rank, report.client_order_id)
            self.client_order_id = self._named.value
        if report.is_request and not report.is_new_request:
            return
        if report.total is not None or report.status is OrderStatus.FILLED:
            if report.exec_type is ExecType.RESTATED:
                self._restate(report, rank)
            self._total = _later(self._total, rank, report.total)
        if report.leaves is not None and not is_over and not _is_misprinted(report):
            self._leaves = _later(self._leaves, rank, Leaves(report.leaves, report.total))
        if report.exec_type in REQUESTS:
            return
        if report.quantity is not None:
            self._quantity = _later(self._quantity, rank, report.quantity)
        if report.price is not None:
            self._price = _later(self._price, rank, report.price)

    def replaced_by(self, successor: "Order", report: Report) -> None:
        """Another order took its place, says this report of that other one."""
        strength = (report.venue_ns, self._changes, self._reached, Force.FINAL, report.arrival)
        self._replaced = Word(strength, OrderStatus.REPLACED, is_over=True)
        successor.former = self

    def keep_place(self) -> "list[Order]":
        """What seemed to be another order's client id is its own: it was replaced in place. Gives that other order."""
        former, self.former = self.former, None
        self.replaces, self.carried = "", ZERO
        if former is None:
            return []
        former._replaced = None
        return [former]

    def absorb(self, other: "Order") -> None:
        """Take what was known under a client order id before the venue's order id was."""
        for name in ("order_id", "client_order_id", "side", "position_side", "position_id"):
            setattr(self, name, getattr(self, name) or getattr(other, name))
        for name in (
            "_status",
            "_settled",
            "_refused",
            "_named",
            "_total",
            "_quantity",
            "_leaves",
            "_price",
        ):
            mine, its = getattr(self, name), getattr(other, name)
            setattr(self, name, its if mine is None or (its is not None and its.rank > mine.rank) else mine)
        if other._word is not None:
            self._word = _stronger(self._word, other._word)
        if self._named is not None:
            self.client_order_id = self._named.value
        self._changes = max(self._changes, other._changes)
        self._reached = max(self._reached, other._reached)
        self.latest_ns = max(self.latest_ns, other.latest_ns)
        self.booked += other.booked
        self.restated += other.restated
        self.fills += other.fills
        self.names |= other.names
        self._seen |= other._seen

    def _rank(self, report: Report) -> Rank:
        if report.is_new_request:
            return Rank(-1, 0, ZERO, report.arrival)
        total = None if report.is_request else report.total
        if total is None and report.status is OrderStatus.FILLED:
            self._reached = max(self._reached, report.quantity or ZERO)
        elif total is not None:
            self._reached = max(self._reached, total)
        return Rank(report.venue_ns, self._changes, self._reached if total is None else total, report.arrival)

    def _restate(self, report: Report, rank: Rank) -> None:
        """Note a split of the stock: ordered and executed quantity grow alike, and no fill stands for it."""
        total, quantity = self._total, self._quantity
        if report.total is None or report.quantity is None or total is None or quantity is None or not total.value:
            return
        is_split = float(report.quantity) * float(total.value) == float(report.total) * float(quantity.value)
        if is_split and total.rank < rank and quantity.rank < rank:
            self.restated += report.total - total.value

    def _hear(self, report: Report, rank: Rank) -> bool:
        """Take the status of a report; whether it says that the order is over."""
        status = report.status
        if report.exec_type is ExecType.CANCEL_REJECTED and status is OrderStatus.UNKNOWN:
            self._refused = _later(self._refused, rank, None)
        if status is OrderStatus.UNKNOWN:
            return False
        end = ENDS.get(status)
        is_over = end is not None and not (end.unless_leaves and bool(report.leaves))
        if not report.is_request:  # it opens nothing that is over
            force = _force_of_end(report) if is_over else _force_of_work(report)
            strength = (rank.venue_ns, rank.changes, rank.total, force, rank.arrival)
            self._word = _stronger(self._word, Word(strength, status, is_over))
        if not is_over:
            self._status = _later(self._status, rank, status)
            if status not in PENDING:
                self._settled = _later(self._settled, rank, status)
        return is_over

    # Reckoning

    @property
    def _last_word(self) -> Word | None:
        if self._word is None or self._replaced is None:
            return self._word or self._replaced
        return _stronger(self._word, self._replaced)

    def _executed_by_total(self) -> Decimal:
        if self._total is None:
            return ZERO
        total = self._total.value
        if total is None:  # filled, says the venue, and not how much
            total = self.quantity or ZERO
        return total - self._removed_since(self._total.rank.moment)

    def _removed_since(self, moment: Moment) -> Decimal:
        """What the venue took back of the fills after a moment; less than zero if it added."""
        return sum(
            (each.reported - each.counted for each in self.fills if each.changed and each.changed > moment), ZERO
        )

    def _booked_at(self, moment: Moment) -> Decimal:
        """What the fills summed up to at a moment."""
        return sum(
            (
                each.reported if each.changed and each.changed > moment else each.counted
                for each in self.fills
                if each.moment <= moment
            ),
            ZERO,
        )

    def _is_reopened(self, word: Word) -> bool:
        return word.status is OrderStatus.FILLED and self._removed_since(word.moment) > 0


def _later(known: Told[T] | None, rank: Rank, value: T) -> Told[T]:
    return Told(rank, value) if known is None or rank > known.rank else known


def _stronger(known: Word | None, new: Word) -> Word:
    return new if known is None or new.strength > known.strength else known


def _force_of_end(report: Report) -> Force:
    if report.status is OrderStatus.FILLED and _is_short(report):
        return Force.STRONG
    return ENDS[report.status].force


def _force_of_work(report: Report) -> Force:
    return Force.FINAL if report.exec_type in REOPENING else Force.WEAK


def _is_short(report: Report) -> bool:
    """Whether a report says that less was executed than ordered."""
    return report.total is not None and report.quantity is not None and report.total < report.quantity


def _is_misprinted(report: Report) -> bool:
    """Whether nothing is left of an order that works and has not executed everything: some say so before a trigger."""
    return report.leaves == 0 and report.quantity is not None and (report.total or ZERO) < report.quantity
