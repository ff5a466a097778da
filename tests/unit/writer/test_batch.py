"""Ranges, inserts and their tokens."""

from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ringbuf.record.schema import Schema
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.writer.load import batch
from ringbuf.writer.load.batch import CONNECTIONS, Insert, Piece, divided

SCHEMA = Schema.define("quotes", [("bid", "f8")])

RANGES = st.builds(Range, st.integers(1, 3), st.integers(0, 30), st.integers(1, 8))


def seqs(ranges: list[Range]) -> set[tuple[int, int]]:
    return {(each.session, seq) for each in ranges for seq in range(each.first_seq, each.end)}


def insert_of(*ranges: Range) -> Insert:
    pieces = []
    for each in ranges:
        records = np.zeros(each.count, SCHEMA.dtype)
        records["session"] = each.session
        records["seq"] = np.arange(each.first_seq, each.end)
        pieces.append(Piece(each, memoryview(records.tobytes())))
    return Insert(SCHEMA, pieces)


def stored_in(insert: Insert) -> list[tuple[int, int]]:
    records = np.frombuffer(b"".join(insert.body), SCHEMA.dtype)
    return list(zip(records["session"].tolist(), records["seq"].tolist(), strict=True))


def test_the_token_depends_on_the_records_and_not_on_how_they_were_framed() -> None:
    assert insert_of(Range(1, 0, 6)).token == insert_of(Range(1, 0, 2), Range(1, 2, 4)).token
    assert insert_of(Range(1, 0, 2), Range(2, 0, 1)).token == insert_of(Range(2, 0, 1), Range(1, 0, 2)).token


def test_other_records_give_another_token() -> None:
    tokens = {
        insert_of(Range(1, 0, 6)).token,
        insert_of(Range(1, 0, 5)).token,
        insert_of(Range(1, 1, 6)).token,
        insert_of(Range(2, 0, 6)).token,
    }
    other = Schema.define("quotes", [("bid", "f8")], version=2)
    tokens.add(Insert(other, insert_of(Range(1, 0, 6)).pieces).token)
    assert len(tokens) == 5


def test_the_token_is_pinned_because_it_must_survive_an_upgrade_of_the_writer() -> None:
    token = insert_of(Range(0xABCD, 5, 3), Range(0x1, 0, 2)).token
    assert token == "3d95d4d4fe81d4231490238f30fd6593d50ebbd7b89fd861ba2dc0b64e5fd114"


@given(st.lists(RANGES, min_size=1, max_size=5))
def test_halves_hold_all_records_in_order(ranges: list[Range]) -> None:
    whole = insert_of(*ranges)
    first, second = whole.halves()
    assert stored_in(first) + stored_in(second) == stored_in(whole)
    assert second.rows - first.rows in (0, 1)
    assert [piece.range.count * SCHEMA.record_size for piece in first.pieces] == [len(each) for each in first.body]


@given(st.lists(RANGES, min_size=1, max_size=4, unique_by=lambda each: each.session), st.lists(RANGES))
def test_only_holds_exactly_the_records_asked_for(ranges: list[Range], wanted: list[Range]) -> None:
    whole = insert_of(*ranges)
    part = whole.only(SeqSet(wanted))
    assert set(stored_in(part)) == seqs(ranges) & seqs(wanted)
    assert len(stored_in(part)) == part.rows


@given(st.lists(RANGES, min_size=1), st.integers(1, 60))
def test_dividing_keeps_every_record_once_and_each_session_in_order_in_one_insert(
    ranges: list[Range], worth: int
) -> None:
    pieces = insert_of(*ranges).pieces
    with patch.object(batch, "WORTH_DIVIDING", worth):
        parts = divided(pieces)
        assert parts == divided(pieces)
    sessions = {each.session for each in ranges}
    rows = sum(each.count for each in ranges)
    assert len(parts) == (CONNECTIONS if rows >= worth and len(sessions) >= CONNECTIONS else 1)
    for session in sessions:
        (part,) = [part for part in parts if any(piece.range.session == session for piece in part)]
        own = [piece for piece in part if piece.range.session == session]
        assert own == [piece for piece in pieces if piece.range.session == session]
    assert sorted(piece.range for part in parts for piece in part) == sorted(ranges)


def test_the_parts_of_a_batch_are_of_about_equal_size() -> None:
    pieces = insert_of(*(Range(session, 0, 100 + session) for session in range(1, 10))).pieces
    with patch.object(batch, "WORTH_DIVIDING", 1):
        one, other = (sum(piece.range.count for piece in part) for part in divided(pieces))
    assert abs(one - other) <= 109
