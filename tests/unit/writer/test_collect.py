"""Batches as they are read from a journal, in as many pieces as the buffer makes of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ringbuf.journal.frame import HEADER_SIZE
from ringbuf.journal.reader import Buffer, JournalReader
from ringbuf.writer.load import batch
from ringbuf.writer.load.batch import Batch, collect
from tests.journals import (
    FRAME_SIZE,
    TICK,
    append,
    flip,
    info,
    make_one_segment,
    make_three_segments,
    reopen,
    segments,
    ticks,
)
from tests.unit.writer.batches import collected


def seqs(batches: list[Batch]) -> list[int]:
    """The records of session 7, in the order of the batches."""
    pieces = (piece for each in batches for insert in each.inserts for piece in insert.pieces)
    return [seq for piece in pieces for seq in range(piece.range.first_seq, piece.range.end)]


@pytest.mark.parametrize("make", [make_one_segment, make_three_segments])
@pytest.mark.parametrize("size", [1, 64, FRAME_SIZE, FRAME_SIZE + 1, 3 * FRAME_SIZE, 1_000, 1 << 20])
def test_every_record_is_in_one_batch_in_order_whatever_the_size_of_the_buffer(
    make: Callable[[Path], Path], size: int, tmp_path: Path
) -> None:
    batches = collected(make(tmp_path), Buffer(size))
    assert seqs(batches) == list(range(12))
    for each in batches:
        frames = (each.end - each.begin) // FRAME_SIZE
        assert frames <= 1 or frames * FRAME_SIZE <= size + HEADER_SIZE + 1_000  # a session frame and a segment header


def test_a_batch_is_as_large_as_the_buffer_allows(tmp_path: Path) -> None:
    make_one_segment(tmp_path)
    described = HEADER_SIZE + len(info(7).encode()) + 63  # the session frame with its padding
    counts = [
        sum(insert.rows for insert in each.inserts) for each in collected(tmp_path, Buffer(described + 2 * FRAME_SIZE))
    ]
    assert counts[0] >= 4 and max(counts) >= 4 and sum(counts) == 12


def test_the_same_bounds_give_the_same_batch_again_whatever_was_in_the_buffer(tmp_path: Path) -> None:
    make_three_segments(tmp_path)
    buffer = Buffer(2_000)
    reader = JournalReader(tmp_path)
    end = reopen(tmp_path).durable_end
    first = collect(reader, reader.segments()[0].base, end, buffer)
    tokens = first.tokens
    collect(reader, first.end, end, buffer)
    again = collect(JournalReader(tmp_path), first.begin, first.end, buffer)
    assert (again.begin, again.end, again.tokens) == (first.begin, first.end, tokens)


def test_a_batch_ends_before_the_frame_that_would_make_it_too_many_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MOST_ROWS", 5)
    batches = collected(make_one_segment(tmp_path), Buffer(1 << 20))
    assert [sum(insert.rows for insert in each.inserts) for each in batches] == [4, 4, 4]


@pytest.mark.parametrize("size", [64, 300, 1 << 20])
def test_damage_is_named_and_what_is_behind_it_comes_all_the_same(size: int, tmp_path: Path) -> None:
    make_three_segments(tmp_path)
    _, middle, _ = segments(tmp_path)
    flip(middle, middle.stat().st_size - FRAME_SIZE + HEADER_SIZE + 3)
    batches = collected(tmp_path, Buffer(size))
    (damage,) = [each for found in batches for each in found.damages]
    assert damage.header is not None
    assert (damage.header.first_seq, damage.header.count) == (6, 2)
    assert seqs(batches) == [0, 1, 2, 3, 4, 5, 8, 9, 10, 11]


def test_a_buffer_that_is_used_again_gives_the_new_records(tmp_path: Path) -> None:
    make_one_segment(tmp_path)
    buffer = Buffer(1 << 20)
    reader = JournalReader(tmp_path)
    journal = reopen(tmp_path)
    first = collect(reader, 0, journal.durable_end, buffer)
    append(journal, 2)
    journal.sync()
    second = collect(reader, first.end, journal.durable_end, buffer)
    (insert,) = second.inserts
    assert insert.schema == TICK
    assert seqs([second]) == [12, 13, 14, 15]
    assert b"".join(insert.body) == ticks(7, 12, 4).tobytes()
