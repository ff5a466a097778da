"""The audit of a data directory in one call, and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ringbuf.audit.places import look_at_late
from ringbuf.audit.reconciliation import Account, Reconciliation, reconcile
from ringbuf.query.database import ANSWER_SECONDS, open_database
from ringbuf.record.seqs import SeqSet
from ringbuf.ring import registry
from ringbuf.state import status
from ringbuf.state.data_directory import DataDirectory

COUNTS: Final = (
    "recorded",
    "stored",
    "pending",
    "quarantined",
    "removed",
    "expired",
    "retired",
    "lost",
    "doubled",
    "raw_duplicates",
)
RING_COUNTS: Final = ("dropped", "rejected", "flagged")
"""Counters of a ring, unknown when it is gone."""


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        namespace: of the rings.
        data_dir: directory of journal, checkpoint and quarantine.
        database: name of the database.
        found: what became of each session's records.
        late: how many of the stored came when records of their orders were gone; the view `late_reports` shows them.
    """

    namespace: str
    data_dir: Path
    database: str
    found: Reconciliation
    late: int

    @property
    def totals(self) -> dict[str, int]:
        """Sums over all sessions, by the names in `COUNTS` and `RING_COUNTS`."""
        return _totals([_session(each) for each in self.found.accounts])

    def described(self) -> dict[str, Any]:
        """As `ringbuf audit --json` shows it."""
        sessions = [_session(each) for each in self.found.accounts]
        return {
            "namespace": self.namespace,
            "data_dir": str(self.data_dir),
            "database": self.database,
            "proven": self.found.is_proven,
            "complete": self.found.is_complete,
            "totals": _totals(sessions),
            "late": self.late,
            "sessions": sessions,
            "stragglers": [
                straggler.described(schema) | {"records": self.found.pending_of(schema)}
                for schema, straggler in self.found.behind.items()
            ],
            "problems": self.found.problems,
        }


def audit(data_dir: Path, timeout: float = ANSWER_SECONDS) -> Audit:
    """Prove from sequence numbers that database = journal + rings; the writer may be running.

    Args:
        timeout: seconds to wait for the database at each question.

    Raises:
        ConfigurationError: no writer ever ran on the directory.
        JournalError: the journal cannot be read at all.
        SinkError: the database cannot be asked; the message says who hangs.
    """
    namespace = registry.resolve_namespace(status.of_writer(DataDirectory(data_dir)).get("namespace"))
    with open_database(data_dir, timeout) as database:
        return Audit(
            namespace, data_dir, database.name, reconcile(data_dir, namespace, database), look_at_late(database)
        )


def _totals(sessions: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {name: sum(each[name] or 0 for each in sessions) for name in (*COUNTS, *RING_COUNTS)}


def _session(each: Account) -> dict[str, Any]:
    return {
        "session": each.session,
        "ring": each.origin.ring or None,
        "host": each.origin.host or None,
        "schema": each.origin.schema or None,
        "recorded": each.recorded.count,
        "stored": each.stored.count,
        "pending": each.pending.count,
        "quarantined": each.quarantined.count,
        "removed": each.removed.count,
        "removed_ranges": _bounds(each.removed),
        "expired": each.expired.count,
        "retired": each.retired.count,
        "lost": each.lost.count,
        "gaps": _bounds(each.lost),
        "doubled": each.doubled,
        "raw_duplicates": each.raw_duplicates,
        "dropped": each.ring.dropped if each.ring else None,
        "rejected": each.ring.rejected if each.ring else None,
        "flagged": each.ring.flagged if each.ring else None,
        "ending": each.ending,
        "lost_ring": None if each.lost_ring is None else asdict(each.lost_ring),
    }


def _bounds(records: SeqSet) -> list[list[int]]:
    return [[each.first_seq, each.end] for each in records.ranges]
