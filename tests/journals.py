"""Small journals for tests: records of 24 bytes, journals of one segment and of three, and what a journal holds."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.files import Files
from ringbuf.journal.frame import HEADER_SIZE
from ringbuf.journal.reader import SESSION, Damage, Frame, JournalReader, Tail
from ringbuf.record.schema import Records, Schema
from ringbuf.record.session import SessionInfo

TICK = Schema.define("tick", [("value", "u8")])
CREATED_NS = 1_700_000_000_000_000_000

FRAMES = 6
PER_FRAME = 2
FRAME_SIZE = HEADER_SIZE + 64  # two records of 24 bytes, padded


def no_sync(_: int) -> None:
    """In place of a sync, where losing the host is not what a test is about."""


UNSYNCED = Files(fdatasync=no_sync, fsync=no_sync)


def info(session: int) -> SessionInfo:
    """Description of a ring of ticks."""
    return SessionInfo(session, f"ring-{session}", "host", 42, "test", CREATED_NS, TICK)


def ticks(session: int, first_seq: int, count: int) -> Records:
    """Records whose value follows from session and seq."""
    records = np.zeros(count, TICK.dtype)
    records["session"] = session
    records["seq"] = np.arange(first_seq, first_seq + count, dtype=np.uint64)
    records["value"] = records["seq"] * 1_000 + session
    return records


@dataclass
class Content:
    """What a reader finds: records as (session, seq), damaged regions, and the tail."""

    records: list[tuple[int, int]]
    frames: list[Frame]
    damages: list[Damage]
    tail: Tail | None


def read(directory: Path, begin: int | None = None, end: int | None = None) -> Content:
    """Read a journal, check every record's bytes and that everything there is was covered."""
    reader = JournalReader(directory)
    bases = {segment.base for segment in reader.segments()}
    content = Content([], [], [], None)
    position = begin if begin is not None else min(bases, default=0)
    for item in reader.frames(begin, end):
        while position in bases and position < item.offset:
            position += HEADER_SIZE  # of an intact segment header
        assert item.offset == position
        assert item.end > position
        position = item.end
        match item:
            case Damage():
                content.damages.append(item)
            case Tail():
                content.tail = item
            case Frame():
                content.frames.append(item)
                if item.kind != SESSION:
                    records = item.records(TICK)
                    assert records.tobytes() == ticks(item.session, item.first_seq, item.count).tobytes()
                    content.records += zip(records["session"].tolist(), records["seq"].tolist(), strict=True)
    return content


def segments(directory: Path) -> list[Path]:
    """The segment files, oldest first."""
    return [segment.path for segment in JournalReader(directory).segments()]


def flip(path: Path, position: int, bit: int = 0) -> None:
    """Change one bit of a file."""
    with path.open("r+b") as file:
        (byte,) = os.pread(file.fileno(), 1, position)
        os.pwrite(file.fileno(), bytes([byte ^ 1 << bit]), position)


def seqs(first: int, end: int, session: int = 7) -> list[tuple[int, int]]:
    """Identities of consecutive records."""
    return [(session, seq) for seq in range(first, end)]


def reopen(directory: Path, files: Files = UNSYNCED, segment_size: int = 1 << 20) -> JournalAppender:
    """Open a journal that never waits for the disk."""
    return JournalAppender.open(directory, files=files, segment_size=segment_size)


def append(journal: JournalAppender, frames: int = 1, session: int = 7) -> None:
    """Append frames of two records."""
    for _ in range(frames):
        first_seq = journal.next_seq(session)
        assert first_seq is not None
        journal.append(session, first_seq, [ticks(session, first_seq, PER_FRAME)])


def make_one_segment(directory: Path) -> Path:
    """Make a journal of one segment: a session frame and six frames of two records."""
    journal = reopen(directory)
    journal.add_session(info(7), 0)
    append(journal, FRAMES)
    journal.sync()
    journal.close()
    return directory


def make_three_segments(directory: Path) -> Path:
    """Make a journal of three segments, each with a session frame and two frames of two records."""
    session_frame = HEADER_SIZE + len(info(7).encode())
    journal = reopen(directory, segment_size=HEADER_SIZE + session_frame + 64 + 2 * FRAME_SIZE)
    journal.add_session(info(7), 0)
    append(journal, FRAMES)
    journal.sync()
    journal.close()
    assert len(segments(directory)) == 3
    return directory


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where a journal is to be; it does not exist yet."""
    return tmp_path / "journal"


@pytest.fixture
def one_segment(directory: Path) -> Path:
    """The directory of a journal of one segment."""
    return make_one_segment(directory)


@pytest.fixture
def three_segments(directory: Path) -> Path:
    """The directory of a journal of three segments."""
    return make_three_segments(directory)
