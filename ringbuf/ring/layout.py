"""Layout of a ring in shared memory: every offset, size, magic number and version, and nothing else.

One ring is one file in /dev/shm. All numbers are little-endian.

      byte   type   field
    +------+------+--------------------------------------------------------------------+
    |    0 | 8 s  | magic "RINGBUF\\0", written last when a ring is created              |
    |    8 | u32  | layout version, 1                                                  |
    |   12 | u32  | header size, 16384                                                 |
    |   16 | u32  | record size in bytes                                               |
    |   20 | u32  | CRC-32 of the descriptor                                           |
    |   24 | u64  | capacity in records, a power of two                                |
    |   32 | u64  | session, random and never 0                                        |
    |   40 | i64  | created, ns since the epoch                                        |
    |   48 | u32  | descriptor length in bytes                                         |
    |   52 | u32  | CRC-32 of bytes 0 to 51                                            |
    |   64 | 64 s | host that created the ring, UTF-8, padded with NUL                 |
    +------+------+--------------------------------------------------------------------+
    |  256 | u64  | head: seq of the next record to be published                       |
    |  264 | u64  | claimed: one past the last slot a bulk append may have written     |
    |  272 | u64  | dropped: records that found the ring full                          |
    |  280 | u64  | rejected: records refused because a value could not be stored      |
    |  288 | u64  | flagged: records accepted with a flag                              |
    |  296 | i64  | attached: when the present producer attached, ns since the epoch   |
    |  304 | i64  | closed: when the producer closed the ring, 0 while it is open      |
    |  312 | u64  | process id of the present or last producer                         |
    |  320 | u64  | recreated: how often the ring was made anew, its name being gone   |
    |  328 | i64  | moved: when the producer went on in another file, 0 if it did not  |
    +------+------+--------------------------------------------------------------------+
    |  512 | u64  | tail: seq of the next record to be acknowledged                    |
    |  520 | u64  | high water: the largest lag the consumer ever saw                  |
    |  528 | i64  | heartbeat of the consumer, ns since the epoch                      |
    |  536 | u64  | process id of the present or last consumer                         |
    |  544 | i64  | abandoned: since when the consumer sees no producer, 0 if one is   |
    +------+------+--------------------------------------------------------------------+
    | 1024 |      | descriptor of the schema, canonical JSON                           |
    +------+------+--------------------------------------------------------------------+
    |16384 |      | slots: record seq is in slot seq % capacity                        |
    +------+------+--------------------------------------------------------------------+

The producer's fields and the consumer's are at least 128 bytes apart (two cache lines: the hardware fetches lines in
pairs), so that neither side's stores slow the other's.

Publication: the record's bytes are stored first, then `head`, with one aligned 8-byte store. A record is there for
readers when, and only when, its seq is below the head. x86-64 makes stores visible in program order, so plain stores
do; elsewhere the store of `head` must be a release store. A bulk append stores `claimed` before it stores any record;
`claimed` stays where it is if that append never ends, so that readers of old records know which slots it may have hit.

A ring whose name was removed is made anew by its producer: another file with the same session, records and counters.
The old file, which may still be mapped by its consumer, says so by `moved`; nothing is appended to it any more.

Locks are open file description locks on one byte each (`PRODUCER_LOCK`, `CONSUMER_LOCK`): they die with their holder.

Persisted: never reorder, retype or remove a field; the layout is pinned by a golden test.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from ringbuf.errors import RingCorrupt, RingIncomplete, RingVersion, SchemaError
from ringbuf.record.schema import MAX_RECORD_SIZE, RECORD_ALIGNMENT, Schema

MAGIC: Final = b"RINGBUF\0"
VERSION: Final = 1
HEADER_SIZE: Final = 16_384

HEAD: Final = 256
CLAIMED: Final = 264
DROPPED: Final = 272
REJECTED: Final = 280
FLAGGED: Final = 288
ATTACHED_NS: Final = 296
CLOSED_NS: Final = 304
PRODUCER_PID: Final = 312
RECREATED: Final = 320
MOVED_NS: Final = 328

TAIL: Final = 512
HIGH_WATER: Final = 520
CONSUMER_HEARTBEAT_NS: Final = 528
CONSUMER_PID: Final = 536
ABANDONED_NS: Final = 544

DESCRIPTOR: Final = 1024
MAX_DESCRIPTOR: Final = HEADER_SIZE - DESCRIPTOR

PRODUCER_LOCK: Final = HEAD
CONSUMER_LOCK: Final = TAIL

DEFAULT_CAPACITY: Final = 16_384
MAX_CAPACITY: Final = 1 << 30
MAX_SEQ: Final = (1 << 63) - 1
"""No head gets there: at ten million records a second it would take 29,000 years."""

_CONSTANTS = struct.Struct("<8sIIIIQQqI")
_CONSTANTS_CRC = struct.Struct("<I")
_HOST = 64
_HOST_SIZE = 64


@dataclass(frozen=True)
class Header:
    """The part of a ring that never changes after its creation."""

    schema: Schema
    capacity: int
    session: int
    created_ns: int
    host: str

    @property
    def segment_size(self) -> int:
        """Bytes of the whole segment."""
        return HEADER_SIZE + self.capacity * self.schema.record_size

    def encode(self) -> bytes:
        """The header's bytes up to the end of the descriptor; counters are 0."""
        descriptor = self.schema.descriptor
        if len(descriptor) > MAX_DESCRIPTOR:
            raise SchemaError(
                f"descriptor of schema {self.schema.name!r} has {len(descriptor)} bytes, a ring takes {MAX_DESCRIPTOR}",
                "use fewer fields or shorter names",
            )
        constants = _CONSTANTS.pack(
            MAGIC,
            VERSION,
            HEADER_SIZE,
            self.schema.record_size,
            zlib.crc32(descriptor),
            self.capacity,
            self.session,
            self.created_ns,
            len(descriptor),
        )
        header = bytearray(DESCRIPTOR + len(descriptor))
        header[: len(constants)] = constants
        _CONSTANTS_CRC.pack_into(header, len(constants), zlib.crc32(constants))
        host = self.host.encode()[:_HOST_SIZE]
        header[_HOST : _HOST + len(host)] = host
        header[DESCRIPTOR:] = descriptor
        return bytes(header)


def decode_header(header: bytes, segment_size: int, where: str) -> Header:
    """Read and check the header of a ring.

    Args:
        header: the first `HEADER_SIZE` bytes of the segment, or all there are.
        segment_size: size of the whole segment in bytes.
        where: what to call the ring in an error.

    Raises:
        RingCorrupt: this is no ring, it is truncated, or its fields contradict each other.
        RingVersion: the ring has another layout version.
    """
    remove = "see `ringbuf rm --force` if it is yours and no longer needed"
    if not header[: len(MAGIC)].strip(b"\0"):
        raise RingIncomplete(f"{where} has no header yet", "the next producer of this name completes it")
    if header[: len(MAGIC)] != MAGIC:
        raise RingCorrupt(f"{where} is not a ring: it begins with {header[: len(MAGIC)]!r}, not {MAGIC!r}", remove)
    if len(header) < HEADER_SIZE:
        raise RingCorrupt(f"{where} is truncated: {len(header)} bytes, the header alone has {HEADER_SIZE}", remove)
    constants = header[: _CONSTANTS.size]
    unpacked = _CONSTANTS.unpack(constants)
    _, version, header_size, record_size, schema_crc, capacity, session, created_ns, length = unpacked
    if version != VERSION:
        raise RingVersion(
            f"{where} has layout version {version}, this release reads version {VERSION}",
            "drain it with the release that made it, then remove it",
        )
    (crc,) = _CONSTANTS_CRC.unpack_from(header, _CONSTANTS.size)
    if crc != zlib.crc32(constants):
        computed = zlib.crc32(constants)
        raise RingCorrupt(f"{where} has a damaged header: CRC {crc:#010x}, computed {computed:#010x}", remove)
    descriptor = header[DESCRIPTOR : DESCRIPTOR + length]
    if header_size != HEADER_SIZE or length > MAX_DESCRIPTOR or zlib.crc32(descriptor) != schema_crc:
        raise RingCorrupt(f"{where} has a damaged schema descriptor of {length} bytes", remove)
    if not is_capacity(capacity):
        raise RingCorrupt(f"{where} has capacity {capacity}, no power of two", remove)
    try:
        schema = Schema.from_descriptor(descriptor)
    except SchemaError as error:
        raise RingCorrupt(f"{where}: {error.what}", remove) from error
    if schema.record_size != record_size:
        raise RingCorrupt(f"{where} has record size {record_size}, its schema {schema.record_size}", remove)
    host = header[_HOST : _HOST + _HOST_SIZE].rstrip(b"\0").decode(errors="replace")
    found = Header(schema, capacity, session, created_ns, host)
    if segment_size != found.segment_size:
        raise RingCorrupt(f"{where} has {segment_size} bytes, its header says {found.segment_size}", remove)
    return found


def check_cursors(head: int, tail: int, capacity: int, where: str) -> None:
    """Refuse cursors that no ring can have.

    Raises:
        RingCorrupt: tail is ahead of head, or head more than the capacity ahead of tail, or head beyond `MAX_SEQ`.
    """
    if not tail <= head <= min(tail + capacity, MAX_SEQ):
        raise RingCorrupt(
            f"{where} has head {head} and tail {tail} at a capacity of {capacity}",
            "keep a copy of the file, then see `ringbuf rm --force`",
        )


def is_capacity(capacity: int) -> bool:
    """Whether this is a possible capacity: a power of two from 2 to `MAX_CAPACITY`."""
    return 2 <= capacity <= MAX_CAPACITY and capacity & (capacity - 1) == 0


def _check_layout() -> None:
    fields = [HEAD, CLAIMED, DROPPED, REJECTED, FLAGGED, ATTACHED_NS, CLOSED_NS, PRODUCER_PID, RECREATED, MOVED_NS]
    fields += [TAIL, HIGH_WATER, CONSUMER_HEARTBEAT_NS, CONSUMER_PID, ABANDONED_NS]
    assert all(offset % 8 == 0 for offset in fields), "an 8-byte field is not aligned"
    assert TAIL - MOVED_NS - 8 >= 128, "producer and consumer share a pair of cache lines"
    assert _CONSTANTS.size == 52 and DESCRIPTOR % 64 == 0 and HEADER_SIZE % 4096 == 0
    assert MAX_RECORD_SIZE % RECORD_ALIGNMENT == 0


_check_layout()
