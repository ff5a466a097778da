"""Batches that leave the records of some schemas to others."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from ringbuf.journal.frame import HEADER_SIZE
from ringbuf.journal.reader import Buffer, Frame, JournalReader
from ringbuf.record.schema import Schema
from ringbuf.writer.load import batch
from ringbuf.writer.load.batch import EVERYTHING, Batch, Selection, collect
from tests.journals import FRAME_SIZE, append, flip, info, make_three_segments, reopen, segments
from tests.unit.writer.batches import collected

SCHEMAS = {7: "tick", 8: "quote", 9: "news"}
"""The schema of each session: records of all of them look the same."""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of several segments with twelve rounds of a frame of each session."""
    directory = tmp_path / "journal"
    opened = reopen(directory, segment_size=2_000)
    for session, name in SCHEMAS.items():
        schema = Schema.define(name, [("value", "u8")])
        opened.add_session(replace(info(session), schema=schema), 0)
    for _ in range(12):
        for session in SCHEMAS:
            append(opened, session=session)
    opened.sync()
    opened.close()
    assert len(segments(directory)) > 3
    return directory


def rows(batches: list[Batch]) -> dict[str, list[int]]:
    """The seqs of each schema, in the order of the batches."""
    found: dict[str, list[int]] = {}
    for insert in (insert for each in batches for insert in each.inserts):
        for piece in insert.pieces:
            found.setdefault(insert.schema.name, []).extend(range(piece.range.first_seq, piece.range.end))
    return found


def left(batches: list[Batch]) -> Counter[str]:
    return sum((Counter(each.left) for each in batches), Counter())


def frames_of(directory: Path, session: int) -> list[Frame]:
    frames = (each for each in JournalReader(directory).frames() if isinstance(each, Frame))
    return [each for each in frames if each.session == session and each.count]


@pytest.mark.parametrize("size", [1, 64, FRAME_SIZE, 3 * FRAME_SIZE, 1_000, 1 << 20])
def test_what_is_left_to_others_is_passed_over_and_counted(journal: Path, size: int) -> None:
    every = list(range(24))
    assert rows(collected(journal, Buffer(size), Selection(only="quote"))) == {"quote": every}
    without = collected(journal, Buffer(size), Selection(without={"quote": None}))
    assert rows(without) == {"tick": every, "news": every}
    assert left(without) == {"quote": 24}


@pytest.mark.parametrize("size", [64, 1_000, 1 << 20])
def test_a_schema_is_taken_back_from_an_offset_on(journal: Path, size: int) -> None:
    frames = frames_of(journal, 8)
    batches = collected(journal, Buffer(size), Selection(without={"quote": frames[5].offset}))
    assert rows(batches)["quote"] == list(range(10, 24))
    assert left(batches) == {"quote": 10}


def test_what_was_counted_before_is_not_counted_again(journal: Path) -> None:
    frames = frames_of(journal, 8)
    batches = collected(journal, Buffer(1_000), Selection(without={"quote": None}), {"quote": frames[5].offset})
    assert left(batches) == {"quote": 14}


def test_the_same_bounds_give_the_same_batch_again_in_any_buffer_that_holds_it(journal: Path) -> None:
    """Whether it was read with all others around it, or with nothing else."""
    end = reopen(journal).durable_end
    whole = collect(JournalReader(journal), 0, end, Buffer(3_000), EVERYTHING)
    alone = collect(JournalReader(journal), whole.begin, whole.end, Buffer(3_000), Selection(only="quote"))
    assert (alone.begin, alone.end) == (whole.begin, whole.end)
    assert alone.tokens == {"quote": whole.tokens["quote"]}
    others = collect(JournalReader(journal), whole.begin, whole.end, Buffer(3_000), Selection(without={"quote": None}))
    assert others.tokens | alone.tokens == whole.tokens


def test_a_batch_that_finds_little_ends_all_the_same(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "SCAN_BYTES", 1_000)
    for selection, expected in (
        (Selection(only="quote"), {"quote": list(range(24))}),
        (Selection(without={"quote": None, "tick": None, "news": None}), {}),
    ):
        batches = collected(journal, Buffer(1 << 20), selection)
        assert len(batches) > 5
        assert rows(batches) == expected


def test_damage_is_told_by_whom_it_concerns(tmp_path: Path) -> None:
    """By its schema, if its header is intact, else by everybody who comes across it."""
    make_three_segments(tmp_path)
    _, middle, _ = segments(tmp_path)
    end = middle.stat().st_size
    flip(middle, end - FRAME_SIZE + HEADER_SIZE + 3)  # a payload
    tick, others = Selection(only="tick"), Selection(without={"tick": None})
    assert [len(each.damages) for each in collected(tmp_path, Buffer(1 << 20), tick)] == [1]
    assert [len(each.damages) for each in collected(tmp_path, Buffer(1 << 20), others)] == [0]
    flip(middle, end - FRAME_SIZE + 3)  # and its header
    assert [len(each.damages) for each in collected(tmp_path, Buffer(1 << 20), tick)] == [1]
    assert [len(each.damages) for each in collected(tmp_path, Buffer(1 << 20), others)] == [1]
