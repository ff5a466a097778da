"""What the database was once known to have of what the journal does not hold any more.

It tells what was removed from the database, after it was seen there, from what was never stored. One JSON file,
replaced as a whole, and durable before a segment of the journal is deleted. So what the database was seen to have is in
an intact frame of the journal, below the checkpoint, or here.

Records that were acknowledged and that the table's own TTL took at once are here as well: nobody ever saw them in the
database, and to send them again would change nothing.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from ringbuf.errors import JournalCorrupt, JournalError, JournalFull, RingbufError
from ringbuf.journal.files import DISK, Files
from ringbuf.journal.frame import FrameHeader
from ringbuf.journal.reader import JournalReader
from ringbuf.journal.step import Step, reached
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.state import quarantine
from ringbuf.state.checked_json import decode_state, encode_state
from ringbuf.state.data_directory import DataDirectory

VERSION: Final = 1


@dataclass(frozen=True)
class Verified:
    """Which records these are.

    Attributes:
        destination: the database they were in; of another one this tells nothing.
        seen: records that it had when it was asked, and that the journal does not hold any more.
        expired: records that it acknowledged, and that the table's own TTL took before they were seen there.
    """

    destination: str
    seen: SeqSet = field(default_factory=SeqSet)
    expired: SeqSet = field(default_factory=SeqSet)

    def with_seen(self, records: SeqSet) -> Self:
        """The same with more records that were seen in the database."""
        return replace(self, seen=self.seen | records)

    def with_expired(self, records: SeqSet) -> Self:
        """The same with more records that a TTL took at once."""
        return replace(self, expired=self.expired | records)


def encode(verified: Verified) -> bytes:
    """The file's bytes: one line of JSON with a CRC-32 over the canonical JSON of the state."""
    state = {
        "destination": verified.destination,
        "seen": _listed(verified.seen),
        "expired": _listed(verified.expired),
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
        return Verified(str(state["destination"]), _records(state["seen"]), _records(state["expired"]))
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


def seen_in(directory: DataDirectory, begin: int, end: int) -> SeqSet:
    """The records of a journal range that the database has been seen to have.

    Args:
        begin, end: journal offsets of segments' bases, both not above the checkpoint.

    Raises:
        JournalError: the journal cannot be read.
    """
    found: list[Range] = []
    unread = Unread(directory.quarantine)

    def note(header: FrameHeader) -> bool:
        if header not in unread:
            found.append(Range(header.session, header.first_seq, header.count))
        return False

    for _ in JournalReader(directory.journal).frames(begin, end, wanted=note):
        pass  # session frames, and what is damaged now
    return SeqSet(found) - unread.records


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
        is_ours = found is not None and found.destination == destination
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
        if found is not None and found.destination == self.current.destination:
            self.current = found


def _listed(records: SeqSet) -> list[list[int]]:
    return [[each.session, each.first_seq, each.count] for each in records.ranges]


def _records(listed: Iterable[Iterable[Any]]) -> SeqSet:
    return SeqSet(Range(*map(int, each)) for each in listed)
