"""Which of two reports of an order counts: the later one, by venue time, then total, then arrival; and of fills."""

from decimal import Decimal
from typing import Any, Generic, NamedTuple, TypeVar

from ringbuf.record.enumerations import OrderStatus

T = TypeVar("T")


class Moment(NamedTuple):
    """When something was reported: venue time, ns since the epoch, and place in the order of arrival."""

    venue_ns: int
    arrival: int


class Place(NamedTuple):
    """Where a fill stands among those of its position: in the venue's order.

    Attributes:
        time_ns: the venue's time; without one, when it was recorded. Ns since the epoch.
        exchange_seq: the venue's sequence number, which orders the fills of one time; 0 if it tells none.
        arrival: place in the order of arrival.
    """

    time_ns: int
    exchange_seq: int
    arrival: int


class Rank(NamedTuple):
    """How late a report is among those of its order.

    Attributes:
        venue_ns: see `Report.venue_ns`; -1 for our own request for the order, which is before all.
        changes: how often trades of the order had been cancelled or corrected: the total may be less from then on. A
            change counts if it names the order, or if the order had a fill of the trade; else it does when that comes.
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


class Told(Generic[T]):
    """What the latest report that tells it tells."""

    __slots__ = ("rank", "value")

    def __init__(self, rank: Rank, value: T) -> None:
        self.rank = rank
        self.value = value


class Leaves(NamedTuple):
    """A leaves quantity, and what had been executed then; None if that was not told."""

    quantity: Decimal
    total: Decimal | None


class Word:
    """What was said last of whether an order works.

    Attributes:
        strength: (venue time, changes, total, force, arrival): the greatest counts.
        is_over: whether it says that the order is over.
    """

    __slots__ = ("is_over", "status", "strength")

    def __init__(self, strength: tuple[Any, ...], status: OrderStatus, *, is_over: bool) -> None:
        self.strength = strength
        self.status = status
        self.is_over = is_over

    @property
    def moment(self) -> Moment:
        """When it was said."""
        return Moment(self.strength[0], self.strength[4])


def later(known: Told[T] | None, rank: Rank, value: T) -> Told[T]:
    """What is known after a report of this rank has told it."""
    if known is None:
        return Told(rank, value)
    if rank > known.rank:
        known.rank, known.value = rank, value
    return known


def latest(known: Told[T] | None, other: Told[T] | None) -> Told[T] | None:
    """Of two the later one."""
    return other if known is None or (other is not None and other.rank > known.rank) else known


def stronger(known: Word | None, new: Word | None) -> Word | None:
    """Of two words the one that counts."""
    if known is None or new is None:
        return known or new
    return new if new.strength > known.strength else known


def later_final(known: Word | None, new: Word | None) -> Word | None:
    """Of two final words the one that counts: which had executed more does not matter between them."""
    if known is None or new is None:
        return known or new
    return max(known, new, key=lambda word: (*word.strength[:2], word.strength[-1]))
