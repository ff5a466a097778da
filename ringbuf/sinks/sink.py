"""What a sink is: seven verbs. Whoever keeps them is a place that the loader can bring records to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ringbuf.record.schema import Schema
from ringbuf.record.seqs import SeqSet
from ringbuf.record.session import SessionInfo

MOST_ROWS: Final = 1_000_000
"""Records that one insert may have."""


@dataclass(frozen=True)
class Withheld:
    """Records that a destination takes, and does not have or does not show, because its owner wants it so.

    Attributes:
        expired: it deletes them at once, because they are too old.
        hidden: it may have them, and hides them from this user.
        ttl, policy: by what rule of its owner, "" if there is none.
    """

    expired: SeqSet
    hidden: SeqSet
    ttl: str
    policy: str


class Sink(Protocol):
    """One connection to a destination. Connects at its first use. For one thread.

    Any verb raises SinkUnavailable if the destination cannot be reached, or does not allow it.
    """

    @property
    def where(self) -> str:
        """What it is, for messages."""

    @property
    def destination(self) -> str:
        """What a checkpoint is for: the same for the same place, whoever the user is."""

    def prepare(self) -> None:
        """Make what must be there for any schema, if it is missing.

        Raises:
            TableMismatch: there is something else of that name.
            ConfigurationError: what it needs is not installed.
        """

    def ensure(self, schema: Schema) -> bool:
        """Make what must be there for the records of one schema, or add what it lacks.

        Returns:
            whether records would not have found their place.

        Raises:
            TableMismatch: there is something else of that name.
        """

    def insert(self, schema: Schema, body: Sequence[memoryview], rows: int, token: str) -> None:
        """Store records, all or none of them; returns when they are acknowledged.

        Args:
            body: their bytes, in as many pieces as convenient.
            rows: how many they are; at most `MOST_ROWS`.
            token: a second insert with the same one is acknowledged and changes nothing.

        Raises:
            SinkRefused: it will never take these bytes.
            TableMismatch: it was altered so that no such record fits.
            SinkUnavailable: anything else; the records may be stored or not.
        """

    def missing(self, schema: Schema, records: SeqSet) -> SeqSet:
        """Which of these records it does not have."""

    def withheld(self, schema: Schema, body: Sequence[memoryview]) -> Withheld:
        """Which of these records, acknowledged and missing, it withholds by a rule of its owner.

        Args:
            body: their bytes, in as many pieces as convenient.
        """

    def drop(self, schema: Schema, records: SeqSet, column: str, before_ns: int) -> int:
        """Remove those of these records that a field of theirs says are old.

        Args:
            column: the field, a time.
            before_ns: what is earlier is old, ns since the epoch.

        Returns:
            how many are being removed.
        """

    def note_sessions(self, sessions: Iterable[tuple[SessionInfo, int]]) -> None:
        """Add to what it knows of sessions.

        Args:
            sessions: each session and when it was last seen, ns since the epoch.
        """

    def close(self) -> None:
        """Close the connection; the next call opens another."""
