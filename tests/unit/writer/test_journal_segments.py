"""Which segments a writer deletes, and what it keeps of them."""

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ringbuf.errors import JournalFull
from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.files import Files
from ringbuf.record.seqs import Range
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.verified import Verified, VerifiedFile, load
from ringbuf.writer.drain.disk_space import RESERVED_BYTES
from ringbuf.writer.service import journal_segments
from ringbuf.writer.service.journal_segments import JournalSegments
from tests.journals import UNSYNCED, make_three_segments, reopen, segments


class FullDisk:
    """A disk that has no room as long as there are three segments."""

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory

    def write(self, fd: int, parts: Sequence[memoryview], position: int) -> int:
        """Write, if there is room."""
        if len(segments(self._directory.journal)) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.pwritev(fd, parts, position)


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    made = DataDirectory(tmp_path)
    make_three_segments(made.journal)
    return made


@pytest.fixture
def journal(directory: DataDirectory) -> Iterator[JournalAppender]:
    opened = reopen(directory.journal)
    yield opened
    opened.close()


def free(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(journal_segments, "free_bytes", lambda _: count)


def test_on_a_full_disk_segments_go_before_it_is_noted_what_they_had(
    directory: DataDirectory, journal: JournalAppender, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(directory)
    file = VerifiedFile(directory.verified, Verified("a"), Files(pwritev=disk.write, fsync=UNSYNCED.fsync))
    kept = JournalSegments(directory, journal, lambda: journal.durable_end, 1_000, 0, file)
    free(monkeypatch, 1 << 40)
    with pytest.raises(JournalFull):
        kept.retain()
    assert len(segments(directory.journal)) == 3, "there is no need to hurry"
    free(monkeypatch, RESERVED_BYTES)
    kept.retain()
    assert len(segments(directory.journal)) == 1
    found = load(directory.verified)
    assert found is not None
    assert found.seen.ranges == (Range(7, 0, 8),)
