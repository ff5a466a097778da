"""What becomes of a journal with torn, flipped, missing and foreign bytes."""

import logging
import os
import shutil
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ringbuf.errors import ConfigurationError, JournalCorrupt, JournalError, JournalVersion
from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.frame import HEADER_SIZE, encode_segment_header
from ringbuf.journal.reader import Damage, Frame, JournalReader
from ringbuf.record.schema import Schema
from tests.journals import (
    CREATED_NS,
    FRAME_SIZE,
    FRAMES,
    PER_FRAME,
    UNSYNCED,
    append,
    flip,
    info,
    read,
    reopen,
    segments,
    seqs,
)

# Torn tails


def test_a_frame_torn_at_any_byte_is_cut_off_and_the_journal_goes_on(one_segment: Path, tmp_path: Path) -> None:
    whole = segments(one_segment)[0].read_bytes()
    begin = len(whole) - FRAME_SIZE
    copy = tmp_path / "copy"
    for end in range(begin, len(whole)):
        copy.mkdir()
        (path := copy / segments(one_segment)[0].name).write_bytes(whole[:end])
        content = read(copy)
        assert content.records == seqs(0, 10) and content.damages == []
        assert content.tail is None if end == begin else (content.tail and content.tail.offset == begin)
        assert path.read_bytes() == whole[:end], "a reader changed the file"
        journal = reopen(copy)
        assert (journal.next_seq(7), journal.durable_end) == (10, begin)
        append(journal)
        journal.sync()
        journal.close()
        content = read(copy)
        assert content.records == seqs(0, 12) and content.damages == [] and content.tail is None
        shutil.rmtree(copy)


@pytest.mark.parametrize("garbage", [bytes(1), bytes(4096), b"\xff" * 777, b"RBFR" * 5000])
def test_garbage_behind_the_last_frame_is_a_tail_and_cut_off(
    one_segment: Path, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = segments(one_segment)[0]
    whole = path.read_bytes()
    path.write_bytes(whole + garbage)
    tail = read(one_segment).tail
    assert tail is not None and (tail.offset, tail.end) == (len(whole), len(whole) + len(garbage))
    with caplog.at_level(logging.WARNING):
        reopen(one_segment).close()
    assert f"{len(garbage)} bytes from {len(whole)} on are torn and cut off" in caplog.text
    assert path.read_bytes() == whole


def test_a_torn_tail_of_several_frames_is_cut_off_as_one(one_segment: Path) -> None:
    path = segments(one_segment)[0]
    end = path.stat().st_size
    for frame in (2, 1):
        flip(path, end - frame * FRAME_SIZE + HEADER_SIZE)
    content = read(one_segment)
    assert content.records == seqs(0, 8) and content.damages == []
    assert content.tail is not None and content.tail.offset == end - 2 * FRAME_SIZE
    journal = reopen(one_segment)
    assert (journal.next_seq(7), path.stat().st_size) == (8, end - 2 * FRAME_SIZE)
    journal.close()


def test_what_the_writer_said_is_durable_is_damage_when_it_is_torn(one_segment: Path) -> None:
    path = segments(one_segment)[0]
    end = path.stat().st_size
    os.truncate(path, end - 40)
    content = read(one_segment, end=end)
    assert content.tail is None and content.records == seqs(0, 10)
    assert [(each.offset, each.end) for each in content.damages] == [(end - FRAME_SIZE, end - 40), (end - 40, end)]
    assert content.damages[0].header is not None and content.damages[0].header.first_seq == 10


# Damage


@pytest.mark.parametrize("frame", range(FRAMES - 1))
@pytest.mark.parametrize("position", [0, 4, 6, 8, 16, 24, 28, 32, 36, 40, 48, 56, 60])
def test_a_damaged_frame_header_costs_that_frame_and_is_never_cut_away(
    one_segment: Path, frame: int, position: int
) -> None:
    path = segments(one_segment)[0]
    offset = path.stat().st_size - (FRAMES - frame) * FRAME_SIZE
    flip(path, offset + position, bit=5)
    damaged = path.read_bytes()
    content = read(one_segment)
    assert content.records == seqs(0, 2 * frame) + seqs(2 * frame + 2, 12) and content.tail is None
    (damage,) = content.damages
    assert (damage.offset, damage.end, damage.header) == (offset, offset + FRAME_SIZE, None)
    journal = reopen(one_segment)
    assert journal.next_seq(7) == 12
    append(journal)
    journal.sync()
    journal.close()
    assert path.read_bytes()[: len(damaged)] == damaged
    assert read(one_segment).records == seqs(0, 2 * frame) + seqs(2 * frame + 2, 14)


def test_a_damaged_payload_names_the_records_it_costs(one_segment: Path) -> None:
    path = segments(one_segment)[0]
    offset = path.stat().st_size - 2 * FRAME_SIZE
    for position in range(2 * PER_FRAME * 12):
        flip(path, offset + HEADER_SIZE + position, position % 8)
        content = read(one_segment)
        flip(path, offset + HEADER_SIZE + position, position % 8)
        assert content.records == seqs(0, 8) + seqs(10, 12)
        (damage,) = content.damages
        assert damage.header is not None
        assert (damage.header.session, damage.header.first_seq, damage.header.count) == (7, 8, 2)
        assert "records 8 to 9 of session 0000000000000007 has payload CRC 0x" in damage.reason


@pytest.mark.parametrize("position", [0, 8, 12, 16, 24, 40, 60])
def test_a_damaged_segment_header_costs_no_record(three_segments: Path, position: int) -> None:
    for path in segments(three_segments):
        flip(path, position)
    content = read(three_segments)
    assert content.records == seqs(0, 12)
    assert [each.offset for each in content.damages] == [int(path.stem) for path in segments(three_segments)]
    assert content.tail is None


def test_behind_a_segment_whose_header_is_damaged_a_new_one_is_begun(three_segments: Path) -> None:
    last = segments(three_segments)[-1]
    flip(last, 20)
    damaged = last.read_bytes()
    journal = reopen(three_segments)
    append(journal)
    journal.sync()
    journal.close()
    assert last.read_bytes() == damaged
    assert len(segments(three_segments)) == 4
    content = read(three_segments)
    assert content.records == seqs(0, 14) and len(content.damages) == 1


def test_a_damaged_session_frame_is_made_up_for_by_another_segment(three_segments: Path) -> None:
    for path in segments(three_segments)[1:]:
        flip(path, HEADER_SIZE + 70)
    content = read(three_segments)
    assert content.records == seqs(0, 12)
    assert len(content.damages) == 2
    begin = int(segments(three_segments)[1].stem)
    assert read(three_segments, begin).records == seqs(4, 12)
    journal = reopen(three_segments)
    assert journal.next_seq(7) == 12
    append(journal)
    journal.close()


def test_records_that_no_session_frame_describes_are_kept_and_found_again(one_segment: Path) -> None:
    path = segments(one_segment)[0]
    flip(path, HEADER_SIZE + 70)
    content = read(one_segment)
    assert content.records == [] and content.tail is None
    assert len(content.damages) == 1 + FRAMES
    assert "which no session frame describes" in content.damages[-1].reason
    journal = reopen(one_segment)
    assert journal.next_seq(7) is None
    journal.add_session(info(7), 3)
    assert journal.next_seq(7) == 12
    append(journal)
    journal.sync()
    journal.close()
    assert read(one_segment).records == seqs(0, 14)


def test_who_begins_in_the_middle_of_a_segment_knows_its_sessions(one_segment: Path) -> None:
    end = segments(one_segment)[0].stat().st_size
    reader = JournalReader(one_segment)
    assert list(reader.frames(end)) == []
    assert reader.sessions == {7: info(7)}


def test_a_missing_segment_is_damage_from_its_begin_to_its_end(three_segments: Path) -> None:
    _, middle, last = segments(three_segments)
    middle.unlink()
    content = read(three_segments)
    assert content.records == seqs(0, 4) + seqs(8, 12)
    assert [(each.offset, each.end) for each in content.damages] == [(int(middle.stem), int(last.stem))]


def test_a_missing_first_segment_is_damage_for_who_still_needs_it(three_segments: Path) -> None:
    first, middle, _ = segments(three_segments)
    first.unlink()
    assert read(three_segments).damages == []
    content = read(three_segments, 0)
    assert content.records == seqs(4, 12)
    assert [(each.offset, each.end) for each in content.damages] == [(0, int(middle.stem))]


def test_all_segments_missing_is_damage_for_who_still_needs_them(three_segments: Path) -> None:
    for path in segments(three_segments):
        path.unlink()
    assert read(three_segments).records == []
    assert [(each.offset, each.end) for each in read(three_segments, 640, 1280).damages] == [(640, 1280)]


def test_a_missing_last_segment_never_lets_an_offset_be_used_twice(three_segments: Path) -> None:
    *_, last = segments(three_segments)
    checkpoint = int(last.stem) + last.stat().st_size
    last.unlink()
    journal = JournalAppender.open(three_segments, not_below=checkpoint, files=UNSYNCED)
    assert (journal.durable_end, journal.next_seq(7)) == (checkpoint, 8)
    journal.add_session(info(7), 12)
    append(journal)
    journal.sync()
    journal.close()
    assert read(three_segments, checkpoint).records == seqs(12, 14)
    content = read(three_segments)
    assert content.records == seqs(0, 8) + seqs(12, 14)
    assert [each.end for each in content.damages] == [checkpoint]


@pytest.mark.parametrize("left", [0, 1, 63, 64])
def test_an_emptied_segment_in_the_middle_is_damage(three_segments: Path, left: int) -> None:
    _, middle, last = segments(three_segments)
    os.truncate(middle, left)
    content = read(three_segments)
    assert content.records == seqs(0, 4) + seqs(8, 12)
    assert content.damages[-1].end == int(last.stem)
    assert reopen(three_segments).next_seq(7) == 12


@pytest.mark.parametrize("left", [b"", b"RBJOURNL", bytes(64), bytes(4096), b"\xa5" * 1000])
def test_a_last_segment_with_nothing_intact_is_written_anew(three_segments: Path, left: bytes) -> None:
    *_, last = segments(three_segments)
    last.write_bytes(left)
    content = read(three_segments)
    assert content.records == seqs(0, 8) and content.damages == []
    assert (content.tail.end - content.tail.offset if content.tail else 0) == len(left)
    journal = reopen(three_segments)
    assert (journal.next_seq(7), journal.durable_end) == (8, int(last.stem))
    append(journal, 2)
    journal.sync()
    journal.close()
    assert len(segments(three_segments)) == 3
    content = read(three_segments)
    assert content.records == seqs(0, 12) and content.damages == [] and content.tail is None


def test_bytes_of_another_journal_are_not_taken_for_frames_of_this_one(one_segment: Path, tmp_path: Path) -> None:
    """A disk may give blocks of deleted files back after a crash: intact frames, but of another place."""
    other = reopen(tmp_path / "other")
    other.add_session(info(8), 0)
    append(other, 9, session=8)
    other.close()
    path = segments(one_segment)[0]
    stale = segments(tmp_path / "other")[0].read_bytes()[-5 * FRAME_SIZE :]
    with path.open("ab") as file:
        file.write(bytes(64) + stale)
    content = read(one_segment)
    assert content.records == seqs(0, 12) and content.damages == [] and content.tail is not None


def test_a_journal_inside_a_record_is_not_taken_for_frames(one_segment: Path, directory: Path) -> None:
    file_schema = Schema.define("file", [("content", "V240")])
    journal = reopen(directory)
    journal.add_session(replace(info(9), schema=file_schema), 0)
    offset = journal.sync()
    record = np.zeros(1, file_schema.dtype)
    record["content"] = np.void(bytes(48) + segments(one_segment)[0].read_bytes()[-FRAME_SIZE:])
    journal.append(9, 0, [record])
    append(journal)
    end = journal.sync()
    journal.close()
    flip(segments(directory)[0], offset)
    *_, damage, frame = JournalReader(directory).frames()
    assert isinstance(damage, Damage) and (damage.offset, damage.end) == (offset, end - FRAME_SIZE)
    assert isinstance(frame, Frame) and (frame.session, frame.first_seq, frame.end) == (7, 12, end)


@pytest.mark.parametrize("segment", [0, 2])
def test_a_journal_of_another_version_is_refused_and_left_alone(three_segments: Path, segment: int) -> None:
    path = segments(three_segments)[segment]
    header = bytearray(encode_segment_header(int(path.stem), CREATED_NS))
    header[8] = 2
    header[60:] = struct.pack("<I", zlib.crc32(header[:60]))
    path.write_bytes(bytes(header) + path.read_bytes()[HEADER_SIZE:] + b"of a later release")
    before = path.read_bytes()
    with pytest.raises(JournalVersion, match=f"{path.name} has format version 2, this release reads version 1"):
        read(three_segments)
    if segment == 2:
        with pytest.raises(JournalVersion):
            reopen(three_segments)
    assert path.read_bytes() == before


def test_what_is_named_like_a_segment_but_is_none_is_refused_by_name(one_segment: Path, tmp_path: Path) -> None:
    for name, make in (
        ("00000000000000006400.journal", os.mkfifo),
        ("00000000000000006400.journal", os.mkdir),
        ("00000000000000006400.journal", lambda path: os.symlink("/dev/zero", path)),
        ("00000000000000006401.journal", lambda path: path.touch()),
        ("99999999999999999999.journal", lambda path: path.touch()),
    ):
        copy = tmp_path / "copy"
        shutil.copytree(one_segment, copy)
        make(copy / name)
        for call in (read, reopen):
            with pytest.raises(JournalCorrupt, match=name):
                call(copy)
        shutil.rmtree(copy)


def test_reading_from_where_no_journal_is_says_so(directory: Path, one_segment: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        read(directory / "nowhere")
    with pytest.raises(JournalError, match="cannot be read"):
        read(segments(one_segment)[0])
    with pytest.raises(JournalError, match="offset 65 is no multiple of 64"):
        read(one_segment, 65)
    with pytest.raises(JournalError, match=r"ends at \d+, asked for offset 640000"):
        read(one_segment, 640_000)


def test_a_directory_that_cannot_be_made_is_a_matter_of_configuration(one_segment: Path) -> None:
    for impossible in (segments(one_segment)[0], segments(one_segment)[0] / "below", Path("/proc/ringbuf/journal")):
        with pytest.raises(ConfigurationError, match="cannot be made"):
            reopen(impossible)


def test_files_of_the_journal_are_for_their_owner_only(one_segment: Path) -> None:
    assert one_segment.stat().st_mode & 0o777 == 0o700
    assert segments(one_segment)[0].stat().st_mode & 0o777 == 0o600
