"""One connection of the loader to the database: how an insert gets there with exactly one effect.

An insert acknowledged at its first try counts as sent. Any doubt (an error, a restart) is settled by asking the
database which sequence numbers it has, and sending what is missing. What was acknowledged in doubt is asked for again;
if it is not there, its token was burnt by a crash of the server, and the next try carries another one. An insert that
the database refuses for good is halved until the bad records stand alone; they go into quarantine, with the reason.
"""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from ringbuf.errors import SinkRefused, SinkUnavailable
from ringbuf.journal.step import Step, reached
from ringbuf.record.schema import Schema
from ringbuf.record.seqs import SeqSet
from ringbuf.record.session import SessionInfo
from ringbuf.sinks.sink import Sink
from ringbuf.state.quarantine import Quarantine
from ringbuf.writer.load.batch import Insert
from ringbuf.writer.load.latency import Latency
from ringbuf.writer.load.retry import Retry
from ringbuf.writer.problems import Problems

LOGGER: Final = logging.getLogger("ringbuf.writer")


class Tables:
    """The tables that are known to be as they should be; all connections share them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sound: dict[int, Schema] = {}

    def ensure(self, sink: Sink, schema: Schema) -> None:
        """Make sure of a table at its first use, and again after it was doubted.

        Raises:
            TableMismatch: there is something else of that name.
            SinkUnavailable: the database cannot be reached, or does not allow it.
        """
        if schema.schema_id not in self._sound:
            with self._lock:
                _ensure(sink, schema)
                self._sound[schema.schema_id] = schema
            reached(Step.TABLE_ENSURED)

    def doubt(self, schema: Schema) -> None:
        """A call that needed this table failed: perhaps it is gone or was altered."""
        self._sound.pop(schema.schema_id, None)

    def check(self, sink: Sink) -> None:
        """Look at all of them once more: no insert fails for want of a column that is computed."""
        for schema in list(self._sound.values()):
            with self._lock:
                _ensure(sink, schema)


def _ensure(sink: Sink, schema: Schema) -> None:
    if sink.ensure(schema):
        LOGGER.warning("table %s was created or altered", schema.name)


@dataclass
class Delivery:
    """An insert on its way.

    Attributes:
        doubt: whether the database may have its records already.
        revision: how often its token turned out to be burnt.
    """

    insert: Insert
    doubt: bool
    revision: int = 0


class Connection:
    """One connection. For one thread at a time.

    Attributes:
        stored: records acknowledged over it.
    """

    def __init__(
        self,
        sink: Sink,
        tables: Tables,
        quarantine: Quarantine,
        latency: Latency,
        problems: Problems,
        abandon: threading.Event,
    ) -> None:
        self.stored = 0
        self._sink = sink
        self._tables = tables
        self._quarantine = quarantine
        self._latency = latency
        self._problems = problems
        self._retry = Retry(problems, abandon)

    @property
    def error(self) -> str | None:
        """What its last call failed with, None if it succeeded."""
        return self._retry.error

    def close(self) -> None:
        """Close it; its next call opens another."""
        self._sink.close()

    def deliver(self, insert: Insert, *, doubt: bool) -> None:
        """See to it that the database has these records, or that they are in quarantine.

        Raises:
            Abandoned: the writer stops.
        """
        delivery = Delivery(insert, doubt)
        try:
            self._retry.until_answered(partial(self._try, delivery))
        except SinkRefused as error:
            quarantined = self._quarantine.count
            self._split(delivery.insert, error)
            if self._quarantine.count == quarantined:
                self._problems.report(error)  # all is stored; somebody should know all the same

    def settle(self, sessions: Sequence[tuple[SessionInfo, int]], sent: Sequence[tuple[Schema, SeqSet]]) -> SeqSet:
        """Store what is known of sessions, then ask for records that were sent.

        Args:
            sessions: each session and when it was last seen, ns since the epoch; may be none.
            sent: records of each schema.

        Returns:
            what the database does not have, nor the quarantine.

        Raises:
            Abandoned: the writer stops.
        """
        if sessions:
            self._retry.until_answered(partial(self._sink.note_sessions, sessions))
            reached(Step.SESSIONS_STORED)
            self._retry.until_answered(partial(self._tables.check, self._sink))
        lost = SeqSet()
        for schema, records in sent:
            lost |= self._retry.until_answered(partial(self._lacking, schema, records))
        return lost

    def _try(self, delivery: Delivery) -> None:
        doubt = delivery.doubt
        if doubt:
            lacking = self._lacking(delivery.insert.schema, delivery.insert.records)
            if not lacking:
                return
            delivery.insert = delivery.insert.only(lacking)
        delivery.doubt = True  # whatever happens from here on, the next try asks first
        self._insert(delivery)
        insert = delivery.insert
        if doubt and self._lacking(insert.schema, insert.records):
            delivery.revision += 1
            raise SinkUnavailable(f"the database acknowledged {insert.rows} records and does not have them")
        self.stored += insert.rows
        self._latency.observe(insert, time.time_ns())

    def _insert(self, delivery: Delivery) -> None:
        insert = delivery.insert
        token = insert.token + (f"/r{delivery.revision}" if delivery.revision else "")
        with self._table(insert.schema):
            self._sink.insert(insert.schema, insert.body, insert.rows, token)
        reached(Step.INSERT_SENT)

    def _lacking(self, schema: Schema, records: SeqSet) -> SeqSet:
        """What of these records is neither in the database nor in quarantine."""
        with self._table(schema):
            return self._sink.missing(schema, records) - self._quarantine.records

    @contextmanager
    def _table(self, schema: Schema) -> Iterator[None]:
        self._tables.ensure(self._sink, schema)
        try:
            yield
        except SinkUnavailable:
            self._tables.doubt(schema)
            raise

    def _split(self, insert: Insert, error: SinkRefused) -> None:
        """Deliver the halves; in doubt, since a view of the owner refuses only after the table has taken them."""
        if insert.rows > 1:
            for half in insert.halves():
                self.deliver(half, doubt=True)
            return
        if not self._retry.until_answered(partial(self._lacking, insert.schema, insert.records)):
            return
        (piece,) = insert.pieces
        self._problems.report(error)
        self._retry.until_written(partial(self._quarantine.add_records, insert.schema, *piece, error.what))
