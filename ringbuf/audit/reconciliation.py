"""The audit: every record that was ever accepted must be in the database, or on its way there.

A record moves one way: ring, journal, database (or quarantine). It is in the next place before it leaves the last: the
drain acknowledges a ring after the sync of the journal, and the journal deletes only what the loader has seen in the
database. So the places are looked at in the order of this way, ring first. A record that had left a place when that was
looked at was in the next one already; one that came to a place too late to be seen there was seen where it came from.
So a record in motion may be seen twice, never nowhere, and nothing in flight counts as lost on a running system. The
other way round, a record could go from the ring to the database behind the audit's back.

What is seen twice counts once, because seqs are compared and not numbers of records: a record is stored, else
quarantined, else pending, else removed if the database was once seen to have it, else lost. Only what a ring had when
it was looked at is asked for.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from ringbuf.audit.places import (
    JournalContent,
    RingContent,
    Stored,
    look_at_database,
    look_at_journal,
    look_at_quarantine,
    look_at_retired,
    look_at_rings,
    look_at_sessions,
    look_at_verified,
)
from ringbuf.query.database import Database
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.state.checkpoint import Straggler
from ringbuf.state.data_directory import DataDirectory


@dataclass(frozen=True, order=True)
class Origin:
    """Where a session came from; the schema is the name of its table."""

    ring: str
    host: str
    schema: str


class Ending(StrEnum):
    """What is known of the end of a session."""

    OPEN = "open"
    """The ring is there."""
    ENDED = "ended"
    """The ring is gone; no process held it any more, and the journal had all of it."""
    LOST = "lost"
    """The ring is gone, and nobody saw its end: what was recorded last may be lost."""


@dataclass(frozen=True)
class LostRing:
    """What the journal knows last of a ring that is gone without an end.

    Attributes:
        pid: the process that held it.
        end: seq behind the last record that was journaled.
        written_ns: when that was, ns since the epoch.
        rebooted: whether the host was started since then.
    """

    pid: int
    end: int
    written_ns: int
    rebooted: bool


UNKNOWN: Final = Origin("", "", "")
RECREATION_SECONDS: Final = 1.5
"""So soon a live process makes a ring anew whose name was removed."""
NOTHING: Final = Stored(SeqSet(), 0, 0)


@dataclass(frozen=True)
class Account:
    """What became of the records of one session.

    Attributes:
        session: identity of the ring.
        origin: where it came from, `UNKNOWN` if nothing tells any more.
        ring: the ring, None if it is gone.
        recorded: records accepted so far; each is in exactly one of stored, quarantined, pending, removed and lost.
        removed: records that the database had when the writer asked it, or that its table's own TTL took at once, and
            that it does not have now.
        expired: those of them that the TTL took at once.
        retired: those of them that were older than the writer was told to keep.
        raw_duplicates: copies of stored rows that readers with FINAL do not see.
        doubled: copies of stored rows that they do see.
        ending: what is known of its end; None if nobody looked: the session is of another writer, or of release 0.1.0.
        lost_ring: what is known of the ring if that is `LOST`.
    """

    session: int
    origin: Origin
    ring: RingContent | None
    recorded: SeqSet
    stored: SeqSet
    quarantined: SeqSet
    pending: SeqSet
    removed: SeqSet
    expired: SeqSet
    retired: SeqSet
    lost: SeqSet
    raw_duplicates: int
    doubled: int
    ending: Ending | None = None
    lost_ring: LostRing | None = None


@dataclass(frozen=True)
class Reconciliation:
    """What an audit found.

    Attributes:
        accounts: one for each session that ring, journal or database know of.
        behind: schemas whose records the database does not take at the moment, by name; their records are pending.
        problems: what could not be read, one line each.
    """

    accounts: list[Account]
    problems: list[str]
    behind: Mapping[str, Straggler] = field(default_factory=dict)

    @property
    def is_proven(self) -> bool:
        """Whether nothing is lost or doubled, every ring is there or was seen to end, and everything could be read.

        What was removed after it had been stored was captured: that alone is no reason against it.
        """
        return not self.problems and not any(
            each.lost.count or each.doubled or each.ending is Ending.LOST for each in self.accounts
        )

    @property
    def is_complete(self) -> bool:
        """Whether nothing was removed from the database but what is meant to be gone."""
        return not any(each.removed.count > each.retired.count for each in self.accounts)

    def pending_of(self, schema: str) -> int:
        """How many records of a schema are pending."""
        return sum(each.pending.count for each in self.accounts if each.origin.schema == schema)


def reconcile(data_dir: Path, namespace: str, database: Database) -> Reconciliation:
    """Compare database, journal and rings, by sequence numbers; the writer may be running.

    Raises:
        JournalError: the journal cannot be read at all.
        SinkError: the database cannot be asked.
    """
    found = _reconcile(data_dir, namespace, database)
    if any(each.ending is Ending.LOST for each in found.accounts):
        time.sleep(RECREATION_SECONDS)
        found = _reconcile(data_dir, namespace, database)
    return found


def _reconcile(data_dir: Path, namespace: str, database: Database) -> Reconciliation:
    directory = DataDirectory(data_dir)
    rings = look_at_rings(namespace)
    journal = look_at_journal(directory)
    for other in {info.namespace for info in journal.sessions.values()} - {namespace}:
        elsewhere = look_at_rings(other)  # its writer had another namespace before
        rings.by_session |= {s: ring for s, ring in elsewhere.by_session.items() if s in journal.sessions}
        rings.problems += elsewhere.problems
    verified, problems = look_at_verified(directory.verified)
    expired = verified.expired.by_session()
    quarantined = look_at_quarantine(directory.quarantine)
    sessions = look_at_sessions(database)
    origins = (
        {session: Origin(row["ring"], row["host"], row["schema"]) for session, row in sessions.items()}
        | {session: Origin(info.ring, info.host, info.schema.name) for session, info in journal.sessions.items()}
        | {session: Origin(ring.name, ring.host, ring.schema) for session, ring in rings.by_session.items()}
    )
    tables = look_at_database(database, {origin.schema for origin in origins.values()})
    noted = look_at_retired(database)  # behind the tables: what is dropped was noted before
    seen, retired = ((each | noted).by_session() for each in (verified.seen, verified.retired))
    stored = {
        session: found
        for schema, by_session in tables.items()
        for session, found in by_session.items()
        if session not in origins or origins[session].schema == schema
    }
    accounts = [
        account(
            session,
            origins.get(session, UNKNOWN),
            rings.by_session.get(session),
            journal.ends.get(session, 0),
            journal.pending.get(session, SeqSet()),
            quarantined.get(session, SeqSet()),
            stored.get(session, NOTHING),
            seen.get(session, SeqSet()) | journal.verified.get(session, SeqSet()),
            expired.get(session, SeqSet()),
            retired.get(session, SeqSet()),
        )
        for session in {*rings.by_session, *journal.ends, *seen, *expired, *quarantined, *stored}
    ]
    accounts = sorted((with_ending(each, journal) for each in accounts), key=lambda each: (each.origin, each.session))
    return Reconciliation(accounts, rings.problems + journal.problems + problems, journal.behind)


def account(
    session: int,
    origin: Origin,
    ring: RingContent | None,
    journal_end: int,
    journaled: SeqSet,
    kept: SeqSet,
    found: Stored,
    verified: SeqSet,
    expired: SeqSet,
    retired: SeqSet,
) -> Account:
    """Account for the records of one session.

    Args:
        journal_end: seq behind the last record the journal ever had of it.
        journaled: records that wait in the journal.
        kept: records in quarantine.
        found: records in the database.
        verified: records that were in the database when the writer asked for them.
        expired: records that the table's own TTL took at once.
        retired: records among those verified that are meant to be gone, as this writer or another one has noted.
    """
    end = ring.head if ring else max(journal_end, kept.end, found.seqs.end, verified.end, expired.end)
    recorded = SeqSet([Range(session, 0, end)])
    stored = found.seqs & recorded
    quarantined = (kept & recorded) - stored
    waiting = journaled | ring.unread if ring else journaled
    pending = (waiting & recorded) - stored - quarantined
    absent = recorded - stored - quarantined - pending
    removed = absent & (verified | expired)
    return Account(
        session,
        origin,
        ring,
        recorded,
        stored,
        quarantined,
        pending,
        removed,
        removed & expired,
        removed & retired,
        absent - removed,
        found.raw_duplicates,
        found.doubled,
    )


def with_ending(account: Account, journal: JournalContent) -> Account:
    """The account together with what is known of the session's end."""
    info = journal.sessions.get(account.session)
    if account.ring is not None:
        return replace(account, ending=Ending.OPEN)
    if info is None or info.ended is not False:
        return replace(account, ending=Ending.ENDED if info is not None and info.ended else None)
    started_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    written_ns = journal.written_ns[account.session]
    lost = LostRing(info.pid, journal.ends[account.session], written_ns, written_ns < started_ns)
    return replace(account, ending=Ending.LOST, lost_ring=lost)
