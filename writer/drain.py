"""The drain: from the rings into the journal.

One cycle: look at every head (a load from memory, no system call), append what is new to the journal, make it durable
with one sync, and only then acknowledge it. Records that an earlier writer journaled but did not acknowledge are
recognised by session and seq, and only acknowledged.

The journal does not take the last of its disk. If it did, in a long outage, the loader could not write its state, so it
could not load, so nothing could ever be deleted.
"""

import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ringbuf import layout, registry
from ringbuf.consumer import Consumer, Records
from ringbuf.errors import JournalFull, RingbufError, RingCorrupt, RingError, RingIncomplete
from ringbuf.journal import MAX_PAYLOAD, SessionInfo
from ringbuf.native import Cursors

from .journal import Journal
from .problems import Problems
from .step import Step, reached

LOGGER: Final = logging.getLogger("ringbuf.writer")
RESERVED_BYTES: Final = 4 * 1024 * 1024
"""Bytes of the journal's disk that the journal itself does not take."""
ENOUGH_BYTES: Final = 128 * 1024
"""Bytes beyond them for which a frame is worth while."""
INCOMPLETE_SECONDS: Final = 5.0
CYCLE_BYTES: Final = 32 * 1024 * 1024
"""About as much is journaled in one cycle: it is synced and can be loaded while the next one runs."""

_HEAD: Final = layout.HEAD // 8


@dataclass
class Ring:
    """A ring the drain is attached to."""

    consumer: Consumer

    @property
    def session(self) -> int:
        """Session of the ring."""
        return self.consumer.header.session


class Drain:
    """Moves records of all rings of a namespace into a journal.

    Attributes:
        rings: the attached rings by inode, which stays with a ring when it is renamed.
        captured: records journaled so far.
        is_pressed: whether the last cycle did not get to the end of some ring, or left it more than half full, so that
            waiting would risk loss.
    """

    def __init__(self, journal: Journal, problems: Problems, namespace: str) -> None:
        self.rings: dict[int, Ring] = {}
        self.captured = 0
        self.is_pressed = False
        self._journal = journal
        self._problems = problems
        self._namespace = namespace
        self._refused: dict[int, RingbufError] = {}
        self._incomplete: dict[int, float] = {}
        # What an idle drain looks at a hundred times a second, and nothing else: with a thousand rings it costs a tenth
        # of asking each of them.
        self._lined_up: list[tuple[int, Ring]] | None = None
        self._cursors: list[Cursors] = []
        self._positions: list[int] = []

    def discover(self) -> None:
        """Attach to rings that appeared, and leave those that will never have records again."""
        present = registry.ring_inodes(self._namespace)
        self._refused = {inode: error for inode, error in self._refused.items() if inode in present}
        self._incomplete = {inode: since for inode, since in self._incomplete.items() if inode in present}
        for inode, name in present.items():
            if inode not in self.rings and (inode not in self._refused or self._refused[inode].retryable):
                self._attach(inode, name)
        for inode in [inode for inode in self.rings if inode not in present or registry.is_retired(present[inode])]:
            ring = self.rings[inode]
            if self._is_over(ring, present.get(inode)):
                self._detach(inode)
                self._journal.drop_session(ring.session)
        if not self._refused:
            self._forget_lost_rings()

    def look_after(self) -> None:
        """Show a heartbeat in all rings, and leave those that were truncated."""
        for inode, ring in list(self.rings.items()):
            try:
                ring.consumer.check_size()
            except RingCorrupt as error:
                self._refuse(inode, error)
                self._detach(inode)
                continue
            ring.consumer.beat()

    def cycle(self) -> int | None:
        """Journal and acknowledge what is new.

        Returns:
            Number of records acknowledged, None if there are none; 0 if the disk refuses them: they stay in the rings.
        """
        lined_up = self._line_up()
        heads = [cursors[_HEAD] for cursors in self._cursors]
        if heads == self._positions:
            return None
        places = [place for place, head in enumerate(heads) if head != self._positions[place]]
        self.is_pressed = False
        try:
            for inode, ring in map(lined_up.__getitem__, places):
                self._append(inode, ring, CYCLE_BYTES // len(places))
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
            inode, ring = lined_up[place]
            if inode in self.rings:
                count += self._acknowledge(ring)
                self._positions[place] = ring.consumer.position
                self.is_pressed |= ring.consumer.lag * 2 > ring.consumer.header.capacity
        return count

    def close(self) -> None:
        """Leave all rings; what is not acknowledged stays in them."""
        for ring in self.rings.values():
            ring.consumer.close()
        self.rings.clear()
        self._lined_up = None

    def _line_up(self) -> list[tuple[int, Ring]]:
        """All rings, `_cursors` and `_positions` being theirs in the same order."""
        if self._lined_up is None:
            self._lined_up = list(self.rings.items())
            self._cursors = [ring.consumer.cursors for _, ring in self._lined_up]
            self._positions = [ring.consumer.position for _, ring in self._lined_up]
        return self._lined_up

    def _attach(self, inode: int, name: str) -> None:
        try:
            consumer = Consumer.open(name, namespace=self._namespace)
        except RingIncomplete as error:
            # Its producer is creating it at this moment, or has died, or somebody emptied the file.
            if time.monotonic() > self._incomplete.setdefault(inode, time.monotonic()) + INCOMPLETE_SECONDS:
                self._refuse(inode, error)
            return
        except RingError as error:
            self._refuse(inode, error)
            return
        try:
            self._resume(consumer)
        except (RingError, JournalFull) as error:
            consumer.close()
            self._refuse(inode, error)
            return
        self.rings[inode] = Ring(consumer)
        self._lined_up = None
        self._refused.pop(inode, None)
        LOGGER.info("ring %r: attached at record %d", name, consumer.position)

    def _resume(self, consumer: Consumer) -> None:
        """Bring ring and journal to the same record, whatever an earlier writer left undone."""
        header, tail = consumer.header, consumer.position
        info = SessionInfo(
            session=header.session,
            ring=consumer.name,
            host=header.host,
            pid=consumer.segment.read(layout.PRODUCER_PID),
            namespace=self._namespace,
            created_ns=header.created_ns,
            schema=header.schema,
        )
        journaled = self._journal.next_seq(header.session)
        if journaled is not None and journaled > consumer.head:
            raise RingCorrupt(
                f"ring {consumer.name!r} has head {consumer.head}, but its records up to {journaled - 1} are journaled",
                "its memory was put back; keep a copy of the file, then see `ringbuf rm --force`",
            )
        self._journal.add_session(info, tail)
        journaled = self._journal.next_seq(header.session) or 0
        if journaled > tail:
            self._journal.sync()
            consumer.poll(journaled - tail)
            consumer.acknowledge(journaled - 1)

    def _forget_lost_rings(self) -> None:
        """Let the journal forget sessions of rings that a reboot or somebody's `rm` took while no writer ran."""
        for session in self._journal.sessions - {ring.session for ring in self.rings.values()}:
            self._journal.drop_session(session)

    def _append(self, inode: int, ring: Ring, share: int) -> None:
        """Journal what is new in a ring, about `share` bytes at most."""
        consumer = ring.consumer
        first_seq = consumer.position
        limit = max(1, min(share, MAX_PAYLOAD, self._space()) // consumer.header.schema.record_size)
        try:
            views = consumer.poll(limit)
            check_identity(consumer, views, first_seq)
            self.is_pressed |= consumer.position - first_seq == limit
        except RingError as error:
            self._refuse(inode, error)
            self._detach(inode)
            return
        self._journal.append(ring.session, first_seq, views)

    def _space(self) -> int:
        """Bytes the journal may take; the rest is the loader's, because only what it has loaded can be deleted."""
        try:
            free = free_bytes(self._journal.directory)
        except OSError as error:
            raise JournalFull(f"the disk of journal {self._journal.directory} fails: {error}", "mend it") from error
        if free < RESERVED_BYTES + ENOUGH_BYTES:
            raise JournalFull(
                f"journal {self._journal.directory} goes no further: {free} bytes are free on its disk, and"
                f" {RESERVED_BYTES} of them are kept for the loader",
                "free space on its disk, or get the database to work; writing goes on by itself",
            )
        return free - RESERVED_BYTES

    def _acknowledge(self, ring: Ring) -> int:
        """Acknowledge what is durable; have polled once more what the journal does not have."""
        consumer = ring.consumer
        count = (self._journal.durable_seq(ring.session) or 0) - consumer.tail
        if count > 0:
            consumer.acknowledge(consumer.tail + count - 1)
            reached(Step.RING_ACKNOWLEDGED)
            self.captured += count
        if consumer.position != self._journal.next_seq(ring.session):
            consumer.rewind()
        return max(count, 0)

    def _is_over(self, ring: Ring, name: str | None) -> bool:
        """Whether a ring that lost its name, or was set aside, will never have records again."""
        if name is not None and not registry.is_retired(name):
            return False
        # The lock first: what a producer appended before it let go is seen by looking for news afterwards.
        if ring.consumer.segment.is_locked(layout.PRODUCER_LOCK) or ring.consumer.has_news:
            return False
        if name is not None:
            os.unlink(registry.SHARED_MEMORY / registry.segment_name(name, self._namespace)[1:])
        return True

    def _detach(self, inode: int) -> None:
        ring = self.rings.pop(inode)
        self._lined_up = None
        ring.consumer.close()
        LOGGER.info("ring %r: left at record %d", ring.consumer.name, ring.consumer.tail)

    def _refuse(self, inode: int, error: RingbufError) -> None:
        self._refused[inode] = error
        self._problems.report(error)


def free_bytes(directory: Path) -> int:
    """Bytes that this user can still write on the disk of a directory."""
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize


def check_identity(consumer: Consumer, views: tuple[Records, ...], first_seq: int) -> None:
    """Make sure that the slots hold the records they should.

    Raises:
        RingCorrupt: something else wrote into the ring's memory.
    """
    for view in views:
        expected = np.arange(first_seq, first_seq + len(view), dtype=np.uint64)
        wrong = np.flatnonzero((view["seq"] != expected) | (view["session"] != consumer.header.session))
        if len(wrong):
            slot = view[wrong[0]]
            raise RingCorrupt(
                f"ring {consumer.name!r}: record {first_seq + int(wrong[0])} says it is record {int(slot['seq'])} of "
                f"session {int(slot['session']):016x}",
                "something overwrote the ring's memory; keep a copy of the file, then see `ringbuf rm --force`",
            )
        first_seq += len(view)
