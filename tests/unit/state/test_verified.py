"""What the database was once known to have, on disk."""

import contextlib
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuf.errors import JournalCorrupt, JournalFull, JournalVersion, RingbufError
from ringbuf.journal.reader import Damage, Frame, JournalReader
from ringbuf.journal.retention import retain
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.quarantine import Quarantine
from ringbuf.state.verified import Verified, VerifiedFile, decode, encode, load, seen_in
from tests.journals import TICK, flip, make_three_segments, segments

STATE = Verified("database a", SeqSet([Range(2**64 - 1, 0, 7), Range(3, 5, 1)]), SeqSet([Range(3, 6, 2)]))
GOLDEN = (
    b'{"crc":"62ce2969","state":{"destination":"database a","expired":[[3,6,2]],"seen":[[3,5,1],'
    b'[18446744073709551615,0,7]]},"version":1}\n'
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
    assert seen_in(directory, bases[0], bases[2]).ranges == (Range(7, 0, 1), Range(7, 2, 4))
    flip(segments(directory.journal)[0], frames[2].offset + 3)  # its header: what it has nobody can tell any more
    assert seen_in(directory, bases[0], bases[2]).ranges == (Range(7, 0, 1), Range(7, 4, 2))


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
