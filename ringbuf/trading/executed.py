"""A fill, as far as its order needs to know it."""

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
