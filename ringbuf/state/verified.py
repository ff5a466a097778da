"""What the database was once known to have of what the journal does not hold any more.

It tells what was removed from the database, after it was seen there, from what was never stored. One JSON file,
replaced as a whole, and durable before a segment of the journal is deleted. So what the database was seen to have is in
an intact frame of the journal, below the checkpoint, or here.

It also knows up to where each session was journaled on which day, so that what is older than the writer is to keep can
be told from what is younger, also when nothing is left of either. What is older is *retired*: it is meant to be gone.

Records that were acknowledged and that the table's own TTL took at once are here as well: nobody ever saw them in the
database, and to send them again would change nothing.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from ringbuf.errors import JournalCorrupt, JournalError, JournalFull, RingbufError
from ringbuf.journal.files import DISK, Files
from ringbuf.journal.frame import FrameHeader
from ringbuf.journal.reader import RECORDS, Frame, JournalReader
from ringbuf.journal.step import Step, reached
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.state import quarantine
from ringbuf.state.checked_json import decode_state, encode_state
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.destination import is_same

VERSION: Final = 1
DAY_NS: Final = 86_400 * 10**9


@dataclass(frozen=True)
class Verified:
    """Which records these are.

    Attributes:
        destination: the database they were in; of another one this tells nothing.
        seen: records that it had when it was asked, and that the journal does not hold any more.
        expired: records that it acknowledged, and that the table's own TTL took before they were seen there.
        days: for each session, by day (since the epoch, UTC), the seq below which all was journaled by the end of it.
        retired: records among those seen that were older than the writer was told to keep.
    """

    destination: str
    seen: SeqSet = field(default_factory=SeqSet)
    expired: SeqSet = field(default_factory=SeqSet)
    days: Mapping[int, Mapping[int, int]] = field(default_factory=dict)
    retired: SeqSet = field(default_factory=SeqSet)

    def with_seen(self, records: SeqSet) -> Self:
        """The same with more records that were seen in the database."""
        return replace(self, seen=self.seen | records)

    def with_journaled(self, passage: "Passage") -> Self:
        """The same with what a part of the journal tells; a clock that was set back makes nothing older."""
        days = dict(self.days)
        for session, ends in passage.days.items():
            known = dict(days.get(session, {}))
            for written, end in sorted(ends.items()):
                day = max([written, *known])
                known[day] = max(end, known.get(day, 0))
            days[session] = known
        return replace(self, seen=self.seen | passage.seen, days=days)

    def without_older(self, before_day: int) -> Self:
        """The same with all retired that was seen and journaled before a day (since the epoch, UTC)."""
        old = [
            Range(session, 0, max(end for day, end in ends.items() if day < before_day))
            for session, ends in self.days.items()
            if min(ends) < before_day
        ]
        left = {
            session: {day: end for day, end in ends.items() if day >= before_day} for session, ends in self.days.items()
        }
        days = {session: ends for session, ends in left.items() if ends}
        return replace(self, retired=self.retired | (self.seen & SeqSet(old)), days=days)

    def with_expired(self, records: SeqSet) -> Self:
        """The same with more records that a TTL took at once."""
        return replace(self, expired=self.expired | records)


def encode(verified: Verified) -> bytes:
    """The file's bytes: one line of JSON with a CRC-32 over the canonical JSON of the state."""
    state = {
        "destination": verified.destination,
        "seen": _listed(verified.seen),
        "expired": _listed(verified.expired),
        "days": [
            [session, day, end] for session, ends in sorted(verified.days.items()) for day, end in sorted(ends.items())
        ],
        "retired": _listed(verified.retired),
    }
    return encode_state(state, VERSION)


def decode(content: bytes, where: str) -> Verified:
    """Read the file's bytes.

    Raises:
        JournalCorrupt: they are damaged.
        JournalVersion: they were written by a later release.
    """
    state = decode_state(content, where, (VERSION,))
    try:
        days: dict[int, dict[int, int]] = {}
        for session, day, end in state["days"]:
            days.setdefault(int(session), {})[int(day)] = int(end)
        seen, expired, retired = (_records(state[name]) for name in ("seen", "expired", "retired"))
        return Verified(str(state["destination"]), seen, expired, days, retired)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JournalCorrupt(f"{where} cannot be read: {error!r}") from error


def load(path: Path) -> Verified | None:
    """What a file says, None if there is none yet.

    Raises:
        JournalCorrupt, JournalVersion: see `decode`.
        JournalError: the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error}", "check its owner") from error
    return decode(content, str(path))


@dataclass(frozen=True)
class Passage:
    """What a part of the journal tells of the database.

    Attributes:
        end: journal offset behind it.
        seen: its records that the database has been seen to have.
        days: as in `Verified`.
    """

    end: int
    seen: SeqSet
    days: Mapping[int, Mapping[int, int]]


def pass_through(directory: DataDirectory, begin: int, end: int, before_day: int | None = None) -> Passage:
    """Look through a part of the journal that is loaded.

    Args:
        begin, end: journal offsets of frames' ends or segments' bases, not above the checkpoint.
        before_day: end before the first frame that was written on this day (since the epoch, UTC) or later.

    Raises:
        JournalError: the journal cannot be read.
    """
    found: list[Range] = []
    days: dict[int, dict[int, int]] = {}
    unread = Unread(directory.quarantine)
    latest = 0

    def note(header: FrameHeader) -> bool:
        nonlocal latest
        day = max(latest, header.written_ns // DAY_NS)  # a clock that is set back makes nothing older
        if before_day is not None and day >= before_day:
            return True
        latest = day
        if header not in unread:
            found.append(Range(header.session, header.first_seq, header.count))
            ends = days.setdefault(header.session, {})
            ends[day] = max(ends.get(day, 0), header.first_seq + header.count)
        return False

    for item in JournalReader(directory.journal).frames(begin, end, wanted=note):
        if isinstance(item, Frame) and item.kind == RECORDS:
            end = item.offset
            break
    return Passage(end, SeqSet(found) - unread.records, days)


class Unread:
    """What of a journal the loader has passed without storing it, by the quarantine's file.

    Attributes:
        records: those that the database refused, and those of damaged frames.
    """

    def __init__(self, path: Path) -> None:
        entries = [each for each in quarantine.read(path) if isinstance(each, quarantine.Entry)]
        self.records = SeqSet(each.range for each in entries)
        self._regions = [(each.begin, each.end) for each in entries if each.end > each.begin]

    def __contains__(self, header: FrameHeader) -> bool:
        """Whether a frame was damaged, or missing, when it was to be loaded; it may be readable again."""
        return any(begin < header.end and header.offset < end for begin, end in self._regions)


class VerifiedFile:
    """What is verified, on the disk and in memory. Threads share it.

    Attributes:
        current: what the file holds.
    """

    def __init__(self, path: Path, verified: Verified, files: Files = DISK) -> None:
        self.current = verified
        self._path = path
        self._files = files
        self._lock = threading.Lock()

    @classmethod
    def open(
        cls, directory: DataDirectory, destination: str, found_ns: int, report: Callable[[RingbufError], None]
    ) -> Self:
        """The file of a data directory; begun anew if there is none, or if it is of another database.

        Args:
            found_ns: the time, ns since the epoch.
            report: told that the file is damaged; then it is set aside.
        """
        try:
            found = load(directory.verified)
        except JournalCorrupt as error:
            report(error)
            directory.verified.rename(directory.damaged_verified(found_ns))
            found = None
        is_ours = found is not None and is_same(found.destination, destination)
        return cls(directory.verified, found if found is not None and is_ours else Verified(destination))

    def change(self, changed: Callable[[Verified], Verified]) -> None:
        """Replace it by what a function makes of it; durable on return.

        Raises:
            JournalFull: the disk refuses it; the former one is intact.
        """
        with self._lock:
            self._read_again()
            verified = changed(self.current)
            if verified == self.current:
                return
            try:
                self._files.replace(self._path, [[memoryview(encode(verified))]])
            except OSError as error:
                raise JournalFull(f"{self._path} cannot be written: {error}", "free space on its disk") from error
            self.current = verified
        reached(Step.VERIFIED_NOTED)

    def _read_again(self) -> None:
        """Take what is in the file: a `resend` that had the database until now may have added to it."""
        try:
            found = load(self._path)
        except JournalError:
            return  # damaged since, or out of reach: what is in memory is written over it
        if found is not None and is_same(found.destination, self.current.destination):
            self.current = found


def _listed(records: SeqSet) -> list[list[int]]:
    return [[each.session, each.first_seq, each.count] for each in records.ranges]


def _records(listed: Iterable[Iterable[Any]]) -> SeqSet:
    return SeqSet(Range(*map(int, each)) for each in listed)
