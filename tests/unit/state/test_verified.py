"""What the database was once known to have, on disk."""

import contextlib
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuf.errors import JournalCorrupt, JournalFull, JournalVersion, RingbufError
from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.reader import Damage, Frame, JournalReader
from ringbuf.journal.retention import retain
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.quarantine import Quarantine
from ringbuf.state.verified import DAY_NS, Passage, Verified, VerifiedFile, decode, encode, load, pass_through
from tests.journals import TICK, UNSYNCED, append, flip, info, make_three_segments, segments

STATE = Verified(
    "database a",
    SeqSet([Range(2**64 - 1, 0, 7), Range(3, 5, 1)]),
    SeqSet([Range(3, 6, 2)]),
    {3: {20_000: 6, 20_001: 8}},
    SeqSet([Range(3, 5, 1)]),
)
GOLDEN = (
    b'{"crc":"53f76222","state":{"days":[[3,20000,6],[3,20001,8]],"destination":"database a","expired":[[3,6,2]],'
    b'"retired":[[3,5,1]],"seen":[[3,5,1],[18446744073709551615,0,7]]},"version":1}\n'
)


def test_the_bytes_are_pinned() -> None:
    assert encode(STATE) == GOLDEN
    assert decode(GOLDEN, "file") == STATE


@given(st.integers(0, len(GOLDEN) - 2), st.integers(1, 255))
def test_every_flipped_byte_is_noticed(at: int, flip: int) -> None:
    damaged = bytearray(GOLDEN)
    damaged[at] ^= flip
    with contextlib.suppress(JournalCorrupt, JournalVersion):
        assert decode(bytes(damaged), "file") == STATE


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", GOLDEN[:-20], GOLDEN.replace(b"[3,6,2]", b"[3,6]")])
def test_what_is_no_state_is_refused(content: bytes) -> None:
    with pytest.raises(JournalCorrupt):
        decode(content, "file")


def opened(path: Path, destination: str, reported: list[RingbufError]) -> VerifiedFile:
    return VerifiedFile.open(DataDirectory(path), destination, 17, reported.append)


def test_what_was_added_is_there_at_the_next_start(tmp_path: Path) -> None:
    reported: list[RingbufError] = []
    file = opened(tmp_path, "a", reported)
    file.change(lambda now: now.with_seen(SeqSet([Range(1, 0, 5)])))
    file.change(lambda now: now.with_seen(SeqSet([Range(1, 5, 5)])).with_expired(SeqSet([Range(1, 20, 1)])))
    again = opened(tmp_path, "a", reported).current
    assert (again.seen.ranges, again.expired.ranges) == ((Range(1, 0, 10),), (Range(1, 20, 1),))
    assert opened(tmp_path, "b", reported).current == Verified("b"), "of another database it tells nothing"
    assert reported == []


def test_what_another_process_has_added_is_kept_and_a_file_that_is_removed_or_damaged_is_made_again(
    tmp_path: Path,
) -> None:
    file, resend = (opened(tmp_path, "a", []) for _ in range(2))
    file.change(lambda now: now.with_seen(SeqSet([Range(1, 0, 5)])))
    resend.change(lambda now: now.with_seen(SeqSet([Range(1, 5, 1)])))
    path = DataDirectory(tmp_path).verified
    for number in range(3):
        if number == 1:
            path.unlink()
        if number == 2:
            path.write_bytes(b"{}")
        file.change(partial(Verified.with_seen, records=SeqSet([Range(2, number, 1)])))
        found = load(path)
        assert found is not None
        assert found.seen.ranges == (Range(1, 0, 6), Range(2, 0, number + 1))


def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    reported: list[RingbufError] = []
    directory.verified.write_bytes(b"{}")
    assert opened(tmp_path, "a", reported).current == Verified("a")
    assert len(reported) == 1
    assert directory.damaged_verified(17).read_bytes() == b"{}"
    assert load(directory.verified) is None


def test_of_what_is_deleted_the_frames_that_were_loaded_are_noted(tmp_path: Path) -> None:
    """Not what was refused, nor what could not be read then, whether or not it can be read now."""
    directory = DataDirectory(tmp_path)
    make_three_segments(directory.journal)
    frames = {each.first_seq: each for each in JournalReader(directory.journal).frames() if isinstance(each, Frame)}
    quarantine = Quarantine(directory.quarantine)
    quarantine.add_records(TICK, Range(7, 1, 1), bytes(TICK.record_size), "refused")
    quarantine.add_damage(Damage(frames[6].offset, frames[6].end, "no segment held it"))
    bases = [each.base for each in JournalReader(directory.journal).segments()]
    assert pass_through(directory, bases[0], bases[2]).seen.ranges == (Range(7, 0, 1), Range(7, 2, 4))
    flip(segments(directory.journal)[0], frames[2].offset + 3)  # its header: what it has nobody can tell any more
    assert pass_through(directory, bases[0], bases[2]).seen.ranges == (Range(7, 0, 1), Range(7, 4, 2))


def test_a_segment_is_deleted_after_what_is_known_of_it_was_noted(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    make_three_segments(directory.journal)
    bases = [each.base for each in JournalReader(directory.journal).segments()]
    noted = []

    def note(begin: int, end: int) -> None:
        noted.append((begin, end))
        if len(noted) == 1:
            raise JournalFull("the disk is full")
        assert len(segments(directory.journal)) == 3

    with pytest.raises(JournalFull):
        retain(directory.journal, bases[2], max_bytes=0, note=note)
    assert retain(directory.journal, bases[2], max_bytes=0, note=note) == 2
    assert noted == 2 * [(bases[0], bases[2])]
    assert retain(directory.journal, bases[2], max_bytes=0, note=note) == 0
    assert len(noted) == 2, "there is nothing to note if nothing is deleted"


def test_what_was_journaled_before_a_day_is_retired_as_far_as_it_was_seen() -> None:
    first = Passage(64, SeqSet([Range(1, 0, 10), Range(2, 3, 4)]), {1: {100: 4, 101: 10}, 2: {101: 7}})
    second = Passage(128, SeqSet([Range(1, 10, 5), Range(1, 20, 1)]), {1: {101: 12, 103: 21}})
    found = Verified("a").with_journaled(first).with_journaled(second)
    assert found.days == {1: {100: 4, 101: 12, 103: 21}, 2: {101: 7}}
    assert found.without_older(100).retired == SeqSet()
    assert found.without_older(101).retired.ranges == (Range(1, 0, 4),)
    later = found.without_older(103)
    assert later.retired.ranges == (Range(1, 0, 12), Range(2, 3, 4))
    assert later.days == {1: {103: 21}}
    assert later.without_older(104).retired.ranges == (Range(1, 0, 15), Range(1, 20, 1), Range(2, 3, 4))
    set_back = Passage(192, SeqSet([Range(1, 21, 1)]), {1: {90: 22}})
    assert found.with_journaled(set_back).days[1] == {100: 4, 101: 12, 103: 22}
    assert later.without_older(104).without_older(105) == later.without_older(104)


def test_a_part_of_a_journal_ends_before_what_is_younger_and_a_clock_set_back_makes_nothing_older(
    tmp_path: Path,
) -> None:
    directory = DataDirectory(tmp_path)
    now = [100 * DAY_NS]
    journal = JournalAppender.open(directory.journal, files=UNSYNCED, clock=lambda: now[0])
    journal.add_session(info(7), 0)
    ends = []
    for day in (100, 102, 101, 103, 100):
        now[0] = day * DAY_NS
        append(journal)
        ends.append(journal.sync())
    journal.close()
    found = pass_through(directory, 0, ends[-1], before_day=103)
    assert (found.end, found.seen.ranges) == (ends[2], (Range(7, 0, 6),))
    assert found.days == {7: {100: 2, 102: 6}}
    again = pass_through(directory, found.end, ends[-1], before_day=103)
    assert (again.end, again.seen, again.days) == (ends[2], SeqSet(), {})
    assert pass_through(directory, found.end, ends[-1], before_day=104).days == {7: {103: 10}}
