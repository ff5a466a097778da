"""What is accepted into a journal, what it remembers of sessions, and what it keeps."""

from dataclasses import replace
from pathlib import Path

import pytest

from ringbuf.errors import JournalError
from ringbuf.journal.reader import JournalReader
from ringbuf.journal.retention import retain
from tests.journals import (
    append,
    info,
    read,
    reopen,
    segments,
    seqs,
    ticks,
)


def test_only_records_that_continue_a_known_session_are_accepted(one_segment: Path) -> None:
    journal = reopen(one_segment)
    with pytest.raises(JournalError, match="expects seq 12 next, not 13"):
        journal.append(7, 13, [ticks(7, 13, 1)])
    with pytest.raises(JournalError, match="expects seq 12 next, not 11"):
        journal.append(7, 11, [ticks(7, 11, 1)])
    with pytest.raises(JournalError, match="session 0000000000000008 is not known"):
        journal.append(8, 0, [ticks(8, 0, 1)])
    with pytest.raises(JournalError, match=r"1 records of \[8\] bytes"):
        journal.append(7, 12, [ticks(7, 12, 1)[["seq"]].astype([("seq", "<u8")])])
    with pytest.raises(JournalError, match=r"0 records of \[\] bytes"):
        journal.append(7, 12, [])
    with pytest.raises(JournalError, match="give 1 to 699050 records"):
        journal.append(7, 12, [ticks(7, 12, 699_051)])
    journal.append(7, 12, [ticks(7, 12, 699_050)])
    assert journal.next_seq(7) == 699_062
    journal.close()


def test_a_frame_of_more_parts_than_a_call_takes_is_written_whole(directory: Path) -> None:
    journal = reopen(directory)
    journal.add_session(info(7), 0)
    journal.append(7, 0, [ticks(7, seq, 1) for seq in range(3000)])
    journal.sync()
    journal.close()
    assert read(directory).records == seqs(0, 3000)


def test_a_ring_ahead_of_the_journal_goes_on_with_a_gap_that_is_logged(
    one_segment: Path, caplog: pytest.LogCaptureFixture
) -> None:
    size = segments(one_segment)[0].stat().st_size
    journal = reopen(one_segment)
    journal.add_session(info(7), 12)
    journal.add_session(info(7), 5)
    assert journal.next_seq(7) == 12
    assert journal.sync() == segments(one_segment)[0].stat().st_size == size, "nothing new was to be written"
    assert caplog.text == ""
    journal.add_session(info(7), 20)
    assert "records 12 to 19 of session 0000000000000007 (ring 'ring-7')" in caplog.text
    append(journal)
    journal.sync()
    journal.close()
    assert read(one_segment).records == seqs(0, 12) + seqs(20, 22)
    assert reopen(one_segment).next_seq(7) == 22


def test_a_session_described_anew_is_durable_no_further_than_before(one_segment: Path) -> None:
    journal = reopen(one_segment)
    append(journal)
    changed = replace(info(7), pid=43)
    journal.add_session(changed, 0)
    assert (journal.next_seq(7), journal.durable_seq(7)) == (14, 12)
    journal.sync()
    assert (journal.next_seq(7), journal.durable_seq(7)) == (14, 14)
    journal.close()
    reader = JournalReader(one_segment)
    assert len(list(reader.frames())) == 1 + 6 + 2
    assert reader.sessions == {7: changed}


def test_a_session_is_forgotten_when_it_is_dropped_and_a_segment_begun(three_segments: Path) -> None:
    journal = reopen(three_segments, segment_size=1)
    journal.add_session(info(8), 100)
    append(journal, session=8)
    journal.sync()
    assert journal.sessions.keys() == {7, 8}
    journal.drop_session(7)
    append(journal, 2, session=8)
    journal.sync()
    journal.close()
    journal = reopen(three_segments)
    assert journal.sessions.keys() == {8}
    assert journal.next_seq(8) == 106
    journal.close()


def test_retention_removes_whole_old_segments_below_the_checkpoint(three_segments: Path) -> None:
    journal = reopen(three_segments)
    first, middle, last = segments(three_segments)
    assert retain(three_segments, int(last.stem) - 64, max_bytes=10**9) == 0
    assert retain(three_segments, int(middle.stem) - 64, max_bytes=0) == 0
    assert retain(three_segments, int(last.stem) - 64, max_bytes=0) == 1
    assert segments(three_segments) == [middle, last]
    assert retain(three_segments, 10**9, max_bytes=0) == 1
    assert retain(three_segments, 10**9, max_bytes=0) == 0
    assert segments(three_segments) == [last]
    append(journal)
    journal.sync()
    journal.close()
    assert read(three_segments).records == seqs(8, 14)
    assert not first.exists()


def test_retention_removes_no_more_than_is_too_much(three_segments: Path) -> None:
    total = sum(path.stat().st_size for path in segments(three_segments))
    assert retain(three_segments, 10**9, max_bytes=total) == 0
    assert retain(three_segments, 10**9, max_bytes=total - 1) == 1
    assert len(segments(three_segments)) == 2
