"""Format of the journal, to the byte: segment headers, frames and what a session frame says.

A journal is a directory of segment files named by their base, `{base:020d}.journal`. A journal offset is the base of a
segment plus the position in its file. All numbers are little-endian; every frame begins at a multiple of 64.

      byte   type   segment header, 64 bytes
    +------+------+--------------------------------------------------------------------+
    |    0 | 8 s  | magic "RBJOURNL"                                                   |
    |    8 | u32  | format version, 1                                                  |
    |   12 | u32  | header size, 64                                                    |
    |   16 | u64  | base, as in the name of the file                                   |
    |   24 | i64  | created, ns since the epoch                                        |
    |   32 |      | zeros                                                              |
    |   60 | u32  | CRC-32 of bytes 0 to 59                                            |
    +------+------+--------------------------------------------------------------------+
      byte   type   frame: a header of 64 bytes and its payload
    +------+------+--------------------------------------------------------------------+
    |    0 | u32  | magic "RBFR"                                                       |
    |    4 | u16  | kind: 1 records, 2 session                                         |
    |    6 | u16  | zero                                                               |
    |    8 | u64  | session                                                            |
    |   16 | u64  | first seq: of the first record, or the next one a session expects  |
    |   24 | u32  | count of records, 0 in a session frame                             |
    |   28 | u32  | record size in bytes                                               |
    |   32 | u32  | schema id: CRC-32 of the schema's descriptor                       |
    |   36 | u32  | length of the payload in bytes, at most 16 MiB                     |
    |   40 | i64  | written, ns since the epoch                                        |
    |   48 | u64  | journal offset of this very frame                                  |
    |   56 | u32  | CRC-32 of the payload                                              |
    |   60 | u32  | CRC-32 of bytes 0 to 59                                            |
    +------+------+--------------------------------------------------------------------+
    |   64 |      | payload, then zeros (not checked) up to a multiple of 64           |
    +------+------+--------------------------------------------------------------------+

The payload of a records frame is `count` records of consecutive seqs, bytes as they were in the ring. The payload of a
session frame is canonical JSON: ring, host, pid, namespace, created_ns, the schema's descriptor, and ended: whether no
process held the ring and all its records stand before this frame (not told by release 0.1.0). The offset inside a
frame tells it from one that stands inside a record, or that the disk kept from a deleted file.

Persisted: never reorder, retype or remove a field; the format is pinned by a golden test.
"""

import json
import struct
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from isal.isal_zlib import crc32

from ringbuf.errors import JournalCorrupt, JournalError, JournalVersion, SchemaError
from ringbuf.record.schema import Schema
from ringbuf.record.session import SessionInfo

SEGMENT_MAGIC: Final = b"RBJOURNL"
VERSION: Final = 1
HEADER_SIZE: Final = 64
FRAME_MAGIC: Final = int.from_bytes(b"RBFR", "little")
ALIGNMENT: Final = 64
MAX_PAYLOAD: Final = 16 * 1024 * 1024

RECORDS: Final = 1
SESSION: Final = 2

_SEGMENT = struct.Struct("<8sIIQq28xI")
_FRAME = struct.Struct("<IHHQQIIIIqQII")
_CRC_AT = 60


def segment_file_name(base: int) -> str:
    """Name of the segment file that begins at a journal offset."""
    return f"{base:020d}.journal"


def padding(length: int) -> int:
    """Zero bytes behind a payload, up to the next frame."""
    return -length % ALIGNMENT


def encode_segment_header(base: int, created_ns: int) -> bytes:
    """The 64 bytes a segment file begins with."""
    header = _SEGMENT.pack(SEGMENT_MAGIC, VERSION, HEADER_SIZE, base, created_ns, 0)[:_CRC_AT]
    return header + crc32(header).to_bytes(4, "little")


def check_segment_header(header: bytes | memoryview, base: int) -> None:
    """Check the first 64 bytes of a segment file.

    Args:
        header: the bytes, or all there are.
        base: journal offset the file is named by.

    Raises:
        JournalCorrupt: these bytes are no header of this segment.
        JournalVersion: the segment was written in another version of the format.
    """
    if len(header) < HEADER_SIZE:
        raise JournalCorrupt(f"segment header has {len(header)} bytes, expected {HEADER_SIZE}")
    magic, version, size, found, _, crc = _SEGMENT.unpack_from(header)
    if magic != SEGMENT_MAGIC:
        raise JournalCorrupt(f"segment header begins with {magic!r}, expected {SEGMENT_MAGIC!r}")
    computed = crc32(header[:_CRC_AT])
    if crc != computed:
        raise JournalCorrupt(f"segment header has CRC {crc:#010x}, its bytes give {computed:#010x}")
    if version != VERSION:
        raise JournalVersion(
            f"segment {segment_file_name(base)} has format version {version}, this release reads version {VERSION}",
            "read it with the release that wrote it",
        )
    if (size, found) != (HEADER_SIZE, base):
        raise JournalCorrupt(f"segment header has size {size} and base {found}, expected {HEADER_SIZE} and {base}")


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What a frame says about itself.

    Attributes:
        offset: journal offset of the frame.
        kind: `RECORDS` or `SESSION`.
        session: session of the ring the records came from.
        first_seq: seq of the first record; in a session frame the next seq the journal expects.
        count: number of records, 0 in a session frame.
        record_size: bytes of one record.
        schema_id: `Schema.schema_id` of the records.
        length: bytes of the payload.
        written_ns: when the frame was written, ns since the epoch.
        payload_crc: CRC-32 of the payload.
    """

    offset: int
    kind: int
    session: int
    first_seq: int
    count: int
    record_size: int
    schema_id: int
    length: int
    written_ns: int
    payload_crc: int

    @property
    def end(self) -> int:
        """Journal offset of what follows the frame."""
        return self.offset + HEADER_SIZE + self.length + padding(self.length)

    def encode(self) -> bytes:
        """The header's 64 bytes."""
        identity = (FRAME_MAGIC, self.kind, 0, self.session, self.first_seq, self.count, self.record_size)
        content = (self.schema_id, self.length, self.written_ns, self.offset, self.payload_crc)
        header = _FRAME.pack(*identity, *content, 0)[:_CRC_AT]
        return header + crc32(header).to_bytes(4, "little")

    def __str__(self) -> str:
        what = (
            f"records {self.first_seq} to {self.first_seq + self.count - 1}" if self.kind == RECORDS else "description"
        )
        return f"frame at {self.offset} with the {what} of session {self.session:016x}"


@dataclass(frozen=True, slots=True)
class Frame(FrameHeader):
    """A frame whose bytes passed their check.

    Attributes:
        payload: its bytes, read-only; not copied again, and never changed by what happens to the file.
    """

    payload: memoryview

    @classmethod
    def of(cls, header: FrameHeader, payload: memoryview) -> Self:
        """The frame made of a header and a payload that passed their checks."""
        return cls(
            header.offset,
            header.kind,
            header.session,
            header.first_seq,
            header.count,
            header.record_size,
            header.schema_id,
            header.length,
            header.written_ns,
            header.payload_crc,
            payload,
        )

    def records(self, schema: Schema) -> npt.NDArray[np.void]:
        """The records as a read-only structured array of shape (count,), without a copy.

        Raises:
            JournalError: the frame has no records of this schema.
        """
        if self.kind != RECORDS or self.schema_id != schema.schema_id:
            raise JournalError(
                f"{self} has kind {self.kind} and schema id {self.schema_id:#010x}, expected kind "
                f"{RECORDS} and {schema.schema_id:#010x} of schema {schema.name!r}"
            )
        return np.frombuffer(self.payload, schema.dtype)


def decode_frame_header(header: bytes | memoryview, offset: int) -> FrameHeader:
    """Read and check the header of the frame at a journal offset.

    Raises:
        JournalCorrupt: these bytes are no header of a frame at this offset.
    """
    if len(header) < HEADER_SIZE:
        raise JournalCorrupt(f"frame header has {len(header)} bytes, expected {HEADER_SIZE}")
    fields = _FRAME.unpack_from(header)
    magic, kind, zero, session, first_seq, count, record_size = fields[:7]
    schema_id, length, written_ns, found, payload_crc, crc = fields[7:]
    if magic != FRAME_MAGIC:
        raise JournalCorrupt(f"frame header begins with {magic:#010x}, expected {FRAME_MAGIC:#010x}")
    computed = crc32(header[:_CRC_AT])
    if crc != computed:
        raise JournalCorrupt(f"frame header has CRC {crc:#010x}, its bytes give {computed:#010x}")
    if found != offset:
        raise JournalCorrupt(f"frame header is that of offset {found}, expected {offset}")
    if kind not in (RECORDS, SESSION) or zero != 0:
        raise JournalCorrupt(f"frame has kind {kind} and {zero} behind it, expected {RECORDS} or {SESSION} and 0")
    if length > MAX_PAYLOAD or first_seq + count >= 1 << 64:
        raise JournalCorrupt(
            f"frame has {length} bytes and {count} records from {first_seq}, at most {MAX_PAYLOAD} fit"
        )
    if kind == RECORDS and (count == 0 or length != count * record_size):
        raise JournalCorrupt(f"frame has {length} bytes, expected {count} records of {record_size} bytes")
    if kind == SESSION and count != 0:
        raise JournalCorrupt(f"session frame has {count} records, expected 0")
    return FrameHeader(offset, kind, session, first_seq, count, record_size, schema_id, length, written_ns, payload_crc)


def decode_session(payload: bytes | memoryview, header: FrameHeader) -> SessionInfo:
    """Read the payload of a session frame.

    Raises:
        JournalCorrupt: it is no description of a session, or contradicts the header of its frame.
    """
    try:
        described = json.loads(bytes(payload))
        ring, host, namespace, descriptor = (described[key] for key in ("ring", "host", "namespace", "descriptor"))
        pid, created_ns = (described[key] for key in ("pid", "created_ns"))
        texts = ring, host, namespace, descriptor
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f"ring, host, namespace and descriptor {texts!r:.100} are not all text")
        "".join(texts).encode()  # refuses half a surrogate pair, which JSON can hold and nothing can store
        if not all(type(number) is int and abs(number) < 1 << 63 for number in (pid, created_ns)):
            raise ValueError(f"pid {pid!r} and created_ns {created_ns!r} are not both numbers of 64 bits")
        ended = described.get("ended")
        if "ended" in described and not isinstance(ended, bool):
            raise ValueError(f"ended {ended!r:.100} is neither true nor false")
        schema = Schema.from_descriptor(descriptor.encode())
    except (SchemaError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise JournalCorrupt(f"session frame of {len(payload)} bytes cannot be read: {error}") from error
    if (schema.schema_id, schema.record_size) != (header.schema_id, header.record_size):
        raise JournalCorrupt(
            f"session frame describes schema id {schema.schema_id:#010x} and record size {schema.record_size}, "
            f"its header {header.schema_id:#010x} and {header.record_size}"
        )
    return SessionInfo(header.session, ring, host, pid, namespace, created_ns, schema, ended)
