"""Sends quarantined records to the database once more, after somebody has mended what refused them."""

import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Final

from ringbuf.errors import JournalCorrupt, RingbufError, SinkRefused, SinkUnavailable
from ringbuf.journal.files import DISK
from ringbuf.record.schema import Schema
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.sink import Sink
from ringbuf.state import quarantine
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.quarantine import Entry
from ringbuf.state.verified import Verified, VerifiedFile
from ringbuf.writer.load.batch import Insert, Piece
from ringbuf.writer.load.resend_request import Outcome

ROWS_AT_ONCE: Final = 10_000
TOKENS: Final = 5
"""How often what was acknowledged and is not there is sent again: a crash of the server can burn a token."""


def resend(directory: DataDirectory, sink: Sink) -> Outcome:
    """Send all quarantined records that the database does not have, and keep in quarantine what it still refuses.

    The caller holds the lock of the database. May be interrupted at any moment and run again.

    Raises:
        SinkUnavailable, TableMismatch: the database cannot be used; what was stored until then stays stored.
        JournalCorrupt: what the database is known to have had cannot be read.
    """
    verified = VerifiedFile.open(directory, sink.destination, time.time_ns(), _refuse)
    outcome = Outcome()
    by_schema: dict[str, dict[Range, Piece]] = defaultdict(dict)
    for entry in _entries(directory.quarantine):
        by_schema[entry.descriptor][entry.range] = Piece(entry.range, memoryview(entry.payload))
    for descriptor, pieces in by_schema.items():
        schema = Schema.from_descriptor(descriptor.encode())
        sink.ensure(schema)
        ordered = [pieces[each] for each in sorted(pieces)]
        for start in range(0, len(ordered), ROWS_AT_ONCE):
            _send(sink, verified, Insert(schema, ordered[start : start + ROWS_AT_ONCE]), outcome)
    settled = SeqSet(each for pieces in by_schema.values() for each in pieces) - SeqSet(outcome.refused)
    verified.change(lambda now: now.with_seen(settled - now.expired))  # their segments may be gone
    _keep(directory.quarantine, outcome.refused)
    return outcome


def _refuse(error: RingbufError) -> None:
    raise error


def _entries(path: Path) -> list[Entry]:
    return [entry for entry in quarantine.read(path) if isinstance(entry, Entry) and entry.records]


def _send(sink: Sink, verified: VerifiedFile, insert: Insert, outcome: Outcome) -> None:
    """Send what the database does not have, and count as stored only what it has when it is asked."""
    lacking = insert
    for attempt in range(TOKENS + 1):
        before = lacking.rows
        lacking = lacking.only(sink.missing(insert.schema, lacking.records))
        outcome.stored += before - lacking.rows
        if attempt and lacking.rows:
            expired = sink.withheld(lacking.schema, lacking.body).expired
            verified.change(partial(Verified.with_expired, records=expired))
            outcome.expired += expired.count
            lacking = lacking.only(lacking.records - expired)
        if not lacking.rows:
            return
        if attempt == TOKENS:
            break
        try:
            # Not the token of the loader: it may be one that was refused, or forgotten.
            sink.insert(lacking.schema, lacking.body, lacking.rows, f"{lacking.token}/resent{attempt}")
        except SinkRefused as error:
            _divide(sink, verified, lacking, error, outcome)
            return
    raise SinkUnavailable(
        f"{sink.where} acknowledged {lacking.rows} records {TOKENS} times and does not have them",
        "they stay in quarantine; look at the server's log, then run `ringbuf resend` again",
    )


def _divide(sink: Sink, verified: VerifiedFile, insert: Insert, error: SinkRefused, outcome: Outcome) -> None:
    if insert.rows > 1:
        for half in insert.halves():
            _send(sink, verified, half, outcome)
    elif sink.missing(insert.schema, insert.records):
        outcome.refused[insert.pieces[0].range] = error.what
    else:
        outcome.stored += 1  # it was a view that refused, after the table had taken it


def _keep(path: Path, refused: dict[Range, str]) -> None:
    """Replace the quarantine by what still belongs there: refused records, damaged regions, lines nobody can read."""
    if not path.exists():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    DISK.replace(path, [[memoryview(line) for line in lines if _belongs(line, refused)]])


def _belongs(line: bytes, refused: dict[Range, str]) -> bool:
    try:
        entry = quarantine.decode(line)
    except JournalCorrupt:
        return True
    return not entry.records or entry.range in refused
