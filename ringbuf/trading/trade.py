"""A trade: the fills reported under one id, and what the venue changed about them.

A fill is told from others of its trade by order, side, price and quantity, because some venues give one trade id to
several fills of an order, and to both sides of a trade with oneself. One that does not tell its order, side or price is
a copy of one that agrees with it in the rest. A fill without an id is told by its order, price, quantity, what the
order had executed after it and when; where neither of these two is known, each is a fill of its own.

A trade that was cancelled is no more, whichever comes first. Of corrections the latest counts, for each value that it
gives (`ringbuf.trading.correction`). Price and quantity are those of each fill of the trade. A commission is that of
one fill, so that it counts once: of the first one of the order that the correction names, or, if that has none of this
trade, of the first one.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar

from ringbuf.record.enumerations import ExecType, Side
from ringbuf.trading.correction import Corrections
from ringbuf.trading.executed import Executed
from ringbuf.trading.number import ZERO, is_countable
from ringbuf.trading.order import Order
from ringbuf.trading.rank import Moment, Place
from ringbuf.trading.report import Commission, Instrument, Report, Shared, arrival_of

T = TypeVar("T")

_new: Final = tuple.__new__


class Details(NamedTuple):
    """What the copies of a fill tell of it: each with its rank among all copies that tell it; the lowest counts.

    Attributes:
        position_side, position_id: where none tells them, those of its order count.
        exchange_ns: the venue's time.
        captured_ns: when it was recorded; each tells it.
    """

    commission: tuple[int, Commission] | None
    other_commission: tuple[int, Commission] | None
    position_side: tuple[int, str] | None
    position_id: tuple[int, str] | None
    exchange_ns: tuple[int, int] | None
    exchange_seq: tuple[int, int] | None
    captured_ns: tuple[int, int]

    def earlier(self, other: "Details") -> "Details":
        """Of each the first that is told."""
        return Details(
            _first(self.commission, other.commission),
            _first(self.other_commission, other.other_commission),
            _first(self.position_side, other.position_side),
            _first(self.position_id, other.position_id),
            _first(self.exchange_ns, other.exchange_ns),
            _first(self.exchange_seq, other.exchange_seq),
            min(self.captured_ns, other.captured_ns),
        )

    def corrected(self, corrections: Sequence[Report]) -> "Details":
        """With the commissions of corrections; of each the first counts that tells it."""
        commission, other = self.commission, self.other_commission
        for each in reversed(corrections):
            told, other_told = each.commissions
            commission = commission if told is None else (each.rank, told)
            other = other if other_told is None else (each.rank, other_told)
        return self._replace(commission=commission, other_commission=other)


class Fill(Executed):
    """One fill, from all its copies.

    Attributes:
        order: its order; None if it named none.
        side: as it was reported; where it does not tell, that of its order counts.
        quantity, price: as reported; None if the price is not known.
        told: what its copies tell of it.
        counted_told: the same as it counts now, from all that turned out to be copies of it, too.
        counted_price: its price as it counts now.
        is_ignored: whether its quantity is none that can be summed.
        reach: of an inferred fill the total that it brings its order to; None of a fill that was told.
        most: what an inferred fill counts at most.
        entry: what it adds to the sums of its position.
    """

    __slots__ = (
        "counted_price", "counted_told", "entry", "instrument", "is_ignored", "most", "order", "price", "quantity",
        "reach", "side", "told", "trade",
    )  # fmt: skip

    def __init__(self, report: Report, order: Order | None, trade: "Trade") -> None:
        assert report.last_quantity is not None, "a trade has a quantity"
        quantity = report.last_quantity
        super().__init__(_new(Moment, (report.venue_ns, report.arrival)), quantity if is_countable(quantity) else ZERO)
        self.instrument = report.instrument
        self.order = order
        self.side: Side = report.side
        self.quantity = quantity
        self.price: Decimal | None = report.last_price
        self.told = _details(report)
        self.trade = trade
        self.counted_told: Details | None = None
        self.counted_price: Decimal | None = None
        self.is_ignored = False
        self.reach: Decimal | None = report.total if report.is_inferred and order is not None else None
        self.most = ZERO
        self.entry: Any = None

    @property
    def traded_side(self) -> Side:
        """Its side, or that of its order."""
        return self.side or (self.order.side if self.order else self.side)

    def position(self) -> Instrument:
        """The position it goes to."""
        told, order = self.counted_told or self.told, self.order
        side = told.position_side[1] if told.position_side else order.position_side if order else ""
        position_id = told.position_id[1] if told.position_id else order.position_id if order else ""
        return self.instrument.position(side, position_id) if side or position_id else self.instrument

    def commissions(self) -> list[Commission]:
        """Those that are told."""
        told = self.counted_told or self.told
        return [each[1] for each in (told.commission, told.other_commission) if each is not None]

    def place(self) -> Place:
        """Where it stands among others; of its copies the first live one counts, else the first."""
        told = self.counted_told or self.told
        rank, captured_ns = told.captured_ns
        time_ns = told.exchange_ns[1] if told.exchange_ns else captured_ns
        return _new(Place, (time_ns, told.exchange_seq[1] if told.exchange_seq else 0, arrival_of(rank)))

    def complete(self, report: Report) -> None:
        """Take from a copy what this one lacks."""
        self.side = self.side or report.side
        self.told = self.told.earlier(_details(report))

    def count(self, quantity: Decimal, price: Decimal | None, changed: Moment | None) -> None:
        """From now on it counts with this quantity and price; if that is another one than reported, since a change."""
        self.is_ignored = quantity is not self.reported and not is_countable(quantity)
        self.most = counted = ZERO if self.is_ignored else quantity
        changed = None if counted == self.reported else changed
        if self.order is not None:
            self.order.booked += counted - self.counted
            if changed is not None:
                self.order.changed[self] = None
            elif self.changed is not None:
                self.order.changed.pop(self, None)
        self.counted, self.counted_price, self.changed = counted, price, changed

    def stand_for(self, quantity: Decimal) -> None:
        """As one that was inferred, it counts with this quantity: what the other fills of its order leave to it."""
        if self.order is not None:
            self.order.booked += quantity - self.counted
            self.order.changed.pop(self, None)
        self.counted, self.changed = quantity, None


class Told(NamedTuple):
    """What a fill tells as it counts now; see the rules above."""

    order: Order | None
    side: Side
    price: Decimal | None
    quantity: Decimal

    @property
    def known(self) -> int:
        """How much it tells."""
        return (self.order is not None) + bool(self.side) + (self.price is not None)

    def is_part_of(self, other: "Told") -> bool:
        """Whether the other one tells the same and more."""
        return (
            self != other
            and self.quantity == other.quantity
            and (self.order is None or self.order is other.order)
            and (self.side is Side.UNKNOWN or self.side is other.side)
            and (self.price is None or self.price == other.price)
        )


class Trade:
    """The fills under one trade id, and what the venue changed about them.

    Attributes:
        keys: the ids it is known by.
        fills: by their order.
        heard_ns: when something about it was heard last, by the venues' clocks.
    """

    __slots__ = ("_canceled", "_corrections", "_is_vague", "fills", "heard_ns", "keys")

    def __init__(self, keys: tuple[Any, ...] = ()) -> None:
        self.keys = keys
        self.fills: dict[Order | None, list[Fill]] = {}
        self.heard_ns = 0
        self._is_vague = False
        self._canceled: Moment | None = None
        self._corrections: Corrections | None = None  # of a trade that the venue changed

    @property
    def is_canceled(self) -> bool:
        """Whether the venue cancelled it."""
        return self._canceled is not None

    @property
    def is_corrected(self) -> bool:
        """Whether the venue gave it another price or quantity."""
        given = self._corrections
        return given is not None and (given.price is not None or given.quantity is not None)

    @property
    def corrected_price(self) -> Decimal | None:
        """The price that the venue corrected it to."""
        latest = self._corrections.price if self._corrections else None
        return latest.price if latest else None

    @property
    def is_changed(self) -> bool:
        """Whether the venue cancelled or corrected it."""
        return self._corrections is not None

    def orders(self) -> dict[Order, None]:
        """Those that have a fill of it."""
        return {each: None for each in self.fills if each is not None}

    def fill(self, report: Report, order: Order | None) -> Fill:
        """Take a fill, or a copy of one."""
        side = report.side
        if not side and order is not None:
            side = order.side
        fills = self.fills.setdefault(order, [])
        for known in fills:
            same = known.price == report.last_price and known.quantity == report.last_quantity
            if same and known.traded_side is side:
                known.complete(report)
                return known
        new = Fill(report, order, self)
        fills.append(new)
        if order is not None:
            order.book(new, is_inferred=new.reach is not None)
        self._is_vague |= order is None or not side or report.last_price is None
        return new

    def change(self, report: Report, order: Order | None) -> bool:
        """Take a cancel or a correction that names this order; whether it is news."""
        corrections = self._corrections = self._corrections or Corrections()
        if report.ref_id:
            corrections.named |= {report.ref_id}
        if report.exec_type is not ExecType.TRADE_CANCEL:
            return corrections.add(report, order)
        is_news = self._canceled is None
        moment = Moment(report.exchange_ns, report.arrival)
        self._canceled = min(self._canceled or moment, moment)
        return is_news

    def has_heard(self, report: Report, order: Order | None) -> bool:
        """Whether a cancel or a correction that names this order was there before."""
        if report.exec_type is ExecType.TRADE_CANCEL:
            return self.is_canceled
        return self._corrections is not None and self._corrections.has_heard(report, order)

    def absorb(self, other: "Trade") -> None:
        """Take what was known under another id of the same trade; a fill of both may be the same one."""
        self._is_vague |= other._is_vague or bool(self.fills and other.fills)
        for order, fills in other.fills.items():
            self.fills[order] = sorted(self.fills.get(order, []) + fills, key=lambda fill: fill.moment.arrival)
            for each in fills:
                each.trade = self
        self._canceled = min((each for each in (self._canceled, other._canceled) if each), default=None)
        if other._corrections is not None:
            self._corrections = self._corrections or Corrections()
            self._corrections.absorb(other._corrections)
        self.keys += other.keys
        self.heard_ns = max(self.heard_ns, other.heard_ns)

    def forget(self, order: Order) -> None:
        """Drop the fills of an order, and what corrections told of them alone."""
        self.fills.pop(order, None)
        if self._corrections is not None:
            self._corrections.forget(order)

    def move(self, order: Order, to: Order) -> None:
        """An order turned out to be another one."""
        moved = self.fills.pop(order, [])
        self._is_vague |= to in self.fills
        self.fills[to] = sorted(self.fills.get(to, []) + moved, key=lambda fill: fill.moment.arrival)
        for each in moved:
            each.order = to

    def recount(self, touched: Fill | None = None) -> Sequence[Fill]:
        """Let its fills count as they do now.

        Args:
            touched: the only one of which something was told, if nothing was told of the trade.

        Returns:
            The fills that may count otherwise than before.
        """
        if touched is not None and not self.is_changed and not self._is_vague:
            touched.counted_told = touched.told
            touched.count(touched.quantity, touched.price, None)
            return (touched,)
        told = self.told()
        fills, kept = list(told), kept_of(told)
        quantity = self._corrections.quantity if self._corrections else None
        since = self._canceled or (quantity.moment if quantity else None)
        for each in fills:
            each.counted_told = each.told
        for each, its in told.items():
            if kept[each] is not each:
                kept[each].counted_told = (kept[each].counted_told or kept[each].told).earlier(each.told)
            is_gone = kept[each] is not each or self._canceled is not None
            each.count(ZERO if is_gone else its.quantity, its.price, since if kept[each] is each else None)
        for each, corrections in self.corrected_commissions(kept).items():
            each.counted_told = (each.counted_told or each.told).corrected(corrections)
        return fills

    def corrected_commissions(self, kept: Mapping[Fill, Fill]) -> dict[Fill, list[Report]]:
        """For fills that count the corrections that tell their commissions, the latest first.

        Args:
            kept: for each fill, in the order of their arrival, the one that counts.
        """
        found: dict[Fill, list[Report]] = {}
        if self._corrections is None or not kept:
            return found
        first = next(iter(kept))
        for each in self._corrections.commissions():
            its = self.fills.get(each.order)
            found.setdefault(kept[its[0] if its else first], []).append(each.report)
        return found

    def told(self) -> dict[Fill, Told]:
        """What each of its fills tells as it counts now, in the order of their arrival."""
        price, quantity = self.corrected_price, self._corrections.quantity if self._corrections else None
        fills = sorted((each for some in self.fills.values() for each in some), key=lambda fill: fill.moment.arrival)
        return {
            each: Told(
                each.order,
                each.traded_side,
                each.price if price is None else price,
                quantity.quantity if quantity and quantity.quantity is not None else each.quantity,
            )
            for each in fills
        }


def kept_of(told: Mapping[T, Told]) -> dict[T, T]:
    """For each fill the one that counts: the first of those that tell the same, or one that tells more."""
    first: dict[Told, T] = {}
    for each, its in told.items():
        first.setdefault(its, each)
    kept = dict(first)
    for its in first:
        if its.order is None or not its.side or its.price is None:
            more = max((each for each in first if its.is_part_of(each)), key=lambda each: each.known, default=its)
            kept[its] = first[more]
    return {each: kept[its] for each, its in told.items()}


def _first(one: tuple[int, T] | None, other: tuple[int, T] | None) -> tuple[int, T] | None:
    if one is None or other is None:
        return one or other
    return one if one[0] <= other[0] else other


def _details(report: Report) -> Details:
    rank: Shared = report.rank
    one, other = report.commissions
    told = (
        None if one is None else (rank, one),
        None if other is None else (rank, other),
        (rank, report.position_side) if report.position_side else None,
        (rank, report.position_id) if report.position_id else None,
        (rank, report.exchange_ns) if report.exchange_ns else None,
        (rank, report.exchange_seq) if report.exchange_seq else None,
        (rank, report.captured_ns),
    )
    return _new(Details, told)
