"""What the journal does when its disk fails or its writer dies."""

import errno
import os
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from ringbuf.errors import JournalFull
from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.frame import segment_file_name
from ringbuf.journal.reader import SESSION, Damage, JournalReader, Tail
from tests.failing_disk import FailingDisk, Killed, refusal
from tests.journals import (
    FRAME_SIZE,
    UNSYNCED,
    append,
    info,
    make_one_segment,
    make_three_segments,
    read,
    reopen,
    segments,
    seqs,
    ticks,
)

# A failing disk


class Disk(FailingDisk):
    """Makes one system call of the journal fail, and counts them."""

    def __init__(self, failing: int = -1, error: BaseException | None = None, written: int = 0) -> None:
        super().__init__(written)
        self.calls = 0
        self._failing = failing
        self._error = error or refusal()

    def failure(self, call: str) -> BaseException | None:
        self.calls += 1
        return self._error if self.calls - 1 == self._failing else None


def capture(journal: JournalAppender, sessions: Sequence[int], until: int) -> Iterator[None]:
    """What the drain does: append what is new of each session, sync, and go on after whatever the disk refused."""
    while any((journal.durable_seq(session) or 0) < until for session in sessions):
        with suppress(JournalFull):
            for session in sessions:
                if journal.next_seq(session) is None:
                    journal.add_session(info(session), 0)
                if (journal.next_seq(session) or 0) < until:
                    append(journal, session=session)
        with suppress(JournalFull):
            journal.sync()
        yield


SESSIONS = (7, 8)
UNTIL = 20
SEGMENT_SIZE = 1_500


def count_calls(directory: Path) -> int:
    disk = Disk()
    journal = reopen(directory, disk.files, SEGMENT_SIZE)
    for _ in capture(journal, SESSIONS, UNTIL):
        pass
    journal.close()
    assert len(segments(directory)) > 3
    return disk.calls


@pytest.mark.parametrize("written", [0, 1, 64, 100, 10_000])
def test_a_journal_is_the_same_whichever_call_the_disk_fails(tmp_path: Path, written: int) -> None:
    calls = count_calls(tmp_path / "good")
    assert calls > 40
    for call in range(calls):
        directory = tmp_path / str(call)
        directory.mkdir()
        journal = reopen(directory, Disk(call, written=written).files, SEGMENT_SIZE)
        for _ in capture(journal, SESSIONS, UNTIL):
            durable = read(directory, end=journal.durable_end)
            assert durable.damages == []
            for session in SESSIONS:
                held = [record for record in durable.records if record[0] == session]
                assert held == seqs(0, journal.durable_seq(session) or 0, session)
        journal.close()
        content = read(directory)
        assert content.damages == [] and content.tail is None
        assert sorted(content.records) == seqs(0, UNTIL, 7) + seqs(0, UNTIL, 8)
        shutil.rmtree(directory)


@pytest.mark.parametrize("written", [0, 1, 64, 100, 10_000])
def test_a_writer_killed_at_any_call_loses_nothing_durable_and_doubles_nothing(tmp_path: Path, written: int) -> None:
    for call in range(count_calls(tmp_path / "good")):
        directory = tmp_path / str(call)
        durable: dict[int, int] = {}
        disk = Disk(call, Killed(), written)
        with suppress(Killed), closing(reopen(directory, disk.files, SEGMENT_SIZE)) as killed:
            for _ in capture(killed, SESSIONS, UNTIL):
                durable = {session: killed.durable_seq(session) or 0 for session in SESSIONS}
        journal = reopen(directory, segment_size=SEGMENT_SIZE)
        for session, seq in durable.items():
            assert (journal.next_seq(session) or 0) >= seq
        for _ in capture(journal, SESSIONS, UNTIL):
            pass
        journal.close()
        content = read(directory)
        assert content.damages == [] and content.tail is None
        assert sorted(content.records) == seqs(0, UNTIL, 7) + seqs(0, UNTIL, 8)
        shutil.rmtree(directory)


def test_after_a_failed_sync_everything_since_the_last_good_one_is_written_again_elsewhere(directory: Path) -> None:
    failing: set[str] = set()

    def fdatasync(_: int) -> None:
        if "sync" in failing:
            raise OSError(errno.EIO, "lost pages")

    def ftruncate(fd: int, length: int) -> None:
        if "cut" in failing:
            raise OSError(errno.EIO, "lost pages")
        os.ftruncate(fd, length)

    journal = reopen(directory, replace(UNSYNCED, fdatasync=fdatasync, ftruncate=ftruncate))
    journal.add_session(info(7), 0)
    append(journal)
    durable_end = journal.sync()
    append(journal, 2)
    failing |= {"sync", "cut"}
    with pytest.raises(JournalFull, match=f"cannot be synced behind offset {durable_end}: .*lost pages"):
        journal.sync()
    assert (journal.next_seq(7), journal.durable_seq(7), journal.durable_end) == (2, 2, durable_end)
    assert journal.sync() == durable_end, "a second sync must not make lost pages durable"
    failing.clear()
    append(journal, 3)
    journal.sync()
    journal.close()
    old, new = segments(directory)
    assert int(new.stem) == durable_end
    assert old.stat().st_size > durable_end, "the bytes given up are still there, hidden by the new segment"
    content = read(directory)
    assert content.records == seqs(0, 8) and content.damages == []


def test_a_full_disk_stops_the_journal_and_room_lets_it_go_on(directory: Path) -> None:
    journal = JournalAppender.open(directory)
    journal.add_session(info(7), 0)
    append(journal, 3)
    journal.sync()
    with file_size_limit(journal.durable_end + FRAME_SIZE + 100):
        append(journal)
        with pytest.raises(JournalFull, match="cannot be written behind offset"):
            append(journal)
        assert journal.next_seq(7) == 8
        assert segments(directory)[0].stat().st_size == journal.durable_end + FRAME_SIZE
        journal.sync()
        assert journal.durable_seq(7) == 8
        with pytest.raises(JournalFull):
            append(journal)
    append(journal)
    journal.sync()
    journal.close()
    content = read(directory)
    assert content.records == seqs(0, 10) and content.damages == [] and content.tail is None


def test_a_disk_without_room_for_a_new_segment_lets_the_journal_go_on_later(directory: Path) -> None:
    journal = JournalAppender.open(directory)
    with file_size_limit(100):
        for _ in range(3):
            with pytest.raises(JournalFull, match="cannot be"):
                journal.add_session(info(7), 0)
        assert journal.next_seq(7) is None
    journal.add_session(info(7), 0)
    append(journal)
    journal.sync()
    journal.close()
    content = read(directory)
    assert content.records == seqs(0, 2) and content.damages == []


def test_a_disk_that_stays_full_does_not_get_segment_after_segment(directory: Path) -> None:
    def pwritev(fd: int, content: Sequence[memoryview], position: int) -> int:
        if position:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.pwritev(fd, content, position)

    make_three_segments(directory)
    journal = reopen(directory, replace(UNSYNCED, pwritev=pwritev), segment_size=1)
    for _ in range(5):
        with pytest.raises(JournalFull):
            append(journal)
    journal.close()
    assert len(segments(directory)) == 4


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Have the kernel refuse to let a file grow beyond a size; it writes what fits."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("call", [0, 1])
def test_a_recovery_that_cannot_sync_file_and_directory_makes_nothing_durable(directory: Path, call: int) -> None:
    make_one_segment(directory)
    with pytest.raises(JournalFull, match="cannot be recovered"):
        reopen(directory, Disk(call).files)
    assert read(directory).records == seqs(0, 12)


def test_what_a_failed_sync_gave_up_does_not_come_back_with_the_next_writer(directory: Path) -> None:
    make_one_segment(directory)
    journal = reopen(directory, Disk(3).files)  # after the two syncs of the recovery, and a write
    append(journal)
    with pytest.raises(JournalFull):
        journal.sync()
    journal.close()
    assert read(directory).records == seqs(0, 12)
    assert reopen(directory).next_seq(7) == 12


@pytest.mark.parametrize("most", [1, 7, 64, 100])
def test_a_disk_that_takes_only_a_part_of_each_write_gets_the_rest_too(directory: Path, most: int) -> None:
    def pwritev(fd: int, content: Sequence[memoryview], position: int) -> int:
        return os.pwrite(fd, b"".join(content)[:most], position)

    journal = reopen(directory, replace(UNSYNCED, pwritev=pwritev))
    journal.add_session(info(7), 0)
    journal.append(7, 0, [ticks(7, 0, 3), ticks(7, 3, 0), ticks(7, 3, 5)])
    journal.sync()
    journal.close()
    content = read(directory)
    assert content.records == seqs(0, 8) and content.damages == [] and content.tail is None


def test_a_segment_gets_its_name_when_it_is_on_the_disk_and_then_the_name_is_made_durable(directory: Path) -> None:
    synced: list[list[str]] = []

    def fsync(fd: int) -> None:
        names = sorted(path.name for path in directory.iterdir())
        synced.append([*names, "directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"])

    directory.mkdir()
    journal = reopen(directory, replace(UNSYNCED, fsync=fsync))
    journal.add_session(info(7), 0)
    journal.close()
    name = segment_file_name(0)
    assert synced == [["segment.new", "file"], [name, "directory"]]


# A dying writer

WRITER = """
import sys
from ringbuf.journal.appender import JournalAppender
from tests.journals import info, ticks
journal = JournalAppender.open(sys.argv[1], segment_size=20_000)
for session in (1, 2, 3):
    journal.add_session(info(session), 0)
while True:
    for session in (1, 2, 3):
        seq = journal.next_seq(session)
        journal.append(session, seq, [ticks(session, seq, 1 + seq % 7), ticks(session, seq + 1 + seq % 7, seq % 3)])
    journal.sync()
    print(*(journal.durable_seq(session) for session in (1, 2, 3)), flush=True)
"""


def start_writer(directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(directory)], stdout=subprocess.PIPE, text=True)


def test_a_writer_killed_again_and_again_keeps_everything_it_synced(directory: Path) -> None:
    for lines in (1, 30, 7):
        with start_writer(directory) as writer:
            assert writer.stdout is not None
            for _ in range(lines):
                synced = [int(each) for each in writer.stdout.readline().split()]
            writer.kill()
            synced = [int(each) for each in (writer.stdout.read().splitlines() or [""])[-1].split()] or synced
        journal = reopen(directory)
        found = [journal.next_seq(session) or 0 for session in (1, 2, 3)]
        journal.close()
        assert all(next_seq >= seq for next_seq, seq in zip(found, synced, strict=True))
        content = read(directory)
        assert content.damages == [] and content.tail is None
        assert sorted(content.records) == seqs(0, found[0], 1) + seqs(0, found[1], 2) + seqs(0, found[2], 3)


def test_a_journal_is_read_while_it_is_written(directory: Path) -> None:
    with start_writer(directory) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        reader, position, tails = JournalReader(directory), 0, 0
        next_seqs = {1: 0, 2: 0, 3: 0}
        while min(next_seqs.values()) < 3_000:
            for item in reader.frames(position):
                assert not isinstance(item, Damage)
                if isinstance(item, Tail):
                    tails += 1
                elif item.kind == SESSION:
                    position = item.end
                else:
                    assert item.first_seq == next_seqs[item.session]
                    assert item.payload == ticks(item.session, item.first_seq, item.count).tobytes()
                    next_seqs[item.session] += item.count
                    position = item.end
        writer.kill()
        writer.stdout.read()
