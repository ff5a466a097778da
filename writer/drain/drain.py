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
from collections import defaultdict
from pathlib import Path
from typing import Final

import numpy as np

from ringbuf.errors import (
    JournalError,
    JournalFull,
    RingbufError,
    RingCorrupt,
    RingError,
    RingIncomplete,
    RingInUse,
    RingMemory,
    RingNotFound,
)
from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.reader import MAX_PAYLOAD
from ringbuf.journal.step import Step, reached
from ringbuf.record.schema import Records, Schema
from ringbuf.record.session import SessionInfo
from ringbuf.ring import layout, registry
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.heads import heads
from ringbuf.writer.problems import Problems

LOGGER: Final = logging.getLogger("ringbuf.writer")
RESERVED_BYTES: Final = 4 * 1024 * 1024
"""Bytes of the journal's disk that the journal itself does not take."""
ENOUGH_BYTES: Final = 128 * 1024
"""Bytes beyond them for which a frame is worth while."""
INCOMPLETE_SECONDS: Final = 5.0
SPACE_SECONDS: Final = 0.1
"""The disk is asked for its free space so often at most, in between what is journaled is counted."""
CYCLE_BYTES: Final = 32 * 1024 * 1024
"""About as much is journaled in one cycle: it is synced and can be loaded while the next one runs."""
FEW: Final = 32
"""Up to so many records Python checks faster than numpy."""


class AttachedRing:
    """A ring the drain is attached to.

    Attributes:
        inode: identity of its file.
        session: its session.
        record_size: bytes of one of its records.
        half: half of its capacity, in records.
    """

    __slots__ = ("consumer", "half", "inode", "record_size", "session")

    def __init__(self, inode: int, consumer: Consumer) -> None:
        self.inode = inode
        self.consumer = consumer
        self.session = consumer.header.session
        self.record_size = consumer.header.schema.record_size
        self.half = consumer.header.capacity // 2


class Drain:
    """Moves records of all rings of a namespace into a journal.

    Attributes:
        rings: the attached rings by inode, which stays with a ring when it is renamed.
        captured: records journaled so far.
        is_pressed: whether the last cycle did not get to the end of some ring, or left it more than half full, so that
            waiting would risk loss.
    """

    def __init__(self, journal: JournalAppender, problems: Problems, namespace: str) -> None:
        self.rings: dict[int, AttachedRing] = {}
        self.captured = 0
        self.is_pressed = False
        self._journal = journal
        self._problems = problems
        self._namespace = namespace
        self._presence = registry.Presence(namespace)
        self._settled: dict[int, str] | None = None  # what discovery found, if it left nothing to be tried again
        self._refused: dict[int, RingbufError] = {}
        self._incomplete: dict[int, float] = {}
        self._space = 0  # bytes the journal may still take, to be believed
        self._space_until = 0.0  # until then
        self._formats: dict[str, dict[str, str]] = defaultdict(dict)  # by schema and field
        for info in journal.sessions.values():
            if info is not None:
                self._formats[info.schema.name] |= _formats(info.schema)
        self._lined_up: list[AttachedRing] | None = None
        self._heads = heads([], [])  # of the rings that are lined up

    def discover(self) -> None:
        """Attach to rings that appeared, and leave those that will never have records again."""
        try:
            present = self._presence.rings()
        except OSError as error:
            limits = "look at its rights, and at the limits of this process (ulimit -n)"
            self._problems.report(RingMemory(f"{registry.SHARED_MEMORY} cannot be read: {error}", limits))
            return
        if present is self._settled:
            return
        self._refused = {inode: error for inode, error in self._refused.items() if inode in present}
        self._incomplete = {inode: since for inode, since in self._incomplete.items() if inode in present}
        for inode, name in present.items():
            if self._is_untried(inode):
                self._attach(inode, name)
        leaving = [inode for inode in self.rings if inode not in present or registry.is_retired(present[inode])]
        for inode in leaving:
            ring = self.rings[inode]
            if self._is_over(ring, present.get(inode)):
                self._detach(inode)
                self._journal.drop_session(ring.session)
        is_tried = not any(map(self._is_untried, present))
        if is_tried and not self._refused:
            self._forget_lost_rings()
        self._settled = present if is_tried and not leaving else None

    def look_after(self) -> None:
        """Show a heartbeat in all rings, and leave those that were truncated."""
        now_ns = time.time_ns()
        for ring in list(self.rings.values()):
            try:
                ring.consumer.check_size()
            except RingCorrupt as error:
                self._refuse(ring.inode, error)
                self._detach(ring.inode)
                continue
            ring.consumer.beat(now_ns)

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
            if ring.inode in self.rings:
                count += self._acknowledge(ring)
                self._heads.move(place, ring.consumer.position)
                self.is_pressed |= ring.consumer.lag > ring.half
        return count

    def close(self) -> None:
        """Leave all rings; what is not acknowledged stays in them."""
        for ring in self.rings.values():
            ring.consumer.close()
        self.rings.clear()
        self._lined_up = None

    def _line_up(self) -> list[AttachedRing]:
        """All rings, in the order in which `_heads` has them."""
        if self._lined_up is None:
            self._lined_up = list(self.rings.values())
            consumers = [ring.consumer for ring in self._lined_up]
            self._heads = heads([each.cursors for each in consumers], [each.position for each in consumers])
        return self._lined_up

    def _is_untried(self, inode: int) -> bool:
        """Whether a ring waits to be attached to, for the first time or once more."""
        return inode not in self.rings and (inode not in self._refused or self._refused[inode].retryable)

    def _attach(self, inode: int, name: str) -> None:
        try:
            consumer = Consumer.open(name, namespace=self._namespace)
        except RingIncomplete as error:
            # Its producer is creating it at this moment, or has died, or somebody emptied the file.
            if time.monotonic() > self._incomplete.setdefault(inode, time.monotonic()) + INCOMPLETE_SECONDS:
                self._refuse(inode, error)
            return
        except RingNotFound:
            return  # renamed or removed since the scan: the next one tells
        except RingError as error:
            self._refuse(inode, error)
            return
        if consumer.segment.inode != inode:
            consumer.close()  # renamed since the scan, and another ring got the name
            return
        try:
            self._resume(consumer)
        except (RingError, JournalFull) as error:
            consumer.close()
            self._refuse(inode, error)
            return
        self.rings[inode] = AttachedRing(inode, consumer)
        self._lined_up = None
        self._refused.pop(inode, None)
        LOGGER.info("ring %r: attached at record %d", name, consumer.position)

    def _resume(self, consumer: Consumer) -> None:
        """Bring ring and journal to the same record, whatever an earlier writer left undone."""
        header, tail = consumer.header, consumer.position
        for other in self.rings.values():
            if other.session == header.session:
                raise RingInUse(
                    f"ring {consumer.name!r} has the session of ring {other.consumer.name!r}: one of them is a copy",
                    "move the copy out of /dev/shm",
                )
        self._check_formats(consumer)
        pid = consumer.segment.read(layout.PRODUCER_PID)
        info = SessionInfo(
            session=header.session,
            ring=consumer.name,
            host=header.host,
            pid=pid if pid < 1 << 31 else 0,  # something overwrote it; no record must suffer from that
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

    def _check_formats(self, consumer: Consumer) -> None:
        """Refuse what the loader could not get past: in the table of a schema a field has one format."""
        schema = consumer.header.schema
        known, new = self._formats[schema.name], _formats(schema)
        for field in known.keys() & new.keys():
            if known[field] != new[field]:
                raise RingError(
                    f"ring {consumer.name!r}: field {field!r} of schema {schema.name!r} has the format {new[field]}, "
                    f"in another ring {known[field]}",
                    "a field keeps its format: give the new one another name, then open the ring again",
                )
        known |= new

    def _forget_lost_rings(self) -> None:
        """Let the journal forget sessions of rings that a reboot or somebody's `rm` took while no writer ran."""
        for session in self._journal.sessions.keys() - {ring.session for ring in self.rings.values()}:
            self._journal.drop_session(session)

    def _append_all(self, rings: list[AttachedRing]) -> None:
        """Journal what is new in some rings, about `CYCLE_BYTES` at most, an equal share of each."""
        share = CYCLE_BYTES // len(rings)
        if time.monotonic() >= self._space_until:
            self._space = 0
        for ring in rings:
            if self._space < ENOUGH_BYTES:
                self._space = self._ask_space()
                self._space_until = time.monotonic() + SPACE_SECONDS
            self._space -= self._append(ring, min(share, self._space))

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
            self._refuse(ring.inode, error)
            self._detach(ring.inode)
            return 0
        count = consumer.position - first_seq
        self.is_pressed |= count == limit
        return count * ring.record_size

    def _ask_space(self) -> int:
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

    def _acknowledge(self, ring: AttachedRing) -> int:
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

    def _is_over(self, ring: AttachedRing, name: str | None) -> bool:
        """Whether a ring that lost its name, or was set aside, will never have records again."""
        if name is not None and not registry.is_retired(name):
            return False
        # The lock first: what a producer appended before it let go is seen by looking for news afterwards.
        if ring.consumer.segment.is_locked(layout.PRODUCER_LOCK) or ring.consumer.has_news:
            return False
        if name is not None:
            # Somebody may remove it at this moment.
            registry.ring_path(name, self._namespace).unlink(missing_ok=True)
        return True

    def _detach(self, inode: int) -> None:
        ring = self.rings.pop(inode)
        self._lined_up = None
        ring.consumer.close()
        LOGGER.info("ring %r: left at record %d", ring.consumer.name, ring.consumer.tail)

    def _refuse(self, inode: int, error: RingbufError) -> None:
        self._refused[inode] = error
        self._settled = None
        self._problems.report(error)


def _formats(schema: Schema) -> dict[str, str]:
    """What makes up a field's column in the database, by field."""
    return {
        field: dtype.str[1:] + (" with words" if field in schema.words else "")
        for field, (dtype, _) in schema.fields.items()
    }


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
        wrong = _wrong(view, consumer.header.session, first_seq)
        if wrong is not None:
            slot = view[wrong]
            raise RingCorrupt(
                f"ring {consumer.name!r}: record {first_seq + wrong} says it is record {int(slot['seq'])} of "
                f"session {int(slot['session']):016x}",
                "something overwrote the ring's memory; keep a copy of the file, then see `ringbuf rm --force`",
            )
        first_seq += len(view)


def _wrong(view: Records, session: int, first_seq: int) -> int | None:
    """Place of the first record with another session or seq than it should have, None if there is none."""
    end = first_seq + len(view)
    sessions, seqs = view["session"], view["seq"]
    if len(view) <= FEW and seqs.tolist() == [*range(first_seq, end)] and sessions.tolist() == [session] * len(view):
        return None
    wrong = (seqs != np.arange(first_seq, end, dtype=np.uint64)) | (sessions != session)
    return int(wrong.argmax()) if wrong.any() else None
