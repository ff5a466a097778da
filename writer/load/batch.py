"""A batch: a journal range that is sent at once, in as few inserts as keep the database busy.

What a batch and its inserts hold follows from the journal, the batch's bounds and its selection alone, so that they can
be put together again after a crash, byte for byte, with the same tokens.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ringbuf.journal.frame import RECORDS
from ringbuf.journal.reader import Buffer, Damage, Frame, FrameHeader, JournalReader, Tail
from ringbuf.record.schema import Schema
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.sink import MOST_ROWS

MAX_BYTES: Final = 32 * 1024 * 1024
"""Bytes of the journal that a batch takes; twice that is in memory, for the next one is read ahead."""
CONNECTIONS: Final = 2
"""Inserts into which the many records of one schema are divided, to be sent at the same time."""
WORTH_DIVIDING: Final = 8_192
"""Records from which on it is faster to send two inserts than one."""
SCAN_BYTES: Final = 256 * 1024 * 1024
"""Bytes of the journal after which a batch ends, even if it has found little in them."""
_NOTHING: Mapping[str, int] = {}


class Piece(NamedTuple):
    """The bytes of consecutive records."""

    range: Range
    payload: memoryview


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
    def records(self) -> SeqSet:
        """Which records they are."""
        return SeqSet(piece.range for piece in self.pieces)

    @property
    def token(self) -> str:
        """Deduplication token: the same for the same records of the same schema, whenever and by whom it is made."""
        ranges = ";".join(f"{each.session:016x},{each.first_seq},{each.count}" for each in self.records.ranges)
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

    def only(self, wanted: SeqSet) -> "Insert":
        """Those of the records that are wanted."""
        ranges: dict[int, list[Range]] = defaultdict(list)
        for each in wanted.ranges:
            ranges[each.session].append(each)
        size = self.schema.record_size
        pieces = []
        for whole, payload in self.pieces:
            for each in ranges[whole.session]:
                low, high = max(each.first_seq, whole.first_seq), min(each.end, whole.end)
                if low < high:
                    bounds = slice((low - whole.first_seq) * size, (high - whole.first_seq) * size)
                    pieces.append(Piece(Range.between(whole.session, low, high), payload[bounds]))
        return Insert(self.schema, pieces)


@dataclass(frozen=True)
class Selection:
    """Which schemas' records a batch takes.

    Attributes:
        only: the one schema whose records it takes; None if it takes those of all, but of some.
        without: schemas whose records below a journal offset it leaves out; None stands for no end.
    """

    only: str | None = None
    without: Mapping[str, int | None] = field(default_factory=dict)

    def takes(self, schema: str, offset: int) -> bool:
        """Whether it takes the records of a schema in the frame at a journal offset."""
        if self.only is not None:
            return schema == self.only
        until = self.without.get(schema, 0)
        return until is not None and offset >= until


EVERYTHING: Final = Selection()


@dataclass(frozen=True)
class Batch:
    """A journal range [begin, end) and what of it goes to the database.

    Attributes:
        inserts: of each schema one or, if it has many records, `CONNECTIONS`. All records of a session are in the same
            one, so that they become visible in order whichever of the inserts is first.
        selection: whose records these are.
        left: how many records of each schema are left to stragglers.
        sessions: sessions that have records or were described in the range, with the time of the last frame, ns.
        damages: regions that cannot be read.
    """

    begin: int
    end: int
    inserts: Sequence[Insert]
    selection: Selection = EVERYTHING
    left: Mapping[str, int] = field(default_factory=dict)
    sessions: dict[int, int] = field(default_factory=dict)
    damages: Sequence[Damage] = ()

    @property
    def tokens(self) -> dict[str, tuple[str, ...]]:
        """The tokens of the inserts in their order, by schema."""
        found: dict[str, tuple[str, ...]] = {}
        for insert in self.inserts:
            found[insert.schema.name] = (*found.get(insert.schema.name, ()), insert.token)
        return found

    def rows_of(self, schema: str) -> int:
        """Number of records of a schema."""
        return sum(insert.rows for insert in self.inserts if insert.schema.name == schema)


class _Collecting:
    """What is read of a journal range, frame by frame."""

    def __init__(self, reader: JournalReader, begin: int, selection: Selection, counted: Mapping[str, int]) -> None:
        self._begin = self.end = begin
        self.pieces: dict[int, list[Piece]] = defaultdict(list)
        self.sessions: dict[int, int] = {}
        self.damages: list[Damage] = []
        self.left: Counter[str] = Counter()
        self._reader = reader
        self._selection = selection
        self._counted = counted
        self._rows = 0

    def takes(self, header: FrameHeader) -> bool:
        """Whether the batch takes a frame of records; if not, it is passed over."""
        schema = self._reader.schemas.get(header.schema_id)
        if schema is None:
            return self._selection.only is None
        if self._selection.takes(schema.name, header.offset) or header.offset > self._begin + SCAN_BYTES:
            return True
        if header.offset >= self._counted.get(schema.name, 0):
            self.left[schema.name] += header.count
        if header.session in self._reader.sessions:
            self.sessions[header.session] = header.written_ns
        self.end = header.end
        return False

    def add(self, item: Frame | Damage | Tail) -> bool:
        """Take what was read; False if the batch ends before it."""
        if isinstance(item, Frame):
            if self._rows and self._rows + item.count > MOST_ROWS:
                return False
            if item.kind == RECORDS and not self._selection.takes(
                self._reader.schemas[item.schema_id].name, item.offset
            ):
                return False  # it has passed over enough
            self.sessions[item.session] = item.written_ns
            if item.kind == RECORDS:
                piece = Piece(Range(item.session, item.first_seq, item.count), item.payload)
                self.pieces[item.schema_id].append(piece)
                self._rows += item.count
        elif isinstance(item, Tail):
            return False
        elif self._is_ours(item):
            self.damages.append(item)
        self.end = item.end
        return True

    def _is_ours(self, damage: Damage) -> bool:
        """Whether a damaged region is to be told by us: if nothing says whose it is, it may have records of ours."""
        schema = self._reader.schemas.get(damage.header.schema_id) if damage.header else None
        return schema is None or self._selection.takes(schema.name, damage.offset)


def collect(
    reader: JournalReader,
    begin: int,
    end: int,
    buffer: Buffer,
    selection: Selection = EVERYTHING,
    counted: Mapping[str, int] = _NOTHING,
) -> Batch:
    """Read the next batch.

    Args:
        begin: journal offset of a frame.
        end: journal offset up to which the journal is durable.
        buffer: takes the records. The batch ends before the first frame that does not fit, or that would exceed
            `MOST_ROWS`; it has at least one. The batch is valid until the buffer is used again.
        selection: whose records it takes.
        counted: journal offset up to which the records of a schema that are left to stragglers were counted before.
    """
    found = _Collecting(reader, begin, selection, counted)
    buffer.clear()
    for item in reader.frames(begin, end, buffer, None if selection == EVERYTHING else found.takes):
        if not found.add(item):
            break
    inserts = [
        Insert(reader.schemas[schema_id], part)
        for schema_id in sorted(found.pieces)
        for part in divided(found.pieces[schema_id])
    ]
    return Batch(begin, found.end, inserts, selection, found.left, found.sessions, found.damages)


def divided(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """The same records in parts of about equal size, each session in one of them; in one part if they are few."""
    rows: dict[int, int] = defaultdict(int)
    for piece in pieces:
        rows[piece.range.session] += piece.range.count
    if sum(rows.values()) < WORTH_DIVIDING or len(rows) < CONNECTIONS:
        return [list(pieces)]
    sizes = [0] * CONNECTIONS
    part_of: dict[int, int] = {}
    for session in sorted(rows, key=lambda each: (-rows[each], each)):
        part_of[session] = sizes.index(min(sizes))
        sizes[part_of[session]] += rows[session]
    return [[piece for piece in pieces if part_of[piece.range.session] == part] for part in range(CONNECTIONS)]
