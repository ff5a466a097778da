"""Reading ahead gives the batches that reading gives."""

from pathlib import Path

import pytest

from ringbuf.errors import JournalError
from ringbuf.journal import JournalReader
from ringbuf.writer.batch import Batch, collect
from ringbuf.writer.journal import Journal
from ringbuf.writer.read_ahead import ReadAhead
from tests.journals import UNSYNCED, info, ticks

FRAMES = 12
PER_FRAME = 3
MAX_BYTES = 3 * PER_FRAME * 24


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = Journal.open(tmp_path, segment_size=1024, files=UNSYNCED)
    made.add_session(info(1), 0)
    for number in range(FRAMES):
        made.append(1, number * PER_FRAME, [ticks(1, number * PER_FRAME, PER_FRAME)])
    made.sync()
    return made


def content(batch: Batch) -> tuple[int, int, list[tuple[str, bytes]]]:
    """A batch as values that can be compared."""
    return batch.begin, batch.end, [(each.token, b"".join(each.body)) for each in batch.inserts]


def test_batches_read_ahead_are_those_read_one_after_the_other(journal: Journal) -> None:
    plain, reader = JournalReader(journal.directory), JournalReader(journal.directory)
    ahead = ReadAhead(reader, MAX_BYTES)
    position, batches = 0, 0
    while position < journal.durable_end:
        expected = collect(plain, position, journal.durable_end, max_bytes=MAX_BYTES)
        batch = ahead.take(position, journal.durable_end)
        ahead.begin(batch.end, journal.durable_end)
        assert content(batch) == content(expected)
        position, batches = batch.end, batches + 1
    assert batches == FRAMES / 3
    ahead.forget()


def test_a_batch_read_ahead_ends_where_the_journal_ended_then(journal: Journal) -> None:
    ahead = ReadAhead(JournalReader(journal.directory), MAX_BYTES)
    first = ahead.take(0, journal.durable_end)
    middle = collect(JournalReader(journal.directory), first.end, journal.durable_end, max_bytes=1).end
    ahead.begin(first.end, middle)
    assert ahead.take(first.end, journal.durable_end).end == middle


def test_what_was_read_ahead_for_another_offset_is_not_given(journal: Journal) -> None:
    ahead = ReadAhead(JournalReader(journal.directory), MAX_BYTES)
    first = ahead.take(0, journal.durable_end)
    ahead.begin(first.end, journal.durable_end)
    again = ahead.take(0, journal.durable_end)
    assert content(again) == content(first)


def test_an_error_while_reading_ahead_is_raised_when_the_batch_is_taken(journal: Journal) -> None:
    ahead = ReadAhead(JournalReader(journal.directory), MAX_BYTES)
    ahead.begin(1, journal.durable_end)  # no multiple of 64
    with pytest.raises(JournalError):
        ahead.take(1, journal.durable_end)
