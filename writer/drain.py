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

from .journal import Journal
from .problems import Problems
from .step import Step, reached

LOGGER: Final = logging.getLogger("ringbuf.writer")
RESERVED_BYTES: Final = 4 * 1024 * 1024
"""Bytes of the journal's disk that the journal itself does not take."""
INCOMPLETE_SECONDS: Final = 5.0


@dataclass
class Ring:
    """A ring the drain is attached to."""

    consumer: Consumer
    limit: int

    @property
    def session(self) -> int:
        """Session of the ring."""
        return self.consumer.header.session

    @property
    def has_news(self) -> bool:
        """Whether records were published since the last poll."""
        return self.consumer.head != self.consumer.position


class Drain:
    """Moves records of all rings of a namespace into a journal.

    Attributes:
        rings: the attached rings by inode, which stays with a ring when it is renamed.
        captured: records journaled so far.
    """

    def __init__(self, journal: Journal, problems: Problems, namespace: str) -> None:
        self.rings: dict[int, Ring] = {}
        self.captured = 0
        self._journal = journal
        self._problems = problems
        self._namespace = namespace
        self._refused: dict[int, RingbufError] = {}
        self._incomplete: dict[int, float] = {}

    @property
    def has_news(self) -> bool:
        """Whether any ring has records that are not journaled."""
        return any(ring.has_news for ring in self.rings.values())

    @property
    def is_pressed(self) -> bool:
        """Whether some ring is more than half full, so that waiting would risk loss."""
        return any(ring.consumer.lag * 2 > ring.consumer.header.capacity for ring in self.rings.values())

    def discover(self) -> None:
        """Attach to rings that appeared, leave those that are gone, and show a heartbeat in the others."""
        present = registry.ring_inodes(self._namespace)
        self._refused = {inode: error for inode, error in self._refused.items() if inode in present}
        self._incomplete = {inode: since for inode, since in self._incomplete.items() if inode in present}
        for inode, name in present.items():
            if inode not in self.rings and (inode not in self._refused or self._refused[inode].retryable):
                self._attach(inode, name)
        for inode, ring in list(self.rings.items()):
            try:
                ring.consumer.check_size()
            except RingCorrupt as error:
                self._refuse(inode, error)
                self._detach(inode)
                continue
            ring.consumer.beat()
            if self._is_over(ring, present.get(inode)):
                self._detach(inode)
                self._journal.drop_session(ring.session)
        if not self._refused:
            self._forget_lost_rings()

    def cycle(self) -> int:
        """Journal and acknowledge what is new.

        Returns:
            Number of records acknowledged. 0 also when the disk refuses them: they stay in the rings.
        """
        news = [(inode, ring) for inode, ring in self.rings.items() if ring.has_news]
        if not news:
            return 0
        try:
            for inode, ring in news:
                self._append(inode, ring)
        except JournalFull as error:
            self._problems.report(error)
        reached(Step.FRAMES_WRITTEN)
        try:
            self._journal.sync()
        except JournalFull as error:
            self._problems.report(error)
        reached(Step.JOURNAL_SYNCED)
        return sum(self._acknowledge(ring) for inode, ring in news if inode in self.rings)

    def close(self) -> None:
        """Leave all rings; what is not acknowledged stays in them."""
        for ring in self.rings.values():
            ring.consumer.close()
        self.rings.clear()

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
        limit = max(1, MAX_PAYLOAD // consumer.header.schema.record_size)
        self.rings[inode] = Ring(consumer, limit)
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

    def _append(self, inode: int, ring: Ring) -> None:
        consumer = ring.consumer
        first_seq = consumer.position
        try:
            views = consumer.poll(ring.limit)
            check_identity(consumer, views, first_seq)
        except RingError as error:
            self._refuse(inode, error)
            self._detach(inode)
            return
        self._check_space(sum(view.nbytes for view in views))
        self._journal.append(ring.session, first_seq, views)

    def _check_space(self, size: int) -> None:
        """Leave the loader the space to go on: only what it has loaded can be deleted."""
        free = free_bytes(self._journal.directory)
        if free - size < RESERVED_BYTES:
            raise JournalFull(
                f"journal {self._journal.directory} cannot take {size} bytes: {free} are free on its disk, of which"
                f" {RESERVED_BYTES} are kept for the loader",
                "free space on its disk, or get the database to work; writing goes on by itself",
            )

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
        if ring.consumer.segment.is_locked(layout.PRODUCER_LOCK) or ring.has_news:
            return False
        if name is not None:
            os.unlink(registry.SHARED_MEMORY / registry.segment_name(name, self._namespace)[1:])
        return True

    def _detach(self, inode: int) -> None:
        ring = self.rings.pop(inode)
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
