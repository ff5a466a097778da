"""A ring of a strategy that is removed again and again, and looked at all the same."""

import time
from typing import Final

from ringbuf.errors import RingError
from ringbuf.ring.observer import Observer, RingState
from ringbuf.ring.registry import ring_path

RECREATION_SECONDS: Final = 30.0


class LiveRing:
    """A ring by its name, in whatever file it is.

    Attributes:
        session: its session, which stays.

    Raises, when made:
        RingError: there is no such ring yet.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._observer = Observer.open(name)
        self.session = self._observer.header.session

    @property
    def head(self) -> int:
        """Seq of the next record."""
        return self.state().head

    def state(self) -> RingState:
        """Its counters now."""
        state = self._observer.state()
        if state.moved_ns:
            try:
                self._observer = Observer.open(self.name)
            except RingError:
                return state
            state = self._observer.state()
        return state

    def remove(self) -> bool:
        """Remove its file and wait until its strategy has made it anew; False if no strategy holds it."""
        before = self.state()
        if not before.producer_alive:
            return False
        ring_path(self.name).unlink()
        end = time.monotonic() + RECREATION_SECONDS
        while self.state().recreated == before.recreated:
            assert time.monotonic() < end, f"ring {self.name} does not come back"
            time.sleep(0.01)
        return True
