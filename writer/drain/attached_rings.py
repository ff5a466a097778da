"""Who is there: the rings of a namespace the drain is attached to, as they come and go."""

import logging
import time
from collections import defaultdict
from typing import Final

from ringbuf.errors import (
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
from ringbuf.record.schema import Schema
from ringbuf.record.session import SessionInfo
from ringbuf.ring import layout, registry
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.segment import FileId
from ringbuf.writer.drain.attached_ring import AttachedRing
from ringbuf.writer.problems import Problems

LOGGER: Final = logging.getLogger("ringbuf.writer")
INCOMPLETE_SECONDS: Final = 5.0


class AttachedRings:
    """The rings of a namespace that are drained into a journal.

    Attributes:
        by_file: the attached rings by their file, which stays with a ring when it is renamed.
        listed: the same, one after the other; another tuple whenever a ring came or went.
    """

    def __init__(self, journal: JournalAppender, problems: Problems, namespace: str) -> None:
        self.by_file: dict[FileId, AttachedRing] = {}
        self.listed: tuple[AttachedRing, ...] = ()
        self._journal = journal
        self._problems = problems
        self._namespace = namespace
        self._presence = registry.Presence(namespace)
        self._settled: dict[FileId, str] | None = None  # what discovery found, if it left nothing to be tried again
        self._refused: dict[FileId, RingbufError] = {}
        self._incomplete: dict[FileId, float] = {}
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
        for file, name in present.items():
            if self._is_untried(file):
                self._attach(file, name)
        leaving = [file for file in self.by_file if file not in present or registry.is_retired(present[file])]
        for file in leaving:
            ring = self.by_file[file]
            if self._is_over(ring, present.get(file)):
                self._detach(file)
                self._journal.drop_session(ring.session)
        is_tried = not any(map(self._is_untried, present))
        if is_tried and not self._refused:
            self._forget_lost_rings()
        self._settled = present if is_tried and not leaving else None

    def look_after(self) -> None:
        """Show a heartbeat in all rings, and leave those that were truncated."""
        now_ns = time.time_ns()
        for ring in self.listed:
            try:
                ring.consumer.check_size()
            except RingCorrupt as error:
                self.give_up(ring, error)
                continue
            ring.consumer.beat(now_ns)

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
        return file not in self.by_file and (file not in self._refused or self._refused[file].retryable)

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
        try:
            self._resume(consumer)
        except (RingError, JournalFull) as error:
            consumer.close()
            self._refuse(file, error)
            return
        self.by_file[file] = AttachedRing(file, consumer)
        self.listed = tuple(self.by_file.values())
        self._refused.pop(file, None)
        LOGGER.info("ring %r: attached at record %d", name, consumer.position)

    def _resume(self, consumer: Consumer) -> None:
        """Bring ring and journal to the same record, whatever an earlier writer left undone."""
        header, tail = consumer.header, consumer.position
        for other in self.listed:
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
        for session in self._journal.sessions.keys() - {ring.session for ring in self.listed}:
            self._journal.drop_session(session)

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

    def _detach(self, file: FileId) -> None:
        ring = self.by_file.pop(file)
        self.listed = tuple(self.by_file.values())
        ring.consumer.close()
        LOGGER.info("ring %r: left at record %d", ring.consumer.name, ring.consumer.tail)

    def _refuse(self, file: FileId, error: RingbufError) -> None:
        self._refused[file] = error
        self._settled = None
        self._problems.report(error)


def _formats(schema: Schema) -> dict[str, str]:
    """What makes up a field's column in the database, by field."""
    return {
        field: dtype.str[1:] + (" with words" if field in schema.words else "")
        for field, (dtype, _) in schema.fields.items()
    }
