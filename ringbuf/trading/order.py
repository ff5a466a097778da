"""An order: what is known of it, and what it may still trade.

Of each thing a report tells (status, total, quantity, leaves, price) the latest counts, see `Rank`. So a late older
message sets nothing back, and what one message does not tell stays as the one before told it. What is kept is enough to
go on from, without the reports.
"""

from bisect import insort
from collections.abc import Mapping
from decimal import Decimal
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

from ringbuf.record.enumerations import ExecType, OrderStatus, Side
from ringbuf.trading.executed import Executed, booked_since, removed_since
from ringbuf.trading.hedge import Hedge, HedgeEntry
from ringbuf.trading.number import ZERO
from ringbuf.trading.order_state import OrderState
from ringbuf.trading.rank import Leaves, Rank, Told, Word, later, later_final, latest, stronger
from ringbuf.trading.report import Instrument, Report
from ringbuf.trading.states import ENDS, REQUESTS, Force

PENDING: Final = frozenset({OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE})
ITS_REQUEST: Final = REQUESTS | {ExecType.CANCELED, ExecType.CANCEL_REJECTED}
"""Reports whose client order id may be that of a request to cancel."""
LAST: Final = 1 << 62
"""More changes of trades than any order has: what has it is stronger than all that was said by then."""
_UNKNOWN: Final = OrderStatus.UNKNOWN  # an attribute of an enumeration is slow to ask for
_NO_SIDE: Final = Side.UNKNOWN
_FILLED: Final = OrderStatus.FILLED
_RESTATED: Final = ExecType.RESTATED
_FINAL: Final = Force.FINAL
_new: Final = tuple.__new__
_MOMENT: Final = attrgetter("moment")
NO_NAMES: Final[frozenset[str]] = frozenset()  # made once: each empty set would be an object of its own
_NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})
_LASTING: Final = ("side", "position_side", "position_id")


class Order:
    """One order of one instrument.

    Attributes:
        order_id: the venue's; empty as long as it is not known.
        client_order_id: the latest that is its own.
        requested: the client order id under which it was known before its order id was.
        number: of its request among those under this client order id, from 1.
        side, position_side, position_id: as told first; they do not change.
        carried: what the order whose place it took had executed, where its own totals go on from that.
        restated: what splits of the stock added to its totals.
        booked: what its fills sum up to.
        fills: in the order of their moments.
        changed: those of them that the venue took back or corrected.
        has_inferred: whether some of them are inferred.
        names: the client order ids it was reported with, each with the arrival of the report that told it first.
        places: client order ids of other orders whose place it took, each with the report that told it first. There is
            more than one until it turns out that others of them are its own.
        former: the order whose place it took, as far as it is known; else the one that was named before it under its
            client id, if it was not requested itself.
        successors: the orders of which it is the former; each that took its place with the word that this one is over.
        heard_ns: when something about it was heard last, by the venues' clocks.
        venue_ns: the latest venue time that a report of it had, ns since the epoch.
        state: what was known of it after the last report that changed it; it counts in its position so.
        absorbed_by: the order that it turned out to be.
        link_id, inherited_link_id: the order that it hedges: as its reports tell, and as its former does.
        hedge: how it is hedged itself, if it is.
        hedged: what it adds to the balance of a hedge instrument.
    """

    __slots__ = (
        "_asked", "_changes", "_final", "_given_up", "_leaves", "_named", "_price", "_quantity", "_reached",
        "_refused", "_replaced", "_seen", "_settled", "_status", "_total", "_word", "absorbed_by",
        "booked", "carried", "changed", "client_order_id", "fills", "former", "has_inferred", "heard_ns",
        "hedge", "hedged", "inherited_link_id", "instrument", "link_id", "names", "number", "order_id", "places",
        "position_id", "position_side", "requested", "restated", "side", "state", "successors", "venue_ns",
    )  # fmt: skip

    def __init__(self, instrument: Instrument, order_id: str = "", requested: str = "", number: int = 0) -> None:
        self.instrument, self.order_id = instrument, order_id
        self.requested, self.number = requested, number
        self.client_order_id = self.position_side = self.position_id = ""
        self.link_id = self.inherited_link_id = ""
        self.side: Side = _NO_SIDE
        self.carried = self.restated = self.booked = ZERO
        self.fills: list[Executed] = []
        self.changed: dict[Executed, None] = {}
        self.has_inferred = False
        self.names: dict[str, int] = {}
        self.places: Mapping[str, Report] = _NOTHING
        self.former: Order | None = None
        self.successors: Mapping[Order, Word | None] = _NOTHING
        self.heard_ns = 0
        self.state: OrderState | None = None
        self.absorbed_by: Order | None = None
        self.hedge: Hedge | None = None
        self.hedged: HedgeEntry | None = None
        self.venue_ns = 0
        self._asked = NO_NAMES  # of what never changes, what only reports without its order id told
        self._changes = 0
        self._reached = ZERO
        self._word: Word | None = None
        self._final: Word | None = None
        self._replaced: Word | None = None
        self._given_up: Word | None = None
        self._status: Told[OrderStatus] | None = None
        self._settled: Told[OrderStatus] | None = None
        self._refused: Told[None] | None = None
        self._named: Told[str] | None = None
        self._total: Told[Decimal | None] | None = None
        self._quantity: Told[Decimal] | None = None
        self._leaves: Told[Leaves] | None = None
        self._price: Told[Decimal] | None = None
        self._seen: set[int] = set()

    # What it is now

    @property
    def now(self) -> "Order":
        """Itself, or the order that it turned out to be."""
        return self if self.absorbed_by is None else self.absorbed_by.now

    @property
    def key(self) -> str:
        """What tells it from other orders of its instrument: `id:ORDER_ID`, or `client:NUMBER:CLIENT_ORDER_ID`."""
        return f"id:{self.order_id}" if self.order_id else f"client:{self.number}:{self.requested}"

    @property
    def replaces(self) -> str:
        """The client order id of another order whose place it took; empty if it took none."""
        return next(iter(self.places), "")

    def reckoned(self) -> OrderState | None:
        """What is known of it now; None if it turned out to be another one.

        A filled order works again if one of its trades was taken back since, and nothing ended it finally.
        """
        if self.absorbed_by is not None:
            return None
        word, booked = self._last_word(), self.booked
        is_over = word is not None and word.is_over
        if word is None or not is_over:
            status = self._working_status()
        elif self._is_reopened(word):
            is_over, status = False, OrderStatus.PARTIALLY_FILLED if booked else OrderStatus.NEW
        else:
            status = word.status
        before = ZERO  # in its totals, and no fill of its own stands for it
        if self.carried or self.restated:
            before = self.carried + self.restated
        quantity, price = self._ordered(), self._price
        executed = max(self._executed_by_total() - before, booked)
        awaited = executed - booked
        leaves = ZERO if quantity is None or is_over else max(quantity - before - executed, ZERO)
        key = self.instrument
        if self.position_side or self.position_id:
            key = key.position(self.position_side, self.position_id)
        told = (
            key, self.order_id, self.client_order_id or self.requested, self.side, status,
            None if price is None else price.value, quantity, executed, awaited, awaited + leaves, leaves, is_over,
        )  # fmt: skip
        return _new(OrderState, told)

    # What makes it so

    def is_copy(self, report: Report) -> bool:
        """Whether the same report was there before."""
        known = len(self._seen)
        self._seen.add(report.mark)
        return len(self._seen) == known

    def has_heard(self, report: Report) -> bool:
        """Whether the same report was there before; it is not taken."""
        return report.mark in self._seen

    @property
    def reports(self) -> int:
        """How many reports of it came, without copies."""
        return len(self._seen)

    def date(self, report: Report) -> None:
        """Give a report of it its venue time; one that tells none has the latest seen of the order."""
        report.venue_ns = venue_ns = report.exchange_ns or self.venue_ns
        if venue_ns > self.venue_ns:
            self.venue_ns = venue_ns

    def learn(self, report: Report) -> bool:
        """Take what never changes; whether something was learned that tells fills and positions apart."""
        self.order_id = self.order_id or report.order_id
        if report.heard_ns > self.heard_ns:
            self.heard_ns = report.heard_ns
        if self.side and not (self._asked or report.position_side or report.position_id):
            return False
        known = self.side, self.position_side, self.position_id
        if report.order_id and self._asked:  # the venue knows it better than our request
            for name in [each for each in self._asked if getattr(report, each)]:
                setattr(self, name, getattr(report, name))
                self._asked -= {name}
        self.side = self.side or report.side
        self.position_side = self.position_side or report.position_side
        self.position_id = self.position_id or report.position_id
        is_news = known != (self.side, self.position_side, self.position_id)
        if is_news and not report.order_id:
            self._asked |= {
                name for name, value in zip(_LASTING, known, strict=True) if not value and getattr(self, name)
            }
        return is_news

    def rank_of(self, report: Report) -> Rank:
        """How late a report is, as far as is known when it comes."""
        if report.is_new_request:
            return Rank(-1, 0, ZERO, report.arrival)
        total = None if report.is_request else report.total
        reached = self._reached if total is None else total
        return _new(Rank, (report.venue_ns, self._changes, reached, report.arrival))

    def book(self, fill: Executed, *, is_inferred: bool) -> None:
        """It has a fill more; what that counts comes later."""
        insort(self.fills, fill, key=_MOMENT)
        self.has_inferred |= is_inferred

    def heard_of_trade(self, report: Report, *, is_changed: bool) -> None:
        """A cancel or correction of one of its trades came; or a copy, then nothing is changed."""
        self.heard_ns = max(self.heard_ns, report.heard_ns)
        if is_changed:
            self._changes += 1
            self._reached = ZERO

    def advance(self, report: Report) -> Rank:
        """Take what a report that is no copy tells of the order's state; how late it is."""
        self._reach(report)
        rank = self.rank_of(report)
        self._hear(report, rank)
        exec_type, total = report.exec_type, report.total
        if report.client_order_id and exec_type not in ITS_REQUEST:
            self._named = later(self._named, rank, report.client_order_id)
            self.client_order_id = self._named.value
        if report.is_request and not report.is_new_request:
            return rank
        self.link_id = self.link_id or report.link_id
        if total is not None or report.status is _FILLED:
            if exec_type is _RESTATED:
                self._restate(report, rank)
            # Filled, and not said how much: as much as was ordered.
            self._total = later(self._total, rank, report.quantity if total is None else total)
        if report.leaves is not None and not report.says_over and not report.is_misprinted:
            self._leaves = later(self._leaves, rank, Leaves(report.leaves, total))
        if exec_type in REQUESTS:
            return rank
        if report.quantity is not None:
            self._quantity = later(self._quantity, rank, report.quantity)
        if report.price is not None:
            self._price = later(self._price, rank, report.price)
        return rank

    def give_up(self, report: Report) -> None:
        """It never came to be, says a report without an order id. With one, the venue knows it, and that is past."""
        strength = (report.venue_ns, self._changes, self._reached, ENDS[report.status].force, report.arrival)
        self._given_up = stronger(self._given_up, Word(strength, report.status, is_over=True))
        self.client_order_id = self.client_order_id or report.client_order_id

    def replaced_by(self, successor: "Order", report: Report, *, was_known: bool) -> None:
        """Another order took its place, says this report of that other one; this one may not have been known then."""
        strength = (report.exchange_ns or (self.venue_ns if was_known else 0), LAST, ZERO, Force.FINAL, report.arrival)
        word = Word(strength, OrderStatus.REPLACED, is_over=True)
        self.successors, successor.former = {**self.successors, successor: word}, self
        self._replaced = later_final(self._replaced, word)

    def leave_place(self) -> "list[Order]":
        """It did not take the place of its former, as far as is known now. Gives that one."""
        former, self.former, self.inherited_link_id = self.former, None, ""
        if former is None:
            return []
        word = former.successors.get(self)
        former.part_from(self)
        if word is not None and word is former._replaced:
            former._replaced = None
            for other in former.successors.values():
                former._replaced = later_final(former._replaced, other)
        return [former]

    def part_from(self, successor: "Order") -> None:
        """That one did not take its place, or is forgotten."""
        self.successors = {each: word for each, word in self.successors.items() if each is not successor}

    def absorb(self, other: "Order") -> None:
        """Take what was known under a client order id before the venue's order id was."""
        self._asked |= {name for name in other._asked if not getattr(self, name)}
        self.order_id = self.order_id or other.order_id
        self.client_order_id = self.client_order_id or other.client_order_id
        self.link_id, self.hedge = self.link_id or other.link_id, self.hedge or other.hedge
        self.side = self.side or other.side
        self.position_side = self.position_side or other.position_side
        self.position_id = self.position_id or other.position_id
        self._status, self._settled = latest(self._status, other._status), latest(self._settled, other._settled)
        self._refused, self._named = latest(self._refused, other._refused), latest(self._named, other._named)
        self._total, self._quantity = latest(self._total, other._total), latest(self._quantity, other._quantity)
        self._leaves, self._price = latest(self._leaves, other._leaves), latest(self._price, other._price)
        self._word, self._final = stronger(self._word, other._word), later_final(self._final, other._final)
        if self._named is not None:
            self.client_order_id = self._named.value
        self.venue_ns = max(self.venue_ns, other.venue_ns)
        self._changes = max(self._changes, other._changes)
        self._reached = max(self._reached, other._reached)
        self.heard_ns = max(self.heard_ns, other.heard_ns)
        self.booked += other.booked
        self.restated += other.restated
        self.fills = sorted(self.fills + other.fills, key=_MOMENT)
        self.changed |= other.changed
        self.has_inferred |= other.has_inferred
        self.names = {**other.names, **self.names}
        self._seen |= other._seen
        other.names, other._seen, other.fills, other.changed = self.names, self._seen, self.fills, self.changed
        other.absorbed_by = self

    def _reach(self, report: Report) -> None:
        """Take how much a report says that was executed."""
        if report.is_request:
            return
        reached = report.total
        if reached is None and report.status is _FILLED:
            reached = report.quantity
        if reached is not None and reached > self._reached:
            self._reached = reached

    def _restate(self, report: Report, rank: Rank) -> None:
        """Note a split of the stock: ordered and executed quantity grow alike, and no fill stands for it."""
        total, quantity = self._total, self._quantity
        if report.total is None or report.quantity is None or total is None or quantity is None or not total.value:
            return
        is_split = float(report.quantity) * float(total.value) == float(report.total) * float(quantity.value)
        if is_split and total.rank < rank and quantity.rank < rank:
            self.restated += report.total - total.value

    def _hear(self, report: Report, rank: Rank) -> None:
        """Take the status of a report."""
        status = report.status
        if status is _UNKNOWN:
            if report.exec_type is ExecType.CANCEL_REJECTED:
                self._refused = later(self._refused, rank, None)
            return
        if not report.says_over:
            self._status = later(self._status, rank, status)
            if status not in PENDING:
                self._settled = later(self._settled, rank, status)
        if report.is_request:
            return  # it opens nothing that is over
        force = report.force
        strength = report.venue_ns, self._changes, rank.total, force, report.arrival
        word = Word(strength, status, is_over=report.says_over)
        self._word = stronger(self._word, word)
        if force is _FINAL:
            self._final = later_final(self._final, word)

    # Reckoning

    def _working_status(self) -> OrderStatus:
        """Its state, as far as it works."""
        told = self._status
        if told and told.value in PENDING and self._refused and self._refused.rank > told.rank:
            told = self._settled  # the order goes back to what it was
        return told.value if told else _UNKNOWN

    def _ordered(self) -> Decimal | None:
        """What was ordered in all; None if it is not known."""
        told, leaves = self._quantity, self._leaves
        if leaves is None or (told is not None and told.rank > leaves.rank):
            return told.value if told else None
        total = leaves.value.total
        if total is None:
            total = self.booked - booked_since(self.fills, self.changed, leaves.rank.moment)
        return leaves.value.quantity + total

    def _last_word(self) -> Word | None:
        """The strongest word; but a final end is opened only by what is later by venue time and no mere request."""
        word, final = self._word, self._final
        if self._given_up is not None and not self.order_id:
            word = stronger(word, self._given_up)
        if self._replaced is not None:
            word, final = stronger(word, self._replaced), later_final(final, self._replaced)
        if word is None or final is None or not final.is_over:
            return word
        if word.is_over:
            return final if self._is_reopened(word) else word
        return word if word.strength[:2] > final.strength[:2] and word.status not in PENDING else final

    def _executed_by_total(self) -> Decimal:
        told = self._total
        if told is None:
            return ZERO
        total = told.value
        if total is None:  # filled, and not said of how much
            is_older = all(each is None or each.rank < told.rank for each in (self._quantity, self._leaves))
            total = (self._ordered() if is_older else None) or ZERO
        return total - removed_since(self.changed, told.rank.moment) if self.changed else total

    def _is_reopened(self, word: Word) -> bool:
        return bool(self.changed) and word.status is _FILLED and removed_since(self.changed, word.moment) > 0
