"""Who is there: the rings of a namespace the drain is attached to, as they come and go.

A session is over when no process holds its ring and the journal has all of it. Then the journal is told, so that
whoever finds the ring gone afterwards knows that nothing is missing. Of a ring that is gone without that the journal
keeps the session: nobody knows what else was recorded.
"""

import logging
import time
from collections import defaultdict
from dataclasses import replace
from typing import Final

from ringbuf.errors import (
    JournalFull,
    RingbufError,
    RingCorrupt,
    RingError,
    RingIncomplete,
    RingInUse,
    RingLost,
    RingMemory,
    RingNotFound,
)
from ringbuf.journal.appender import JournalAppender
from ringbuf.record.schema import Schema
from ringbuf.record.session import SessionInfo
from ringbuf.ring import layout, registry
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.segment import FileId
from ringbuf.writer.drain.attached_ring import AttachedRing
from ringbuf.writer.problems import Problems

LOGGER: Final = logging.getLogger("ringbuf.writer")
INCOMPLETE_SECONDS: Final = 5.0
LOST_SECONDS: Final = 3.0
"""Within about a second a producer makes a ring anew whose name was removed."""


class AttachedRings:
    """The rings of a namespace that are drained into a journal.

    Attributes:
        by_file: the attached rings by their file, which stays with a ring when it is renamed.
        listed: the same, one after the other; another tuple whenever a ring came or went.
        lost: sessions whose ring is gone, and of which nobody saw the end.
        counters: `AttachedRing.counters` of each, by its name, as they were when they were looked after last; for any
            thread.
    """

    def __init__(self, journal: JournalAppender, problems: Problems, namespace: str) -> None:
        self.by_file: dict[FileId, AttachedRing] = {}
        self.listed: tuple[AttachedRing, ...] = ()
        self.lost: set[int] = set()
        self.counters: dict[str, dict[str, int]] = {}
        self._journal = journal
        self._problems = problems
        self._namespace = namespace
        self._presence = registry.Presence(namespace)
        self._settled: dict[FileId, str] | None = None  # what discovery found, if it left nothing to be tried again
        self._refused: dict[FileId, RingbufError] = {}
        self._incomplete: dict[FileId, float] = {}
        self._superseded: set[FileId] = set()
        self._missing: dict[int, float] = {}  # sessions without a ring, and since when
        self._read: set[int] = set()  # sessions of old files that were read to their end, when nobody held them
        self._formats: dict[str, dict[str, str]] = defaultdict(dict)  # by schema and field
        for info in journal.sessions.values():
            if info is not None:
                self._formats[info.schema.name] |= _formats(info.schema)

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
        self._refused = {file: error for file, error in self._refused.items() if file in present}
        self._incomplete = {file: since for file, since in self._incomplete.items() if file in present}
        self._superseded &= present.keys()
        for file, name in present.items():
            if self._is_untried(file):
                self._attach(file, name)
        leaving = [file for file in self.by_file if file not in present or registry.is_retired(present[file])]
        for file in leaving:
            self._leave_if_over(self.by_file[file], present.get(file))
        is_tried = not any(map(self._is_untried, present))
        if is_tried and not self._refused:
            self._look_for_missing_rings()
        self._settled = present if is_tried and not leaving and not self._missing else None

    def look_after(self) -> None:
        """Show a heartbeat in all rings, see who holds them, and leave those that were truncated."""
        now_ns = time.time_ns()
        counters = {}
        for ring in self.listed:
            try:
                ring.consumer.check_size()
            except RingCorrupt as error:
                self.give_up(ring, error)
                continue
            ring.consumer.beat(now_ns)
            counters[ring.consumer.name] = ring.counters()
            if ring.consumer.look_for_producer(now_ns):
                self._note_producer(ring)
            elif not ring.consumer.lag:
                self._note_end(ring)
        self.counters = counters

    def give_up(self, ring: AttachedRing, error: RingbufError) -> None:
        """Leave a ring that cannot be read any further, and do not try it again."""
        self._refuse(ring.file, error)
        self._detach(ring.file)

    def close(self) -> None:
        """Leave all rings; what is not acknowledged stays in them."""
        for ring in self.listed:
            ring.consumer.close()
        self.by_file.clear()
        self.listed = ()

    def _is_untried(self, file: FileId) -> bool:
        """Whether a ring waits to be attached to, for the first time or once more."""
        if file in self.by_file or file in self._superseded:
            return False
        return file not in self._refused or self._refused[file].retryable

    def _attach(self, file: FileId, name: str) -> None:
        try:
            consumer = Consumer.open(name, namespace=self._namespace)
        except RingIncomplete as error:
            # Its producer is creating it at this moment, or has died, or somebody emptied the file.
            if time.monotonic() > self._incomplete.setdefault(file, time.monotonic()) + INCOMPLETE_SECONDS:
                self._refuse(file, error)
            return
        except RingNotFound:
            return  # renamed or removed since the scan: the next one tells
        except RingError as error:
            self._refuse(file, error)
            return
        if consumer.segment.file_id != file:
            consumer.close()  # renamed since the scan, and another ring got the name
            return
        other = next((ring for ring in self.listed if ring.session == consumer.header.session), None)
        try:
            if other is not None and self._is_superseded(consumer, other):
                self._superseded.add(file)
                self._remove_if_retired(name)
                consumer.close()
                return
            self._resume(consumer)
        except (RingError, JournalFull) as error:
            consumer.close()
            self._refuse(file, error)
            return
        self.by_file[file] = AttachedRing(file, consumer, self._journal.durable_end)
        self.listed = tuple(self.by_file.values())
        self._refused.pop(file, None)
        self._missing.pop(consumer.header.session, None)
        self.lost.discard(consumer.header.session)
        self._read.discard(consumer.header.session)
        LOGGER.info("ring %r: attached at record %d", name, consumer.position)

    def _is_superseded(self, consumer: Consumer, other: AttachedRing) -> bool:
        """Which of two rings of one session is the old file of a ring that was made anew: this one, or the other.

        Both have the same records at the same seqs, so the journal goes on with either.

        Raises:
            RingInUse: neither.
        """
        if other.consumer.is_moved:
            self._detach(other.file)
            return False
        if not consumer.is_moved:
            raise RingInUse(
                f"ring {consumer.name!r} has the session of ring {other.consumer.name!r}: one of them is a copy",
                "move the copy out of /dev/shm",
            )
        if consumer.poll():  # read from the other one; whoever finds this file later must not begin again
            consumer.acknowledge(consumer.position - 1)
        return True

    def _resume(self, consumer: Consumer) -> None:
        """Bring ring and journal to the same record, whatever an earlier writer left undone."""
        header, tail = consumer.header, consumer.position
        self._check_formats(consumer)
        journaled, known = self._journal.next_seq(header.session), self._journal.info(header.session)
        info = SessionInfo(
            session=header.session,
            ring=consumer.name,
            host=header.host,
            pid=_producer_pid(consumer),
            namespace=self._namespace,
            created_ns=header.created_ns,
            schema=header.schema,
            ended=known is not None and known.ended is True and journaled == consumer.head,
        )
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

    def _look_for_missing_rings(self) -> None:
        """Let the journal forget sessions that were seen to end, and say of which others the ring is gone."""
        missing = self._journal.sessions.keys() - {ring.session for ring in self.listed} - self.lost
        self._missing = {session: self._missing.get(session, time.monotonic()) for session in missing}
        for session in missing:
            info = self._journal.info(session)
            if info is None or info.ended is not False:
                self._forget(session)
            elif info.namespace != self._namespace:
                del self._missing[session]  # not of these rings: this writer had another namespace before
            elif time.monotonic() > self._missing[session] + LOST_SECONDS:
                self._give_up_missing(info)

    def _forget(self, session: int) -> None:
        self._journal.drop_session(session)
        self._read.discard(session)
        del self._missing[session]

    def _give_up_missing(self, info: SessionInfo) -> None:
        session, end = info.session, self._journal.next_seq(info.session) or 0
        if session in self._read:  # its producer died before the file that was to take its place was one
            if self._note(replace(info, ended=True), end):
                self._forget(session)
            return
        self.lost.add(session)
        del self._missing[session]
        self._problems.report(
            RingLost(
                f"ring {info.ring!r} of process {info.pid}, session {session:016x}, is gone, and nobody saw its end:"
                f" what was recorded after the first {end} records may be lost",
                "compare with the venue; `ringbuf audit` names it from now on",
            )
        )

    def _leave_if_over(self, ring: AttachedRing, name: str | None) -> None:
        """Leave a ring that lost its name, or was set aside, if it will never have records again."""
        consumer = ring.consumer
        # The lock first: what a producer appended before it let go is seen by looking for it afterwards.
        if consumer.look_for_producer(time.time_ns()) or consumer.lag:
            return
        if consumer.is_moved:
            self._remove_if_retired(name)
            self._detach(ring.file)  # the file that took its place was there before the lock was let go
            self._read.add(ring.session)
        elif self._note_end(ring):
            self._remove_if_retired(name)
            self.forget(ring)

    def _remove_if_retired(self, name: str | None) -> None:
        if name is not None and registry.is_retired(name):
            registry.ring_path(name, self._namespace).unlink(missing_ok=True)  # somebody may remove it at this moment

    def has_ended(self, ring: AttachedRing) -> bool:
        """Whether the journal says that no process holds a ring, and that it has all of it."""
        info = self._journal.info(ring.session)
        return info is not None and info.ended is True

    def forget(self, ring: AttachedRing) -> None:
        """Leave a ring whose session is over."""
        self._detach(ring.file)
        self._journal.drop_session(ring.session)

    def _note_end(self, ring: AttachedRing) -> bool:
        """Have the journal say that no process holds a ring, and that it has all of it; whether it says so."""
        info = self._journal.info(ring.session)
        return info is None or info.ended or self._note(replace(info, ended=True), ring.consumer.tail)

    def _note_producer(self, ring: AttachedRing) -> None:
        """Have the journal say which process holds a ring."""
        info, pid = self._journal.info(ring.session), _producer_pid(ring.consumer)
        if info is not None and info.pid != pid:
            self._note(replace(info, pid=pid, ended=False), ring.consumer.tail)

    def _note(self, info: SessionInfo, tail: int) -> bool:
        try:
            self._journal.add_session(info, tail)
            self._journal.sync()
        except JournalFull as error:
            self._problems.report(error)
            return False
        return True

    def _detach(self, file: FileId) -> None:
        ring = self.by_file.pop(file)
        self.listed = tuple(self.by_file.values())
        ring.consumer.close()
        LOGGER.info("ring %r: left at record %d", ring.consumer.name, ring.consumer.tail)

    def _refuse(self, file: FileId, error: RingbufError) -> None:
        self._refused[file] = error
        self._settled = None
        self._problems.report(error)


def _producer_pid(consumer: Consumer) -> int:
    pid = consumer.cursors[layout.PRODUCER_PID // 8]
    return pid if pid < 1 << 31 else 0  # something overwrote it; no record must suffer from that


def _formats(schema: Schema) -> dict[str, str]:
    """What makes up a field's column in the database, by field."""
    return {
        field: dtype.str[1:] + (" with words" if field in schema.words else "")
        for field, (dtype, _) in schema.fields.items()
    }
