"""The drain: from the rings into the journal.

One cycle: look at every head (a load from memory, no system call), append what is new to the journal, make it durable
with one sync, and only then acknowledge it. Records that an earlier writer journaled but did not acknowledge are
recognised by session and seq, and only acknowledged.
"""

from typing import Final

from ringbuf.errors import JournalError, JournalFull, RingError
from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.reader import MAX_PAYLOAD
from ringbuf.journal.step import Step, reached
from ringbuf.ring.heads import heads
from ringbuf.writer.drain.attached_ring import AttachedRing, check_identity
from ringbuf.writer.drain.attached_rings import AttachedRings
from ringbuf.writer.drain.disk_space import DiskSpace
from ringbuf.writer.problems import Problems

CYCLE_BYTES: Final = 32 * 1024 * 1024
"""About as much is journaled in one cycle: it is synced and can be loaded while the next one runs."""


class Drain:
    """Moves records of attached rings into a journal.

    Attributes:
        rings: the rings.
        captured: records journaled so far.
        is_pressed: whether the last cycle did not get to the end of some ring, or left it more than half full, so that
            waiting would risk loss.
    """

    def __init__(self, rings: AttachedRings, journal: JournalAppender, problems: Problems) -> None:
        self.captured = 0
        self.is_pressed = False
        self.rings = rings
        self._journal = journal
        self._problems = problems
        self._disk_space = DiskSpace(journal.directory)
        self._lined_up: tuple[AttachedRing, ...] = ()
        self._heads = heads([], [])  # of the rings that are lined up

    def wait(self, pause: float, timeout: float) -> bool:
        """Look at all rings every `pause` seconds until one has news, for `timeout` seconds at most.

        Returns:
            Whether `cycle` has something to do.
        """
        self._line_up()
        return self._heads.wait(pause, timeout)

    def cycle(self) -> int | None:
        """Journal and acknowledge what is new.

        Returns:
            Number of records acknowledged, None if there are none; 0 if the disk refuses them: they stay in the rings.
        """
        lined_up = self._line_up()
        places = self._heads.news()
        if not places:
            return None
        self.is_pressed = False
        try:
            self._append_all([lined_up[place] for place in places])
        except JournalFull as error:
            self._problems.report(error)
        reached(Step.FRAMES_WRITTEN)
        try:
            self._journal.sync()
        except JournalFull as error:
            self._problems.report(error)
        reached(Step.JOURNAL_SYNCED)
        count = 0
        for place in places:
            ring = lined_up[place]
            if ring.file in self.rings.by_file:
                count += self._acknowledge(ring)
                self._heads.move(place, ring.consumer.position)
                self.is_pressed |= ring.consumer.lag > ring.half
        return count

    def _line_up(self) -> tuple[AttachedRing, ...]:
        """All rings, in the order in which `_heads` has them."""
        if self._lined_up is not self.rings.listed:
            self._lined_up = self.rings.listed
            consumers = [ring.consumer for ring in self._lined_up]
            self._heads = heads([each.cursors for each in consumers], [each.position for each in consumers])
        return self._lined_up

    def _append_all(self, rings: list[AttachedRing]) -> None:
        """Journal what is new in some rings, about `CYCLE_BYTES` at most, an equal share of each."""
        share = CYCLE_BYTES // len(rings)
        self._disk_space.reckon()
        for ring in rings:
            most = min(share, self._disk_space.ask())
            self._disk_space.take(self._append(ring, most))

    def _append(self, ring: AttachedRing, most: int) -> int:
        """Journal what is new in a ring, about `most` bytes at most; returns how many it were."""
        consumer = ring.consumer
        first_seq = consumer.position
        limit = max(1, min(most, MAX_PAYLOAD) // ring.record_size)
        try:
            views = consumer.poll(limit)
            check_identity(consumer, views, first_seq)
            self._journal.append(ring.session, first_seq, views)
        except JournalFull:
            raise
        except (RingError, JournalError) as error:
            self.rings.give_up(ring, error)
            return 0
        count = consumer.position - first_seq
        self.is_pressed |= count == limit
        return count * ring.record_size

    def _acknowledge(self, ring: AttachedRing) -> int:
        """Acknowledge what is durable; have polled once more what the journal does not have."""
        consumer = ring.consumer
        count = (self._journal.durable_seq(ring.session) or 0) - consumer.tail
        if count > 0:
            consumer.acknowledge(consumer.tail + count - 1)
            ring.journal_end = self._journal.durable_end
            reached(Step.RING_ACKNOWLEDGED)
            self.captured += count
        if consumer.position != self._journal.next_seq(ring.session):
            consumer.rewind()
        return max(count, 0)
