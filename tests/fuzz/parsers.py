"""Every parser of bytes that come from shared memory or disk, fed with damaged ones.

A parser may accept what it is given, or raise an error of the one tree. Nothing else, and it writes nothing.
"""

import contextlib
import os
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ringbuf.errors import JournalCorrupt, RingbufError
from ringbuf.journal.reader import JournalReader
from ringbuf.record.execution import EXECUTION
from ringbuf.record.schema import Schema
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.ring import layout, registry
from ringbuf.ring.observer import Observer
from ringbuf.ring.producer import Producer
from ringbuf.state import checkpoint, quarantine, verified
from ringbuf.state.data_directory import DataDirectory
from tests.journals import TICK, make_one_segment

EXTREMES = [0, 1, 0xFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 1 << 63, (1 << 64) - 1]


def mutated(chance: random.Random, content: bytes) -> bytes:
    """The content with one to four damages."""
    damaged = bytearray(content)
    for _ in range(chance.randrange(1, 5)):
        if not damaged:
            break
        at = chance.randrange(len(damaged))
        match chance.randrange(7):
            case 0:
                damaged[at] ^= 1 << chance.randrange(8)
            case 1:
                damaged[at] = chance.randrange(256)
            case 2:
                del damaged[at:]
            case 3:
                del damaged[at : at + chance.randrange(1, 65)]
            case 4:
                damaged[at:at] = chance.randbytes(chance.randrange(1, 65))
            case 5:
                size, value = chance.choice("HIQ"), chance.choice(EXTREMES)
                number = struct.pack(f"<{size}", value & ((1 << 8 * struct.calcsize(size)) - 1))
                damaged[at & ~7 : (at & ~7) + len(number)] = number
            case _:
                end = min(len(damaged), at + chance.randrange(1, 65))
                target = chance.randrange(len(damaged))
                damaged[target : target + end - at] = damaged[at:end]
    return bytes(damaged)


@dataclass(frozen=True)
class Parser:
    """One parser: intact bytes, and what reads them.

    Attributes:
        seal: makes checksums right again, so that damage behind them is reached.
    """

    name: str
    intact: bytes
    read: Callable[[bytes], None]
    seal: Callable[[bytes], bytes] | None = None


def parsers(scratch: Path) -> list[Parser]:
    """All parsers; `scratch` is an empty directory."""
    return [
        Parser("descriptor", EXECUTION.descriptor, _read_descriptor),
        Parser("header", _header(), _read_header, _sealed_header),
        Parser("ring", *_ring()),
        Parser("journal", *_journal(scratch)),
        Parser("checkpoint", _checkpoint(), lambda content: _discard(checkpoint.decode(content, "file"))),
        Parser("verified", verified.encode(_verified()), lambda content: _discard(verified.decode(content, "file"))),
        Parser("quarantine", quarantine.encode(_entry()), _read_quarantine_line),
        Parser("quarantine file", quarantine.encode(_entry()) * 3, _quarantine_file(scratch)),
    ]


def survives(parser: Parser, content: bytes) -> None:
    """Feed a parser; whatever is not an error of the tree comes through."""
    with contextlib.suppress(RingbufError):
        parser.read(content)


def _discard(_: object) -> None:
    return None


def _read_descriptor(content: bytes) -> None:
    Schema.from_descriptor(content)


def _header() -> bytes:
    header = layout.Header(TICK, 4, 0xABCDEF, 1_700_000_000_000_000_000, "host").encode()
    return header + bytes(layout.HEADER_SIZE - len(header))


def _read_header(content: bytes) -> None:
    layout.decode_header(content, layout.HEADER_SIZE + 4 * TICK.record_size, "ring")


def _sealed_header(content: bytes) -> bytes:
    if len(content) < 56:
        return content
    return content[:52] + zlib.crc32(content[:52]).to_bytes(4, "little") + content[56:]


def _ring() -> tuple[bytes, Callable[[bytes], None], Callable[[bytes], bytes]]:
    with Producer.open("fuzzed", TICK, capacity=4) as producer:
        for value in range(6):
            producer.append(value=value)
    path = registry.find("fuzzed")
    intact = path.read_bytes()

    def read(content: bytes) -> None:
        path.write_bytes(content)
        try:
            with Observer.open("fuzzed") as observer:
                observer.state()
                observer.read(0)
                observer.read(observer.oldest, 2)
        finally:
            assert path.read_bytes() == content, "an observer wrote"

    return intact, read, _sealed_header


def _journal(scratch: Path) -> tuple[bytes, Callable[[bytes], None]]:
    directory = make_one_segment(scratch / "journal")
    (path,) = directory.glob("*.journal")
    intact = path.read_bytes()

    def read(content: bytes) -> None:
        path.write_bytes(content)
        for end in (None, len(intact)):
            for item in JournalReader(directory).frames(0, end):
                assert item.end > item.offset
        assert path.read_bytes() == content, "a reader wrote"

    return intact, read


def _checkpoint() -> bytes:
    return checkpoint.encode(
        checkpoint.Checkpoint("database x, embedded", 640, checkpoint.Intent(640, 1280, {"ticks": ("a", "b")}))
    )


def _verified() -> verified.Verified:
    return verified.Verified("database x, embedded", SeqSet([Range(7, 0, 9), Range(8, 1, 2)]), SeqSet([Range(8, 3, 1)]))


def _entry() -> quarantine.Entry:
    return quarantine.Entry("code 469", 5, 1, 7, 1, descriptor=TICK.descriptor.decode(), records="AAEC" * 8)


def _read_quarantine_line(content: bytes) -> None:
    _discard(quarantine.decode(content).range)


def _quarantine_file(scratch: Path) -> Callable[[bytes], None]:
    path = DataDirectory(scratch).quarantine

    def read(content: bytes) -> None:
        path.write_bytes(content)
        for entry in quarantine.read(path):
            assert isinstance(entry, quarantine.Entry | JournalCorrupt)
        assert quarantine.Quarantine(path).count >= 0
        assert os.path.getsize(path) == len(content), "a reader wrote"

    return read
