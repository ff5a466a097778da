"""The heads of many rings, looked at together: what an idle consumer does a hundred times a second, and nothing else.

Producers make no system call, so whoever waits for their records has to look. The native core looks without Python and
without the interpreter lock, and costs little more than the sleep between two looks.
"""

import time
from collections.abc import Sequence
from typing import Protocol

from ringbuf.ring import layout, native
from ringbuf.ring.native import Cursors


class Heads(Protocol):
    """The heads of some rings by their place in a list, and for each the position of its consumer.

    The memory of the rings is held: a ring may be closed meanwhile.
    """

    def news(self) -> list[int]:
        """Places of the rings whose head is elsewhere than their consumer, in order."""

    def move(self, place: int, position: int, /) -> None:
        """The consumer of the ring at this place has moved on."""

    def wait(self, pause: float, timeout: float, /) -> bool:
        """Look at all heads every `pause` seconds, the first time after a pause.

        Returns:
            True as soon as there is news; False after `timeout` seconds, or before: a signal ends the waiting, and
            pure Python looks only once.
        """


def heads(cursors: Sequence[Cursors], positions: Sequence[int]) -> Heads:
    """The heads of the rings with these cursors, whose consumers are at these positions."""
    if native.CORE is None:
        return _Heads(cursors, positions)
    made: Heads = native.CORE.Heads(tuple(cursors), layout.HEAD // 8, tuple(positions))
    return made


class _Heads:
    def __init__(self, cursors: Sequence[Cursors], positions: Sequence[int]) -> None:
        self._cursors = list(cursors)
        self._positions = list(positions)

    def news(self) -> list[int]:
        index = layout.HEAD // 8
        heads = [cursors[index] for cursors in self._cursors]
        if heads == self._positions:
            return []
        return [place for place, head in enumerate(heads) if head != self._positions[place]]

    def move(self, place: int, position: int) -> None:
        self._positions[place] = position

    def wait(self, pause: float, timeout: float) -> bool:
        # Once, because after a signal the caller may have to stop, and `sleep` does not tell.
        time.sleep(max(0.0, min(pause, timeout)))
        return bool(self.news())
