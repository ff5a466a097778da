"""Rings that nobody needs any more are removed: a strategy that names its ring by run would leave one each time."""

import logging
import time
from collections.abc import Callable
from typing import Final

from ringbuf.errors import RingError
from ringbuf.ring import layout, registry
from ringbuf.ring.segment import unlink
from ringbuf.writer.drain.attached_ring import AttachedRing
from ringbuf.writer.drain.attached_rings import AttachedRings
from ringbuf.writer.problems import Problems

LOGGER: Final = logging.getLogger("ringbuf.writer")


class DeadRings:
    """The attached rings that no process holds to append to them, and whose records are all in the database.

    Attributes:
        removed: how many were removed.

    Args:
        verified: journal offset below which the database has everything.
        seconds: how long a ring stays after its process ended; None for ever.
    """

    def __init__(
        self, rings: AttachedRings, problems: Problems, verified: Callable[[], int], seconds: float | None
    ) -> None:
        self.removed = 0
        self._rings = rings
        self._problems = problems
        self._verified = verified
        self._seconds = seconds

    def remove(self) -> None:
        """Remove those whose time has come. Whoever opens one at this moment either has it, or makes a new one."""
        if self._seconds is None:
            return
        for ring in self._rings.listed:
            try:
                if self._may_go(ring) and ring.consumer.segment.lock(layout.PRODUCER_LOCK):
                    self._remove(ring)
            except RingError as error:
                self._problems.report(error)

    def _remove(self, ring: AttachedRing) -> None:
        """Remove a ring; the lock keeps producers out, which look at the name once more when they have it."""
        segment = ring.consumer.segment
        try:
            if not (self._may_go(ring) and segment.is_linked()):
                return  # a producer came and went since the first look
            unlink(segment.name, segment.where)
        finally:
            segment.unlock(layout.PRODUCER_LOCK)
        self.removed += 1
        age = (time.time_ns() - ring.consumer.abandoned_ns) / 1e9
        LOGGER.info("ring %r: removed; its process ended %.0f s ago, and all is stored", ring.consumer.name, age)
        self._rings.forget(ring)

    def _may_go(self, ring: AttachedRing) -> bool:
        consumer = ring.consumer
        return (
            self._seconds is not None
            and consumer.abandoned_ns > 0
            and time.time_ns() >= consumer.abandoned_ns + self._seconds * 1e9
            and consumer.abandoned_ns > consumer.cursors[layout.ATTACHED_NS // 8]
            and consumer.lag == 0
            and self._rings.has_ended(ring)
            and ring.journal_end <= self._verified()
            and not registry.is_retired(consumer.name)
        )
