"""The fills of one position in the venue's order, and its state after them.

A fill may come late, be taken back or corrected. Then the states after it are other ones: they are folded again, from
the last state that was kept before it, a few with each fill that comes, and the rest when somebody asks. So no fill has
to wait for a long fold.

The fills that are older than the look-back are dropped, and the state after them stays, so memory is bounded. A change
of such a fill can be no more than added to that state, and is counted in `late`.
"""

from bisect import bisect_left
from decimal import Decimal
from typing import Final, NamedTuple

from ringbuf.trading.contract import Contract
from ringbuf.trading.lookback import LookBack
from ringbuf.trading.profit import FLAT, State, traded
from ringbuf.trading.rank import Place

INTERVAL: Final = 32
"""Of so many states one is kept."""
WITH_EACH: Final = 4
"""So many fills are folded with each that comes."""
LEAST_DROPPED: Final = 64
"""Fills that are too old are looked for when at least so many have come."""


class Placed(NamedTuple):
    """A fill: its place, its quantity, which is negative if it was sold, and its price, if that is known."""

    place: Place
    quantity: Decimal
    price: Decimal | None


class FillSequence:
    """The fills of one position. For one thread, in an exact context.

    Attributes:
        contract: that of its instrument.
        late: number of changes of fills that were dropped already.
    """

    def __init__(self, contract: Contract, lookback: LookBack) -> None:
        self.contract = contract
        self.late = 0
        self._lookback = lookback
        self._fills: list[Placed] = []
        self._kept = [FLAT]  # before the fills 0, INTERVAL, 2 * INTERVAL, ...
        self._state, self._folded = self._kept[0], 0  # after so many fills
        self._dropped = Place(-1, 0, 0)  # up to here
        self._look_at = LEAST_DROPPED

    def __len__(self) -> int:
        """Number of fills that are kept."""
        return len(self._fills)

    @property
    def state(self) -> State:
        """After the fills that are folded: all of them, if `advance` says so."""
        return self._state

    def advance(self, most: int) -> bool:
        """Fold at most so many fills more; whether all are folded then."""
        for at in range(self._folded, min(self._folded + most, len(self._fills))):
            if at == len(self._kept) * INTERVAL:
                self._kept.append(self._state)
            self._state = traded(self._state, self.contract, self._fills[at].quantity, self._fills[at].price)
            self._folded = at + 1
        return self._folded == len(self._fills)

    def count(self, fill: Placed, times: int) -> None:
        """Add a fill, or with `times` -1 take it out."""
        if fill.place <= self._dropped:
            self.late += 1
            state = traded(self._kept[0], self.contract, times * fill.quantity, fill.price)
            self._kept, self._state, self._folded = [state], state, 0
            return
        at = bisect_left(self._fills, fill.place, key=_place)
        if times > 0:
            self._fills.insert(at, fill)
        else:
            del self._fills[at]
        self._go_back(at)
        self.advance(WITH_EACH)
        if len(self._fills) >= self._look_at:
            self._drop()

    def _go_back(self, at: int) -> None:
        """The fills from here on are others."""
        if at < self._folded:
            last = at // INTERVAL
            del self._kept[last + 1 :]
            self._state, self._folded = self._kept[last], last * INTERVAL

    def _drop(self) -> None:
        """Drop the fills that are older than the look-back, up to one of the states that are kept."""
        too_old = bisect_left(self._fills, self._lookback.before_ns, key=_time_ns)
        states = min(too_old // INTERVAL, len(self._kept) - 1)
        if states:
            end = states * INTERVAL
            self._dropped = self._fills[end - 1].place
            del self._kept[:states], self._fills[:end]
            self._folded -= end
        self._look_at = 2 * len(self._fills) + LEAST_DROPPED


def _place(fill: Placed) -> Place:
    return fill.place


def _time_ns(fill: Placed) -> int:
    return fill.place.time_ns
