"""The quarantine: records the database refuses for good, and journal regions that cannot be read.

One file of JSON lines, append-only. A line carries its own CRC, the reason, and everything needed to send the record
again. A line cut short by a crash is skipped: its record is still in the journal and comes again.
"""

import base64
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ringbuf.errors import JournalCorrupt, JournalFull
from ringbuf.journal.files import DISK, MODE, Files
from ringbuf.journal.reader import Damage
from ringbuf.journal.step import Step, reached
from ringbuf.record.schema import Schema
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.state.checked_json import compact, crc


@dataclass(frozen=True)
class Entry:
    """One quarantined range.

    Attributes:
        reason: what the database said, or what is wrong with the journal.
        quarantined_ns: when, ns since the epoch.
        session, first_seq, count: the records; session 0 if a damaged region does not tell.
        descriptor: schema of the records, "" if unknown.
        records: their bytes, base64; "" if they cannot be read.
        begin, end: journal offsets of a damaged region, else 0.
    """

    reason: str
    quarantined_ns: int
    session: int
    first_seq: int
    count: int
    descriptor: str = ""
    records: str = ""
    begin: int = 0
    end: int = 0

    @property
    def range(self) -> Range:
        """The records' identity."""
        return Range(self.session, self.first_seq, self.count)

    @property
    def payload(self) -> bytes:
        """The records' bytes."""
        return base64.b64decode(self.records)


def encode(entry: Entry) -> bytes:
    """One line."""
    content = asdict(entry)
    return compact({"crc": crc(content), "entry": content}) + b"\n"


def decode(line: bytes) -> Entry:
    """Read one line.

    Raises:
        JournalCorrupt: it is damaged.
    """
    try:
        document = json.loads(line)
        content = document["entry"]
        if document["crc"] != crc(content):
            raise JournalCorrupt(f"quarantine line has CRC {document['crc']!r}, its content {crc(content)}")
        return Entry(**content)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise JournalCorrupt(f"quarantine line of {len(line)} bytes cannot be read: {error!r}") from error


def read(path: Path) -> Iterator[Entry | JournalCorrupt]:
    """All entries of a file, none if it is not there; for a line that cannot be read the error."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        for line in file:
            if not line.strip():
                continue
            try:
                yield decode(line)
            except JournalCorrupt as error:
                yield error


class Quarantine:
    """The append side. Threads share it."""

    def __init__(self, path: Path, files: Files = DISK) -> None:
        self._lock = threading.Lock()
        self._path = path
        self._files = files
        self._records = SeqSet()
        self._regions: set[tuple[int, int]] = set()
        self._added: list[Range] = []  # not yet in the set
        self.read_again()

    def read_again(self) -> None:
        """Take the file as it is now: quarantined records may have been sent again meanwhile."""
        with self._lock:
            self._added.clear()
            entries = [entry for entry in read(self._path) if isinstance(entry, Entry)]
            self._records = SeqSet(entry.range for entry in entries)
            self._regions = {(entry.begin, entry.end) for entry in entries}

    @property
    def count(self) -> int:
        """Records quarantined so far, over all runs."""
        return self.records.count

    @property
    def records(self) -> SeqSet:
        """Which records these are."""
        with self._lock:
            if self._added:
                self._records |= SeqSet(self._added)
                self._added.clear()
            return self._records

    def add_records(self, schema: Schema, records: Range, payload: bytes | memoryview, reason: str) -> None:
        """Keep records the database refuses; durable on return."""
        encoded = base64.b64encode(payload).decode()
        self._add(
            Entry(
                reason,
                time.time_ns(),
                records.session,
                records.first_seq,
                records.count,
                descriptor=schema.descriptor.decode(),
                records=encoded,
            )
        )

    def knows(self, damage: Damage) -> bool:
        """Whether a journal region was noted before: several readers come across it."""
        with self._lock:
            return (damage.offset, damage.end) in self._regions

    def add_damage(self, damage: Damage) -> None:
        """Keep note of a journal region that cannot be read; durable on return."""
        header = damage.header
        lost = (header.session, header.first_seq, header.count) if header else (0, 0, 0)
        self._add(Entry(damage.reason, time.time_ns(), *lost, begin=damage.offset, end=damage.end))

    def _add(self, entry: Entry) -> None:
        with self._lock:
            self._write(entry)
            self._added.append(entry.range)
            self._regions.add((entry.begin, entry.end))
        reached(Step.RECORD_QUARANTINED)

    def _write(self, entry: Entry) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, MODE)
            try:
                size = os.fstat(descriptor).st_size
                torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                line = (b"\n" if torn else b"") + encode(entry)
                self._files.write(descriptor, [memoryview(line)], size)
                self._files.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise JournalFull(f"{self._path} cannot be written: {error}", "free space on its disk") from error
