"""A fill, as far as its order needs to know it."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from ringbuf.trading.number import ZERO
from ringbuf.trading.rank import Moment


class Executed:
    """A fill of an order.

    Attributes:
        moment: when it was reported first.
        reported: its quantity as it was reported.
        counted: its quantity as it counts now: 0 if the venue took it back.
        changed: when that changed, None if it did not.
    """

    __slots__ = ("changed", "counted", "moment", "reported")

    def __init__(self, moment: Moment, reported: Decimal) -> None:
        self.moment = moment
        self.reported = reported
        self.counted = ZERO
        self.changed: Moment | None = None

    def is_changed_after(self, moment: Moment) -> bool:
        """Whether the venue changed it after a moment; for a change without a venue time its arrival tells."""
        changed = self.changed
        if changed is None:
            return False
        return changed > moment if changed.venue_ns else changed.arrival > moment.arrival


def removed_since(changed: Iterable[Executed], moment: Moment) -> Decimal:
    """What the venue took back, after a moment, of the fills that it changed; less than zero if it added."""
    return sum((each.reported - each.counted for each in changed if each.is_changed_after(moment)), ZERO)


def booked_since(fills: Sequence[Executed], changed: Iterable[Executed], moment: Moment) -> Decimal:
    """How much more the fills of an order sum up to than they did at a moment; they are given in their order."""
    booked = ZERO
    for each in reversed(fills):
        if each.moment <= moment:
            break
        booked += each.counted
    return booked - removed_since((each for each in changed if each.moment <= moment), moment)
