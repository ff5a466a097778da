"""Refused records on disk."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ringbuf.errors import JournalCorrupt
from ringbuf.journal.reader import Damage
from ringbuf.record.schema import Schema
from ringbuf.record.seqs import Range
from ringbuf.state.quarantine import Entry, Quarantine, decode, encode, read

SCHEMA = Schema.define("quotes", [("bid", "f8")])
ENTRY = Entry("Code: 469", 5, 1, 7, 1, descriptor="{}", records="AAEC")
GOLDEN = (
    b'{"crc":"eb08e1d0","entry":{"begin":0,"count":1,"descriptor":"{}","end":0,"first'
    b'_seq":7,"quarantined_ns":5,"reason":"Code: 469","records":"AAEC","session":1}}\n'
)


def test_the_bytes_are_pinned() -> None:
    assert encode(ENTRY) == GOLDEN
    assert decode(GOLDEN) == ENTRY


def test_records_come_back_with_their_schema_and_reason(tmp_path: Path) -> None:
    records = np.zeros(1, SCHEMA.dtype)
    records["bid"] = 1.5
    Quarantine(tmp_path / "quarantine.jsonl").add_records(
        SCHEMA, Range(1, 7, 1), memoryview(records.tobytes()), "constraint violated"
    )
    (entry,) = read(tmp_path / "quarantine.jsonl")
    assert isinstance(entry, Entry)
    assert (entry.range, entry.reason) == (Range(1, 7, 1), "constraint violated")
    assert np.frombuffer(entry.payload, Schema.from_descriptor(entry.descriptor.encode()).dtype)["bid"] == [1.5]
    assert (tmp_path / "quarantine.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_record_that_comes_again_after_a_crash_counts_once(tmp_path: Path) -> None:
    for _ in range(2):
        Quarantine(tmp_path / "quarantine.jsonl").add_records(SCHEMA, Range(1, 7, 1), b"\0" * 24, "refused")
    assert Quarantine(tmp_path / "quarantine.jsonl").count == 1


def test_a_torn_line_is_told_and_the_next_one_is_readable(tmp_path: Path) -> None:
    first = Quarantine(tmp_path / "quarantine.jsonl")
    first.add_records(SCHEMA, Range(1, 1, 1), b"\0" * 24, "refused")
    first.add_records(SCHEMA, Range(1, 2, 1), b"\0" * 24, "refused")
    path = tmp_path / "quarantine.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    again = Quarantine(tmp_path / "quarantine.jsonl")
    assert again.count == 1
    again.add_records(SCHEMA, Range(1, 2, 1), b"\0" * 24, "refused")
    intact, torn, repeated = read(tmp_path / "quarantine.jsonl")
    assert isinstance(torn, JournalCorrupt)
    assert isinstance(intact, Entry)
    assert isinstance(repeated, Entry)
    assert repeated.range == Range(1, 2, 1)


def test_which_records_are_in_quarantine_is_known_after_each_that_comes(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "quarantine.jsonl")
    quarantine.add_records(SCHEMA, Range(1, 4, 1), b"\0" * 24, "refused")
    assert quarantine.records.ranges == (Range(1, 4, 1),)
    quarantine.add_records(SCHEMA, Range(1, 5, 2), b"\0" * 48, "refused")
    assert quarantine.records.ranges == (Range(1, 4, 3),)
    assert Quarantine(tmp_path / "quarantine.jsonl").records == quarantine.records


def test_a_damaged_journal_region_is_noted_with_its_bounds(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "quarantine.jsonl")
    quarantine.add_damage(Damage(64, 128, "payload has another CRC"))
    (entry,) = read(tmp_path / "quarantine.jsonl")
    assert isinstance(entry, Entry)
    assert (entry.begin, entry.end, entry.count, quarantine.count) == (64, 128, 0, 0)


@given(st.binary())
def test_any_bytes_give_entries_or_named_errors(content: bytes) -> None:
    for line in content.split(b"\n"):
        try:
            decode(line)
        except JournalCorrupt:
            continue
        raise AssertionError(f"{line!r} was taken for an entry")
