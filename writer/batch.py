"""A batch: a journal range that is sent as one insert per table.

What a batch holds follows from the journal and its bounds alone, so that it can be put together again after a crash,
byte for byte, with the same tokens.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

from ringbuf.frame import RECORDS
from ringbuf.journal import Damage, Frame, JournalReader
from ringbuf.schema import Schema

MAX_ROWS: Final = 1_000_000
MAX_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, order=True, slots=True)
class Range:
    """Consecutive records of one session: `count` of them from `first_seq` on."""

    session: int
    first_seq: int
    count: int

    @property
    def end(self) -> int:
        """Seq behind the last record."""
        return self.first_seq + self.count


class Piece(NamedTuple):
    """The bytes of consecutive records."""

    range: Range
    payload: memoryview


def merged(ranges: Iterable[Range]) -> list[Range]:
    """The same records as sorted ranges, as few as possible; overlaps count once."""
    found: list[Range] = []
    for each in sorted(ranges):
        last = found[-1] if found else None
        if last is not None and last.session == each.session and each.first_seq <= last.end:
            found[-1] = Range(last.session, last.first_seq, max(last.end, each.end) - last.first_seq)
        else:
            found.append(each)
    return found


def gaps(wanted: Range, present: Iterable[int]) -> list[Range]:
    """The parts of a range whose seqs are not among the sorted `present`."""
    edges = [wanted.first_seq - 1, *(seq for seq in present if wanted.first_seq <= seq < wanted.end), wanted.end]
    return [Range(wanted.session, low + 1, high - low - 1) for low, high in pairwise(edges) if high > low + 1]


@dataclass(frozen=True)
class Insert:
    """Records of one schema that go to the database in one statement.

    Attributes:
        pieces: in the order of the journal.
    """

    schema: Schema
    pieces: Sequence[Piece]

    @property
    def rows(self) -> int:
        """Number of records."""
        return sum(piece.range.count for piece in self.pieces)

    @property
    def body(self) -> list[memoryview]:
        """The bytes of all records."""
        return [piece.payload for piece in self.pieces]

    @property
    def ranges(self) -> list[Range]:
        """The records as sorted ranges, as few as possible."""
        return merged(piece.range for piece in self.pieces)

    @property
    def token(self) -> str:
        """Deduplication token: the same for the same records of the same schema, whenever and by whom it is made."""
        ranges = ";".join(f"{each.session:016x},{each.first_seq},{each.count}" for each in self.ranges)
        identity = f"{self.schema.name} {self.schema.schema_id:08x} {ranges}"
        return hashlib.sha256(identity.encode()).hexdigest()

    def halves(self) -> "tuple[Insert, Insert]":
        """The same records as two inserts, as equal as can be."""
        middle = self.rows // 2
        return self.part(0, middle), self.part(middle, self.rows)

    def part(self, begin: int, end: int) -> "Insert":
        """The records from position `begin` to `end`, counted through all pieces."""
        size = self.schema.record_size
        pieces = []
        for whole, payload in self.pieces:
            low, high = max(begin, 0), min(end, whole.count)
            if low < high:
                records = Range(whole.session, whole.first_seq + low, high - low)
                pieces.append(Piece(records, payload[low * size : high * size]))
            begin, end = begin - whole.count, end - whole.count
        return Insert(self.schema, pieces)

    def only(self, missing: Iterable[Range]) -> "Insert":
        """Those records that are in one of the ranges."""
        wanted: dict[int, list[Range]] = defaultdict(list)
        for each in missing:
            wanted[each.session].append(each)
        size = self.schema.record_size
        pieces = []
        for whole, payload in self.pieces:
            for each in wanted[whole.session]:
                low, high = max(each.first_seq, whole.first_seq), min(each.end, whole.end)
                if low < high:
                    bounds = slice((low - whole.first_seq) * size, (high - whole.first_seq) * size)
                    pieces.append(Piece(Range(whole.session, low, high - low), payload[bounds]))
        return Insert(self.schema, pieces)


@dataclass(frozen=True)
class Batch:
    """A journal range [begin, end) and what of it goes to the database.

    Attributes:
        inserts: one per schema.
        sessions: sessions that have records or were described in the range, with the time of the last frame, ns.
        damages: regions that cannot be read.
    """

    begin: int
    end: int
    inserts: Sequence[Insert]
    sessions: dict[int, int] = field(default_factory=dict)
    damages: Sequence[Damage] = ()

    @property
    def rows(self) -> int:
        """Number of records."""
        return sum(insert.rows for insert in self.inserts)


def collect(
    reader: JournalReader, begin: int, end: int, *, max_rows: int = MAX_ROWS, max_bytes: int = MAX_BYTES
) -> Batch:
    """Read the next batch.

    Args:
        begin: journal offset of a frame.
        end: journal offset up to which the journal is durable.
        max_rows, max_bytes: the batch ends before the frame that would exceed them; it has at least one frame.
    """
    pieces: dict[int, list[Piece]] = defaultdict(list)
    sessions: dict[int, int] = {}
    damages: list[Damage] = []
    rows = size = 0
    position = begin
    for item in reader.frames(begin, end):
        if isinstance(item, Frame):
            if rows and (rows + item.count > max_rows or size + item.length > max_bytes):
                break
            sessions[item.session] = item.written_ns
            if item.kind == RECORDS:
                pieces[item.schema_id].append(Piece(Range(item.session, item.first_seq, item.count), item.payload))
                rows += item.count
                size += item.length
        elif isinstance(item, Damage):
            damages.append(item)
        else:
            break
        position = item.end
    inserts = [Insert(reader.schemas[schema_id], each) for schema_id, each in sorted(pieces.items())]
    return Batch(begin, position, inserts, sessions, damages)
