"""The format of the journal, to the byte."""

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ringbuf.errors import JournalCorrupt, JournalError, JournalVersion
from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.frame import (
    FRAME_MAGIC,
    MAX_PAYLOAD,
    RECORDS,
    SESSION,
    Frame,
    FrameHeader,
    check_segment_header,
    decode_frame_header,
    decode_session,
    encode_segment_header,
    segment_file_name,
)
from ringbuf.journal.reader import JournalReader
from ringbuf.record.schema import Schema
from ringbuf.record.session import SessionInfo
from tests.checkout import GOLDEN
from tests.journals import CREATED_NS, TICK, info, ticks

JOURNAL = GOLDEN / "journal.hex"
HEADER = FrameHeader(64, RECORDS, 7, 5, 2, 24, TICK.schema_id, 48, CREATED_NS, 0x12345678)


def golden_journal(directory: Path) -> None:
    journal = JournalAppender.open(directory, clock=lambda: CREATED_NS)
    journal.add_session(info(7), 5)
    journal.append(7, 5, [ticks(7, 5, 1), ticks(7, 6, 1)])
    journal.append(7, 7, [ticks(7, 7, 3)])
    journal.sync()
    journal.close()


def with_crc(header: bytes | bytearray) -> bytes:
    return bytes(header[:60]) + struct.pack("<I", zlib.crc32(header[:60]))


def test_a_journal_has_these_very_bytes(tmp_path: Path) -> None:
    golden_journal(tmp_path)
    content = (tmp_path / "00000000000000000000.journal").read_bytes()
    assert content.hex("\n", 32).split() == JOURNAL.read_text().split()


def test_a_journal_written_by_an_earlier_release_is_read(tmp_path: Path) -> None:
    (tmp_path / segment_file_name(0)).write_bytes(bytes.fromhex(JOURNAL.read_text()))
    reader = JournalReader(tmp_path)
    session, first, second = reader.frames()
    assert isinstance(session, Frame) and isinstance(first, Frame) and isinstance(second, Frame)
    assert (session.kind, session.session, session.first_seq, session.count) == (SESSION, 7, 5, 0)
    assert reader.sessions == {7: info(7)}
    assert reader.schemas == {TICK.schema_id: TICK}
    assert (first.kind, first.first_seq, first.count, first.written_ns) == (RECORDS, 5, 2, CREATED_NS)
    assert first.records(TICK).tolist() == [(7, 5, 5007), (7, 6, 6007)]
    assert second.records(TICK)["seq"].tolist() == [7, 8, 9]


def test_every_number_of_a_frame_header_is_where_the_map_says() -> None:
    header = HEADER.encode()
    assert len(header) == 64
    expected = [
        (0, "<4s", b"RBFR"),
        (4, "<H", RECORDS),
        (6, "<H", 0),
        (8, "<Q", 7),
        (16, "<Q", 5),
        (24, "<I", 2),
        (28, "<I", 24),
        (32, "<I", TICK.schema_id),
        (36, "<I", 48),
        (40, "<q", CREATED_NS),
        (48, "<Q", 64),
        (56, "<I", 0x12345678),
        (60, "<I", zlib.crc32(header[:60])),
    ]
    for offset, code, value in expected:
        assert offset % struct.calcsize(code.replace("4s", "I")) == 0, "not aligned"
        assert struct.unpack_from(code, header, offset) == (value,)


def test_every_number_of_a_segment_header_is_where_the_map_says() -> None:
    header = encode_segment_header(6400, CREATED_NS)
    assert header[:8] == b"RBJOURNL"
    assert struct.unpack_from("<IIQq", header, 8) == (1, 64, 6400, CREATED_NS)
    assert header[32:60] == bytes(28)
    assert struct.unpack_from("<I", header, 60) == (zlib.crc32(header[:60]),)
    assert segment_file_name(6400) == "00000000000000006400.journal"


def test_a_frame_header_decodes_to_what_was_encoded() -> None:
    largest = FrameHeader(2**62, RECORDS, 2**64 - 1, 2**63, MAX_PAYLOAD // 8, 8, 2**32 - 1, MAX_PAYLOAD, -1, 2**32 - 1)
    for header in (HEADER, largest, replace(HEADER, kind=SESSION, count=0, length=333)):
        assert decode_frame_header(header.encode(), header.offset) == header


@pytest.mark.parametrize(
    ("encoded", "check"),
    [(encode_segment_header(64, 1), check_segment_header), (HEADER.encode(), decode_frame_header)],
)
def test_no_flipped_bit_of_a_header_is_accepted(encoded: bytes, check: Callable[[bytes, int], object]) -> None:
    check(encoded, 64)
    for bit in range(512):
        flipped = bytearray(encoded)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(JournalCorrupt):
            check(bytes(flipped), 64)


@pytest.mark.parametrize("length", [0, 1, 63])
def test_a_header_cut_short_is_refused(length: int) -> None:
    with pytest.raises(JournalCorrupt, match=f"segment header has {length} bytes, expected 64"):
        check_segment_header(encode_segment_header(0, 1)[:length], 0)
    with pytest.raises(JournalCorrupt, match=f"frame header has {length} bytes, expected 64"):
        decode_frame_header(HEADER.encode()[:length], 64)


def test_refusals_show_what_was_expected_and_what_was_found() -> None:
    with pytest.raises(JournalCorrupt, match="begins with b'XBJOURNL', expected b'RBJOURNL'"):
        check_segment_header(b"X" + encode_segment_header(0, 1)[1:], 0)
    with pytest.raises(JournalCorrupt, match="size 64 and base 640, expected 64 and 64"):
        check_segment_header(encode_segment_header(640, 1), 64)
    with pytest.raises(JournalCorrupt, match=f"begins with 0x00000000, expected {FRAME_MAGIC:#010x}"):
        decode_frame_header(bytes(64), 64)
    with pytest.raises(JournalCorrupt, match="is that of offset 64, expected 128"):
        decode_frame_header(HEADER.encode(), 128)


def test_another_version_is_told_from_damage() -> None:
    header = bytearray(encode_segment_header(0, 1))
    header[8] = 2
    with pytest.raises(JournalVersion, match="has format version 2, this release reads version 1"):
        check_segment_header(with_crc(header), 0)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"kind": 3}, "kind 3"),
        ({"kind": 0}, "kind 0"),
        ({"count": 0}, "48 bytes, expected 0 records"),
        ({"count": 3}, "48 bytes, expected 3 records of 24"),
        ({"count": 0, "length": 0}, "0 bytes, expected 0 records"),
        ({"record_size": 25}, "48 bytes, expected 2 records of 25"),
        ({"length": MAX_PAYLOAD + 1}, f"{MAX_PAYLOAD + 1} bytes"),
        ({"length": 2**32 - 1}, f"{2**32 - 1} bytes"),
        ({"first_seq": 2**64 - 2}, f"2 records from {2**64 - 2}"),
        ({"kind": SESSION}, "session frame has 2 records, expected 0"),
    ],
)
def test_a_frame_that_contradicts_itself_is_refused_although_its_crc_is_right(
    change: dict[str, int], found: str
) -> None:
    with pytest.raises(JournalCorrupt, match=found):
        decode_frame_header(replace(HEADER, **change).encode(), 64)


def test_a_frame_with_something_in_its_unused_field_is_refused() -> None:
    header = bytearray(HEADER.encode())
    header[6] = 1
    with pytest.raises(JournalCorrupt, match="kind 1 and 1 behind it"):
        decode_frame_header(with_crc(header), 64)


def test_a_session_decodes_to_what_was_encoded() -> None:
    schema = Schema.define("quote", [("bid", "f8"), ("venue", "S5")], version=3)
    described = SessionInfo(9, "mm.btc-1", "höst\n", 2**31, "prod", -1, schema)
    header = replace(HEADER, session=9, record_size=schema.record_size, schema_id=schema.schema_id)
    for each in (described, replace(described, ended=True), replace(described, ended=False)):
        assert decode_session(each.encode(), header) == each
        assert each.encode().isascii()


def test_whether_a_session_has_ended_is_told_by_those_who_look() -> None:
    assert json.loads(info(7).encode()).keys() == {"ring", "host", "pid", "namespace", "created_ns", "descriptor"}
    assert json.loads(replace(info(7), ended=True).encode()) == json.loads(info(7).encode()) | {"ended": True}


def test_a_session_frame_of_another_schema_than_its_header_says_is_refused() -> None:
    with pytest.raises(JournalCorrupt, match=f"schema id {TICK.schema_id:#010x} and record size 24, its header .* 32"):
        decode_session(info(7).encode(), replace(HEADER, record_size=32))


@pytest.mark.parametrize(
    "change",
    [
        {"ring": 5},
        {"ring": None},
        {"ring": "\ud800"},
        {"host": ["h"]},
        {"pid": "1"},
        {"pid": True},
        {"pid": 1.0},
        {"pid": 2**63},
        {"created_ns": 10**400},
        {"ended": 1},
        {"ended": None},
        {"descriptor": ""},
        {"descriptor": "{}"},
        {"descriptor": "[" * 100_000},
        {"descriptor": TICK.descriptor.decode().replace(":24", f":{10**30}")},
        {"descriptor": TICK.descriptor.decode().replace("<u8", "|O8")},
    ],
)
def test_a_session_that_cannot_be_understood_is_refused_by_name(change: dict[str, object]) -> None:
    described = json.loads(info(7).encode()) | change
    with pytest.raises(JournalCorrupt, match="session frame"):
        decode_session(json.dumps(described).encode(), HEADER)


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b"7", b"\xff\xfe", b"{", b'{"ring":"a"}', b"[" * 100_000])
def test_a_payload_that_is_no_session_is_refused_by_name(payload: bytes) -> None:
    with pytest.raises(JournalCorrupt, match=f"session frame of {len(payload)} bytes"):
        decode_session(payload, HEADER)


def test_records_are_views_of_the_frame_and_read_only() -> None:
    payload = memoryview(ticks(7, 5, 2).tobytes())
    records = Frame.of(HEADER, payload).records(TICK)
    assert np.shares_memory(records, np.frombuffer(payload, np.uint8))
    assert not records.flags.writeable
    assert records["seq"].tolist() == [5, 6]


def test_records_of_another_schema_are_refused() -> None:
    other = Schema.define("tock", [("value", "u8")])
    with pytest.raises(JournalError, match=r"records 5 to 6 of session 0000000000000007 .*'tock'"):
        Frame.of(HEADER, memoryview(bytes(48))).records(other)
    with pytest.raises(JournalError, match="kind 2"):
        Frame.of(replace(HEADER, kind=SESSION), memoryview(b"")).records(TICK)
