"""The verifier: asks, about once a second, which of the records that were sent the database really has.

An acknowledgement alone never counts as stored. It asks on a connection of its own, beside the sending.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from ringbuf.errors import SinkError
from ringbuf.record.schema import Schema
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.record.session import SessionInfo
from ringbuf.writer.load.batch import Batch
from ringbuf.writer.load.connection import Connection
from ringbuf.writer.load.retry import Stuck
from ringbuf.writer.load.tables import Tables
from ringbuf.writer.worker import Worker

VERIFY_SECONDS: Final = 1.0
VERIFY_ROWS: Final = 1_000_000
SESSION_SECONDS: Final = 10.0


class Sent:
    """Records that were sent, by schema."""

    def __init__(self) -> None:
        self.rows = 0
        self._by_schema: dict[int, tuple[Schema, list[Range]]] = {}

    def add(self, schema: Schema, records: SeqSet) -> None:
        """Take more."""
        self._by_schema.setdefault(schema.schema_id, (schema, []))[1].extend(records.ranges)
        self.rows += records.count

    def by_schema(self) -> list[tuple[Schema, SeqSet]]:
        """Which records these are."""
        return [(schema, SeqSet(ranges)) for schema, ranges in self._by_schema.values()]

    def rows_of(self, name: str) -> int:
        """How many are of schemas of this name."""
        return sum(records.count for schema, records in self.by_schema() if schema.name == name)

    def drop(self, name: str) -> None:
        """Leave out those of schemas of this name."""
        self.rows -= self.rows_of(name)
        self._by_schema = {number: each for number, each in self._by_schema.items() if each[0].name != name}


@dataclass
class Verdict:
    """What the database says.

    Attributes:
        end: journal offset below which everything was asked for.
        sent: what it was asked for.
        lost: records that were acknowledged and are not there, by name of their schema.
        stuck: schemas, by name, that it does not tell about, and what it says instead.
    """

    end: int
    sent: Sent
    lost: dict[str, SeqSet] = field(default_factory=dict)
    stuck: dict[str, SinkError] = field(default_factory=dict)


@dataclass
class Question:
    """What the database is being asked, and its answer, once it is there."""

    sent: Sent
    verdict: Future[Verdict]


class Verifier:
    """Knows what was sent and not yet found in the database, and asks for it.

    Attributes:
        sessions_error: why sessions cannot be stored, None if they can.

    Args:
        connection: its own.
        described: all sessions, by session.
        on_answer: called, in another thread, when an answer is there.
    """

    def __init__(
        self,
        connection: Connection,
        tables: Tables,
        described: Mapping[int, SessionInfo],
        on_answer: Callable[[], None],
    ) -> None:
        self.sessions_error: str | None = None
        self._connection = connection
        self._tables = tables
        self._described = described
        self._on_answer = on_answer
        self._worker = Worker("verifier")
        self._sent = Sent()
        self._question: Question | None = None
        self._ask_at = 0.0
        self._store_at = 0.0
        self._last_seen: dict[int, int] = {}
        self._stored: set[int] = set()

    @property
    def is_overrun(self) -> bool:
        """Whether so much was sent meanwhile that the answer is to be waited for."""
        return self._sent.rows >= 2 * VERIFY_ROWS

    @property
    def is_asking(self) -> bool:
        """Whether a question was asked whose verdict was not taken."""
        return self._question is not None

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next question."""
        return self._sent.rows >= VERIFY_ROWS or time.monotonic() >= self._ask_at

    def add(self, batch: Batch) -> None:
        """Take note of what was acknowledged, and of when sessions were seen."""
        for insert in batch.inserts:
            self._sent.add(insert.schema, insert.records)
        self._last_seen |= batch.sessions

    def rows_of(self, schema: str) -> int:
        """How many records of a schema were sent, and are not known to be there."""
        return self._sent.rows_of(schema) + (self._question.sent.rows_of(schema) if self._question else 0)

    def drop(self, schema: str) -> None:
        """Do not ask for the records of a schema any more."""
        self._sent.drop(schema)

    def forget(self) -> None:
        """Forget what was sent: it is sent again."""
        self._sent = Sent()

    def reset(self) -> None:
        """Begin anew; a question that is under way is waited for, its answer forgotten."""
        if self._question is not None:
            wait([self._question.verdict])
            self._question = None
        self.forget()
        self.store_sessions_next()  # whether sessions were stored is not known

    def store_sessions_next(self) -> None:
        """Store sessions with the next question, however long ago that was done last."""
        self._store_at = 0.0

    def ask(self, end: int) -> None:
        """Ask for everything that was sent since the last question; `end`: journal offset below which all was sent."""
        self._ask_at = time.monotonic() + VERIFY_SECONDS
        sent, self._sent = self._sent, Sent()
        verdict = self._worker.submit(partial(self._find_out, Verdict(end, sent), self._sessions_to_store()))
        verdict.add_done_callback(lambda _: self._on_answer())
        self._question = Question(sent, verdict)

    def verdict(self, *, patient: bool) -> Verdict | None:
        """The answer, once; None if it is not there yet, unless `patient`: then it is waited for.

        Raises:
            Abandoned: the writer stops.
        """
        question = self._question
        if question is None or not (patient or question.verdict.done()):
            return None
        self._question = None
        return question.verdict.result()

    def _find_out(self, found: Verdict, sessions: list[tuple[SessionInfo, int]]) -> Verdict:
        if sessions:
            self._store_sessions(sessions)
            for schema in self._tables.sound:
                self._unless_stuck(found, schema, partial(self._connection.check, schema))
        for schema, records in found.sent.by_schema():
            self._unless_stuck(found, schema, partial(self._add_lost, found, schema, records))
        return found

    def _store_sessions(self, sessions: list[tuple[SessionInfo, int]]) -> None:
        """Store sessions; no record has to wait if that cannot be done."""
        try:
            self._connection.note_sessions(sessions)
        except Stuck as stuck:
            self.sessions_error = str(stuck.error)
        else:
            self.sessions_error = None
            self._stored |= {info.session for info, _ in sessions}

    def _add_lost(self, found: Verdict, schema: Schema, records: SeqSet) -> None:
        if lacking := self._connection.lacking(schema, records):
            found.lost[schema.name] = found.lost.get(schema.name, SeqSet()) | lacking

    def _unless_stuck(self, found: Verdict, schema: Schema, call: Callable[[], None]) -> None:
        if schema.name not in found.stuck:
            try:
                call()
            except Stuck as stuck:
                found.stuck[schema.name] = stuck.error

    def _sessions_to_store(self) -> list[tuple[SessionInfo, int]]:
        """All sessions there are news of, if one of them is new or the last time was a while ago."""
        is_old_news = self._last_seen.keys() <= self._stored or self.sessions_error is not None
        if is_old_news and time.monotonic() < self._store_at:
            return []
        self._store_at = time.monotonic() + SESSION_SECONDS
        return [(self._described[session], seen) for session, seen in self._last_seen.items()]
