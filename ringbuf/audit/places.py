"""The places a record can be in (ring, journal, quarantine, database) and which records each of them holds."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from ringbuf.errors import JournalError, RingbufError, RingNotFound, SinkError
from ringbuf.journal.reader import RECORDS, Damage, JournalReader, Tail
from ringbuf.query.database import Database
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.record.session import SessionInfo
from ringbuf.ring import registry
from ringbuf.ring.inspection import checked_state, open_ring
from ringbuf.ring.observer import Observer
from ringbuf.sinks.clickhouse import presence
from ringbuf.sinks.clickhouse.question import in_one_row, rows_in
from ringbuf.sinks.clickhouse.table import SESSIONS, quoted
from ringbuf.state import checkpoint, quarantine
from ringbuf.state.checkpoint import Checkpoint, Straggler
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.verified import Unread, Verified
from ringbuf.state.verified import load as load_verified

BUCKET: Final = 65_536
"""Seqs that the database counts at a time: so that an audit's memory does not grow with the table."""


@dataclass(frozen=True)
class RingContent:
    """A ring at one moment: `unread` is what no writer has acknowledged yet; `is_moved` if it was made anew since."""

    name: str
    host: str
    schema: str
    head: int
    unread: SeqSet
    dropped: int
    rejected: int
    flagged: int
    is_moved: bool = False


@dataclass
class Rings:
    """All rings of a namespace, by session, and what is wrong with those that cannot be read."""

    by_session: dict[int, RingContent] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass
class JournalContent:
    """The journal of a data directory.

    Attributes:
        sessions: what it tells about each session.
        ends: for each session the seq behind the last record it ever had, whether or not that is still there.
        written_ns: when its last frame of each session was written, ns since the epoch.
        pending: records that the loader has yet to verify in the database.
        verified: records that it has verified there.
        behind: schemas whose records the database does not take at the moment, by name.
        problems: what is damaged, and was not removed while it was read.
    """

    sessions: dict[int, SessionInfo] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    written_ns: dict[int, int] = field(default_factory=dict)
    pending: dict[int, SeqSet] = field(default_factory=dict)
    verified: dict[int, SeqSet] = field(default_factory=dict)
    behind: dict[str, Straggler] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Stored:
    """The records of one session in the database.

    Attributes:
        seqs: which ones.
        raw_duplicates: rows that are copies of others; readers with FINAL do not see them.
        doubled: copies that even readers with FINAL see.
    """

    seqs: SeqSet
    raw_duplicates: int
    doubled: int


def look_at_rings(namespace: str) -> Rings:
    """What is in the rings of a namespace now."""
    found = Rings()
    for name in registry.ring_names(namespace):
        try:
            with open_ring(name, namespace) as observer:
                ring, session = _ring(name, observer), observer.header.session
            if session not in found.by_session or not ring.is_moved:
                found.by_session[session] = ring
        except RingNotFound:
            continue  # it was removed meanwhile: a writer has all of it
        except RingbufError as error:
            found.problems.append(str(error))
    return found


def _ring(name: str, observer: Observer) -> RingContent:
    header, state = observer.header, checked_state(observer)
    return RingContent(
        name,
        header.host,
        header.schema.name,
        state.head,
        SeqSet([Range.between(header.session, state.tail, state.head)]),
        state.dropped,
        state.rejected,
        state.flagged,
        state.moved_ns != 0,
    )


def look_at_journal(directory: DataDirectory) -> JournalContent:
    """What is in the journal now. All of it is read, and every checksum checked.

    Raises:
        JournalError: the journal or the loader's state cannot be read.
    """
    found = JournalContent()
    if not directory.journal.is_dir():
        return found
    # First: what the loader verifies meanwhile counts as pending.
    state = checkpoint.load(directory.checkpoint) or Checkpoint("", 0)
    reader = JournalReader(directory.journal)
    unread = Unread(directory.quarantine)
    pending: list[Range] = []
    verified: list[Range] = []
    damages: list[Damage] = []
    for item in reader.frames():
        if isinstance(item, Tail):
            break
        if isinstance(item, Damage):
            damages.append(item)
        elif item.kind == RECORDS:
            records = Range(item.session, item.first_seq, item.count)
            if item.end > state.offset_of(reader.sessions[item.session].schema.name):
                pending.append(records)
            elif item not in unread:
                verified.append(records)
        header = item.header if isinstance(item, Damage) else item
        if header is not None:
            end = header.first_seq + header.count
            found.ends[header.session] = max(found.ends.get(header.session, 0), end)
            found.written_ns[header.session] = header.written_ns
    oldest = min((segment.base for segment in reader.segments()), default=0)
    found.problems = [
        f"journal damaged from {each.offset} to {each.end}: {each.reason}" for each in damages if each.end > oldest
    ]
    found.sessions = reader.sessions
    found.behind = state.behind
    found.pending = SeqSet(pending).by_session()
    found.verified = (SeqSet(verified) - unread.records).by_session()
    return found


def look_at_quarantine(path: Path) -> dict[int, SeqSet]:
    """The records in a quarantine file, by session, that the database refused and whose bytes are kept."""
    entries = quarantine.read(path)
    return SeqSet(each.range for each in entries if isinstance(each, quarantine.Entry) and each.records).by_session()


def look_at_verified(path: Path) -> tuple[Verified, list[str]]:
    """What the database was known to have of what the journal does not hold any more, and why that cannot be read.

    It is of the database of the last writer: one with another database begins it anew.
    """
    try:
        return load_verified(path) or Verified(""), []
    except JournalError as error:
        return Verified(""), [str(error)]


def look_at_database(database: Database, schemas: Iterable[str]) -> dict[str, dict[int, Stored]]:
    """The records in the tables of these schemas, by schema and session; a table may not be there yet.

    Raises:
        SinkError: the database cannot be asked.
    """
    tables = database.tables()
    return {schema: dict(_look_at_table(database, schema)) for schema in schemas if schema in tables}


def look_at_sessions(database: Database) -> dict[int, dict[str, Any]]:
    """The rows of the table `sessions`, by session."""
    if SESSIONS not in database.tables():
        return {}
    rows = database.rows(f"SELECT session, ring, host, schema FROM {quoted(database.name)}.{quoted(SESSIONS)} FINAL")
    return {int(row["session"]): row for row in rows}


def look_at_retired(database: Database) -> SeqSet:
    """The records that any writer has noted as meant to be gone; it had verified them before.

    Raises:
        SinkError: the database cannot be asked.
    """
    if "retired" not in database.tables():
        return SeqSet()
    table = f"{quoted(database.name)}.retired"
    rows = _ask(database, f"SELECT session, first_seq, end FROM {table} FINAL WHERE end != 0")
    return SeqSet(Range.between(*row) for row in rows)


def look_at_late(database: Database) -> int:
    """How many records came too late: when records of their orders were gone. They are stored, and in no view but one.

    Raises:
        SinkError: the database cannot be asked.
    """
    if "late_records" not in database.tables():
        return 0
    late = f"{quoted(database.name)}.late_records"
    ((count,),) = _ask(database, f"SELECT uniqExact(session, seq) FROM {late} FINAL WHERE order_key NOT IN ('')")
    return count


def _look_at_table(database: Database, table: str) -> Iterator[tuple[int, Stored]]:
    name = f"{quoted(database.name)}.{quoted(table)}"
    ask = partial(_ask, database)
    between: defaultdict[int, list[Range]] = defaultdict(list)
    with_gaps: list[Range] = []
    copies: defaultdict[int, int] = defaultdict(int)
    for session, raw, distinct, first, last in ask(_counted(name)):
        found = Range.between(session, first, last + 1)
        between[session].append(found)
        with_gaps += [found] if found.count > distinct else []
        copies[session] += raw - distinct
    missing = presence.missing(ask, name, SeqSet(with_gaps))
    doubled: defaultdict[int, int] = defaultdict(int)
    for session, raw, distinct, _, _ in ask(_counted(f"{name} FINAL")) if any(copies.values()) else ():
        doubled[session] += raw - distinct
    for session, ranges in between.items():
        yield session, Stored(SeqSet(ranges) - missing, copies[session], doubled[session])


def _counted(table: str) -> str:
    """Rows, different seqs, first and last seq of each bucket that has any. A bitmap has 8 KB at most for a bucket."""
    return (
        f"SELECT session, count(), groupBitmap(toUInt32(seq % {BUCKET})), min(seq), max(seq)"
        f" FROM {table} GROUP BY session, intDiv(seq, {BUCKET})"
    )


def _ask(database: Database, question: str) -> list[list[int]]:
    try:
        ((answer,),) = (row.values() for row in database.rows(in_one_row(question)))
        return [[int(value) for value in row] for row in rows_in(answer)]
    except (ValueError, TypeError) as error:
        raise SinkError(f"database {database.name}: {error}") from error
