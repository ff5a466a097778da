"""One connection of the loader to the database: how an insert gets there with exactly one effect.

An insert is in doubt if the database may have its records already, because it was sent before, by this run or another.
What is in doubt is asked for, and only what is missing is sent; what was acknowledged after that is asked for again. If
it is not there, its token was burnt by a crash of the server, and the next try carries another one; unless the table's
owner wants it so, which is asked before records are sent again that were acknowledged: what has expired by the table's
TTL is counted and not sent again, and what a row policy hides from the writer's user waits until it can be seen. An
insert that the database refuses for good is halved until the bad records stand alone; they go into quarantine, with the
reason.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from ringbuf.errors import SinkError, SinkRefused, SinkUnavailable, TableMismatch
from ringbuf.journal.step import Step, reached
from ringbuf.record.execution import EXECUTION
from ringbuf.record.schema import Schema
from ringbuf.record.seqs import SeqSet
from ringbuf.record.session import SessionInfo
from ringbuf.sinks.sink import Sink, Withheld
from ringbuf.state.quarantine import Quarantine
from ringbuf.state.verified import VerifiedFile
from ringbuf.writer.derive.derivation import Derivation
from ringbuf.writer.load.batch import Batch, Insert
from ringbuf.writer.load.latency import Latency
from ringbuf.writer.load.retry import Retry, Stuck
from ringbuf.writer.load.tables import Tables
from ringbuf.writer.problems import Problems

LOGGER: Final = logging.getLogger("ringbuf.writer")
NO_RECORDS: Final = SeqSet()
T = TypeVar("T")


@dataclass(frozen=True)
class Shared:
    """What all connections of a loader share.

    Attributes:
        expiring: schemas of which it was said that their table's TTL takes records at once.
        hidden: schemas of which a row policy hides records.
    """

    tables: Tables
    quarantine: Quarantine
    verified: VerifiedFile
    latency: Latency
    problems: Problems
    abandon: threading.Event
    derivation: Derivation
    expiring: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)

    def note_damages(self, batch: Batch, retry: Retry) -> None:
        """Say what of a batch cannot be read, and put it into quarantine.

        Raises:
            Abandoned: the writer stops.
        """
        for damage in batch.damages:
            if self.quarantine.knows(damage):
                continue
            LOGGER.error("journal damaged from %d to %d: %s", damage.offset, damage.end, damage.reason)
            retry.until_written(partial(self.quarantine.add_damage, damage))


@dataclass
class Delivery:
    """An insert on its way.

    Attributes:
        insert: what is still to be sent.
        doubt: whether the database may have it.
        lost: records that were acknowledged and were not there when they were asked for.
    """

    insert: Insert
    doubt: bool
    lost: SeqSet = NO_RECORDS


class Connection:
    """One connection. For one thread at a time.

    Attributes:
        stored: records acknowledged over it.

    Args:
        patience: seconds that a call may fail while the database answers.
        dividing_seconds: how long records that are refused are looked for in an insert.
        is_prompt: whether its records come as they are captured, so that their latency tells something.
    """

    def __init__(
        self, sink: Sink, shared: Shared, *, patience: float, dividing_seconds: float, is_prompt: bool = True
    ) -> None:
        self.stored = 0
        self._sink = sink
        self._shared = shared
        self._dividing_seconds = dividing_seconds
        self._is_prompt = is_prompt
        self._retry = Retry(shared.problems, shared.abandon)
        self._patience = patience
        self._burnt: dict[str, int] = {}  # how often a token turned out to be burnt

    @property
    def error(self) -> str | None:
        """What its last call failed with; None if it succeeded, or if the database answers others."""
        return self._retry.error

    def close(self) -> None:
        """Close it; its next call opens another."""
        self._sink.close()

    def deliver(self, insert: Insert, *, doubt: bool, lost: SeqSet = NO_RECORDS) -> None:
        """See to it that the database has these records, or that they are in quarantine.

        Args:
            doubt: whether it may have them.
            lost: records, of these or others, that were acknowledged and were not there when they were asked for.

        Raises:
            Stuck: the database answers, but does not take them, or refuses so many that it takes too long.
            Abandoned: the writer stops.
        """
        delivery = Delivery(insert, doubt, lost)
        is_whole = insert.schema.record_size == EXECUTION.record_size  # and not of an earlier version
        try:
            self._with_table(insert.schema, partial(self._advance, delivery))
        except SinkRefused as error:
            is_whole = False
            if self._divide(delivery.insert, error, time.monotonic() + self._dividing_seconds) == 0:
                self._shared.problems.report(error)  # all is stored; somebody should know all the same
        if insert.schema.name == EXECUTION.name:
            is_whole = is_whole and delivery.insert is insert
            self._shared.derivation.note(insert.records, insert.body if is_whole else ())

    def lacking(self, schema: Schema, records: SeqSet) -> SeqSet:
        """Which of these records are neither in the database nor in quarantine, nor expired when they came.

        Raises:
            Stuck, Abandoned: see `deliver`.
        """
        return self._with_table(schema, partial(self._lacking, schema, records))

    def check(self, schema: Schema) -> None:
        """Make sure that a table is as it should be.

        Raises:
            Stuck, Abandoned: see `deliver`.
        """
        self._retry.until_answered(
            partial(self._shared.tables.check, self._sink, schema), self._answers, self._patience
        )

    def note_sessions(self, sessions: Iterable[tuple[SessionInfo, int]]) -> None:
        """Store what is known of sessions.

        Raises:
            Stuck, Abandoned: see `deliver`.
        """
        self._retry.until_answered(partial(self._sink.note_sessions, sessions), self._answers, self._patience)
        reached(Step.SESSIONS_STORED)

    def _with_table(self, schema: Schema, call: Callable[[], T]) -> T:
        def attempt() -> T:
            self._shared.tables.ensure(self._sink, schema)
            try:
                return call()
            except (SinkUnavailable, TableMismatch):
                self._shared.tables.doubt(schema)
                raise

        return self._retry.until_answered(attempt, self._answers, self._patience)

    def _answers(self) -> bool:
        """Whether the database does anything for us: if so, what fails is the trouble of one table."""
        try:
            self._sink.prepare()
        except TableMismatch:
            return True  # of the sessions' table, which has nothing to do with it
        except SinkError:
            return False
        return True

    def _advance(self, delivery: Delivery) -> None:
        """Bring an insert one try further; it has arrived if this does not fail."""
        was_in_doubt = delivery.doubt
        if was_in_doubt:
            lacking = self._lacking(delivery.insert.schema, delivery.insert.records)
            taken = lacking if delivery.insert.schema.name in self._shared.hidden else lacking & delivery.lost
            delivery.insert = delivery.insert.only(lacking - self._expired(delivery.insert.only(taken)))
            if not delivery.insert.rows:
                return
        delivery.doubt = True  # whatever happens from here on, the next try asks first
        insert, token = delivery.insert, delivery.insert.token
        revision = self._burnt.get(token, 0)
        self._sink.insert(insert.schema, insert.body, insert.rows, f"{token}/r{revision}" if revision else token)
        reached(Step.INSERT_SENT)
        if was_in_doubt and (lacking := self._lacking(insert.schema, insert.records)):
            delivery.insert = insert.only(lacking - self._expired(insert.only(lacking)))
            if delivery.insert.rows:
                self._burnt[token] = revision + 1
                raise SinkUnavailable(f"the database acknowledged {insert.rows} records and does not have them")
        self._burnt.pop(token, None)
        self.stored += insert.rows
        if self._is_prompt:
            self._shared.latency.observe(insert, time.time_ns())

    def _lacking(self, schema: Schema, records: SeqSet) -> SeqSet:
        missing = self._sink.missing(schema, records)
        if not missing:
            return missing
        return missing - self._shared.quarantine.records - self._shared.verified.current.expired

    def _expired(self, insert: Insert) -> SeqSet:
        """Those of records that are not there which their table's own TTL has taken: noted as such.

        Raises:
            TableMismatch: the table's owner hides some of them from us, so nobody can say whether it has them.
        """
        if not insert.rows:
            return NO_RECORDS
        found = self._sink.withheld(insert.schema, insert.body)
        if found.expired:
            self._note_expired(insert.schema, found)
        if found.hidden:
            self._shared.hidden.add(insert.schema.name)
            raise TableMismatch(
                f"table {insert.schema.name}: a row policy hides what this user has stored: it may see {found.policy}",
                "let the writer's user see all rows: ALTER ROW POLICY … TO … EXCEPT this user; until then it cannot be"
                " proved that they are stored",
            )
        self._shared.hidden.discard(insert.schema.name)
        return found.expired

    def _note_expired(self, schema: Schema, found: Withheld) -> None:
        """The table's own TTL takes these records: to send them again would change nothing."""
        if schema.name not in self._shared.expiring:
            self._shared.expiring.add(schema.name)
            LOGGER.warning(
                "table %s: %d records had expired by its own TTL when they came (%s); the database has dropped them,"
                " and they are not sent again. More of them are only counted: `expired` in status and audit",
                schema.name,
                found.expired.count,
                found.ttl,
            )
        self._retry.until_written(partial(self._shared.verified.change, lambda now: now.with_expired(found.expired)))

    def _deliver_half(self, insert: Insert, end: float) -> int:
        """In doubt, since a view of the owner refuses only after the table has taken the records."""
        delivery = Delivery(insert, doubt=True)
        try:
            self._with_table(insert.schema, partial(self._advance, delivery))
        except SinkRefused as error:
            return self._divide(delivery.insert, error, end)
        return 0

    def _divide(self, insert: Insert, error: SinkRefused, end: float) -> int:
        """Deliver the halves of what was refused, and so on; a record that is refused alone goes into quarantine.

        Returns:
            how many did.

        Raises:
            Stuck: the time `end` has come; what is in quarantine stays there.
        """
        if insert.rows > 1:
            return sum(self._deliver_half(half, end) for half in insert.halves())
        if not self.lacking(insert.schema, insert.records):
            return 0
        if time.monotonic() > end:
            raise Stuck(error)
        (piece,) = insert.pieces
        self._shared.problems.report(error)
        self._retry.until_written(
            partial(self._shared.quarantine.add_records, insert.schema, *piece, error.what),
        )
        return 1
