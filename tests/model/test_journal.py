"""The journal against a plain list of (session, seq), under restarts, crashes, failing disks and flipped bits."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ringbuf.errors import JournalFull
from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.frame import HEADER_SIZE
from ringbuf.journal.reader import SESSION, Frame
from ringbuf.journal.retention import retain
from tests.failing_disk import FailingDisk, refusal
from tests.journals import flip, info, read, segments, ticks

SEGMENT_SIZE = 2_048  # so that a segment is full after a few frames
SESSIONS = st.integers(1, 3)


class Disk(FailingDisk):
    """A disk whose next write, cut or sync can be made to fail, once."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: set[str] = set()

    def failure(self, call: str) -> OSError | None:
        if call not in self.failing:
            return None
        self.failing.remove(call)
        return refusal(errno.ENOSPC if call == "pwritev" else errno.EIO)


class JournalMachine(RuleBasedStateMachine):
    """`records` is what the journal must hold, `next_seqs` what each session must expect."""

    @initialize()
    def open_empty(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="ringbuf-journal-"))
        self.disk = Disk()
        self.journal = self.open()
        self.records: list[tuple[int, int]] = []
        self.next_seqs: dict[int, int] = {}

    def open(self) -> JournalAppender:
        return JournalAppender.open(self.directory, segment_size=SEGMENT_SIZE, files=self.disk.files)

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
            shutil.rmtree(self.directory)

    def durable(self) -> list[tuple[int, int]]:
        content = read(self.directory, end=self.journal.durable_end)
        assert content.damages == []
        return content.records

    @rule(session=SESSIONS, first_seq=st.integers(0, 2**63))
    def add_session(self, session: int, first_seq: int) -> None:
        self.journal.add_session(info(session), self.next_seqs.get(session, first_seq))
        self.next_seqs.setdefault(session, first_seq)

    @precondition(lambda self: self.next_seqs)
    @rule(data=st.data(), counts=st.lists(st.integers(1, 9), min_size=1, max_size=3))
    def append(self, data: st.DataObject, counts: list[int]) -> None:
        self.append_to(data.draw(st.sampled_from(sorted(self.next_seqs))), counts)

    def append_to(self, session: int, counts: list[int]) -> None:
        first_seq = seq = self.next_seqs[session]
        views = []
        for count in counts:
            views.append(ticks(session, seq, count))
            seq += count
        self.journal.append(session, first_seq, views)
        self.records += [(session, each) for each in range(first_seq, seq)]
        self.next_seqs[session] = seq

    @rule()
    def sync(self) -> None:
        self.journal.sync()
        assert self.durable() == self.records

    @precondition(lambda self: self.next_seqs)
    @rule(
        calls=st.sets(st.sampled_from(["pwritev", "ftruncate", "fdatasync", "fsync"]), min_size=1),
        written_before=st.integers(0, 400),
        data=st.data(),
    )
    def fail(self, calls: set[str], written_before: int, data: st.DataObject) -> None:
        """Append and sync on a disk that fails."""
        before = self.durable()
        can_go_back = not calls.isdisjoint({"fdatasync", "ftruncate"})
        self.disk.failing, self.disk.written = calls, written_before
        try:
            self.append_to(data.draw(st.sampled_from(sorted(self.next_seqs))), [3])
            self.journal.sync()
        except JournalFull:
            after = self.durable()
            assert after[: len(before)] == before
            if any(self.journal.next_seq(session) != seq for session, seq in self.next_seqs.items()):
                assert can_go_back
                self.go_back_to(after)
        self.disk.failing = set()

    def go_back_to(self, durable: list[tuple[int, int]]) -> None:
        assert durable == self.records[: len(durable)]
        for session, seq in reversed(self.records[len(durable) :]):
            self.next_seqs[session] = seq
        self.records = durable

    @rule()
    def restart(self) -> None:
        """The writer is killed; what it wrote is in the page cache."""
        expected = read(self.directory).records
        self.recover(expected)

    @rule(data=st.data())
    def lose_power(self, data: st.DataObject) -> None:
        """The host is lost; of what was not synced a prefix is on the disk."""
        frames = read(self.directory).frames
        end = self.journal.durable_end
        if paths := segments(self.directory):
            base, size = int(paths[-1].stem), paths[-1].stat().st_size
            end = base + data.draw(st.integers(max(0, end - base), size))
            os.truncate(paths[-1], end - base)
        self.recover([record for frame in frames if frame.end <= end for record in identities(frame)])

    def recover(self, expected: list[tuple[int, int]]) -> None:
        durable = self.durable()
        self.journal.close()
        self.journal = self.open()
        assert expected[: len(durable)] == durable
        assert self.durable() == expected
        self.records = expected
        next_seqs = {session: self.journal.next_seq(session) for session in self.next_seqs}
        self.next_seqs = {session: next_seq for session, next_seq in next_seqs.items() if next_seq is not None}
        for session, seq in expected:
            assert seq < self.next_seqs[session]

    @precondition(lambda self: len(segments(self.directory)) > 1)
    @rule(data=st.data(), max_bytes=st.integers(0, 3 * SEGMENT_SIZE))
    def retain(self, data: st.DataObject, max_bytes: int) -> None:
        frames = read(self.directory, end=self.journal.durable_end).frames
        checkpoint = data.draw(st.sampled_from([frame.end for frame in frames]))
        bases = [int(path.stem) for path in segments(self.directory)]
        removed = retain(self.journal.directory, checkpoint, max_bytes=max_bytes)
        first, *others = [int(path.stem) for path in segments(self.directory)]
        assert [first, *others] == bases[removed:]
        assert first <= checkpoint
        self.records = self.records[sum(frame.count for frame in frames if frame.offset < first) :]

    @precondition(lambda self: len(segments(self.directory)) > 0)
    @rule(data=st.data(), bit=st.integers(0, 7))
    def flip_a_bit(self, data: st.DataObject, bit: int) -> None:
        """A bit costs the frame it is in, or the records its session frame describes, and nothing else."""
        paths = segments(self.directory)
        ends = [int(path.stem) for path in paths[1:]] + [1 << 62]
        path, end = data.draw(st.sampled_from(list(zip(paths, ends, strict=True))))
        position = data.draw(st.integers(0, min(path.stat().st_size, end - int(path.stem)) - 1))
        frames = read(self.directory).frames
        flip(path, position, bit)
        left = {frame.offset for frame in read(self.directory).frames}
        flip(path, position, bit)
        lost = [frame for frame in frames if frame.offset not in left]
        offset = int(path.stem) + position
        hit = [frame for frame in frames if frame.offset <= offset < frame.offset + HEADER_SIZE + frame.length]
        if hit and hit[0].kind == SESSION:
            assert hit[0] in lost and all(frame.session == hit[0].session for frame in lost)
        else:
            assert lost == hit

    @invariant()
    def the_journal_holds_what_was_appended(self) -> None:
        durable = self.durable()
        assert durable == self.records[: len(durable)]
        for session, next_seq in self.next_seqs.items():
            pending = sum(each == session for each, _ in self.records[len(durable) :])
            assert self.journal.next_seq(session) == next_seq
            assert self.journal.durable_seq(session) == next_seq - pending


def identities(frame: Frame) -> list[tuple[int, int]]:
    """Session and seq of each record of a frame."""
    return [(frame.session, frame.first_seq + index) for index in range(frame.count)]


TestJournal = JournalMachine.TestCase
JournalMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
