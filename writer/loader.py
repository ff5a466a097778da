"""The loader: from the journal into the database, every record with exactly one effect.

How:

1. Before a batch is sent, its bounds and the tokens of its inserts are made durable (the intent). After a crash the
   same batch is put together again and sent with the same tokens.
2. An insert acknowledged at its first try counts as *sent*. Any doubt (an error, a restart) is settled by asking the
   database which sequence numbers it has, and sending what is missing. What was acknowledged in doubt is asked for
   again; if it is not there, its token was burnt by a crash of the server, and the next try carries another one.
3. About once a second the database is asked for everything sent since. Only what it really has moves the *checkpoint*,
   and only below the checkpoint may the journal delete. An acknowledgement alone never counts as stored.
4. A batch that the database refuses for good is halved until the bad records stand alone. They go into quarantine, with
   the reason; the rest goes on.

Everything between checkpoint and journal end is doubtful after a restart, and settled by (2).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import tenacity

from ringbuf.errors import JournalFull, SinkError, SinkRefused, SinkUnavailable, TableMismatch
from ringbuf.execution import EXECUTION
from ringbuf.journal import JournalReader
from ringbuf.schema import Schema

from . import checkpoint as state_file
from .batch import MAX_BYTES, Batch, Insert, Range, collect, merged
from .checkpoint import Checkpoint, Intent
from .journal import Journal
from .latency import Latency
from .problems import Problems
from .quarantine import Quarantine
from .sink import ClickHouseSink
from .step import Step, reached
from .verification import missing

LOGGER: Final = logging.getLogger("ringbuf.writer")
VERIFY_SECONDS: Final = 1.0
VERIFY_ROWS: Final = 1_000_000
SESSION_SECONDS: Final = 10.0

T = TypeVar("T")


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


class Abandoned(Exception):
    """The writer is stopping and does not wait for the database any longer."""


class Loader:
    """Loads a journal into one database. `run` is the body of its thread.

    Attributes:
        checkpoint: what the database has, for certain, and the batch on its way.
        sent: journal offset below which everything was acknowledged or is quarantined.
        stored: records acknowledged in this run.
        latency: from a record's append to the acknowledgement of its insert.
        reachable: whether the last call of the database succeeded.
        news: set by the drain when the journal has grown.
        finishing: set when the writer stops: load what is there, then end.
        abandon: set when the writer stops waiting for an unreachable database.
    """

    def __init__(
        self,
        directory: Path,
        journal: Journal,
        reader: JournalReader,
        sink: ClickHouseSink,
        problems: Problems,
        checkpoint: Checkpoint,
        *,
        flush_interval: float,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.checkpoint = checkpoint
        self.sent = checkpoint.offset
        self.stored = 0
        self.latency = Latency()
        self.reachable = True
        self.error: str | None = None
        self.quarantine = Quarantine(directory)
        self.news = threading.Event()
        self.finishing = threading.Event()
        self.abandon = threading.Event()
        self._directory = directory
        self._journal = journal
        self._reader = reader
        self._sink = sink
        self._problems = problems
        self._flush_interval = flush_interval
        self._max_bytes = max_bytes
        self._doubtful_until = 0
        self._unverified: dict[int, tuple[Schema, list[Range]]] = {}
        self._unverified_rows = 0
        self._verify_at = 0.0
        self._prepared: set[int] = set()
        self._sessions_at = 0.0
        self._last_seen: dict[int, int] = {}
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((SinkUnavailable, TableMismatch)),
            wait=tenacity.wait_exponential_jitter(initial=0.1, max=5.0, jitter=0.1),
            stop=tenacity.stop_when_event_set(self.abandon),
            sleep=tenacity.sleep_using_event(self.abandon),
            before_sleep=self._report_retry,
            reraise=True,
        )

    # The thread

    def run(self) -> None:
        """Load until `finishing` is set and the journal's end is reached, or `abandon` is set.

        May be called again after it raised: it begins as after a restart.
        """
        try:
            self._recover()
            while not self.abandon.is_set():
                started = time.monotonic()
                batch = self._next_batch()
                if batch is not None:
                    self._load(batch)
                elif self.finishing.is_set():
                    break
                if time.monotonic() >= self._verify_at:
                    self._verify()
                self._wait(started, idle=batch is None)
            self._verify()
            self._upsert_sessions()
        except Abandoned:
            LOGGER.warning(
                "stopped without the database: %d bytes of the journal wait for the next start", self.backlog
            )

    @property
    def backlog(self) -> int:
        """Bytes of the journal that are not yet sent."""
        return self._journal.durable_end - self.sent

    def _wait(self, started: float, *, idle: bool) -> None:
        """Let records gather for a while, so that a quiet stream does not become a hail of tiny inserts."""
        if self.finishing.is_set() or self.backlog >= self._max_bytes // 4:
            return
        if idle:
            self.news.wait(VERIFY_SECONDS)
            self.news.clear()
        else:
            self.finishing.wait(max(0.0, started + self._flush_interval - time.monotonic()))

    def _next_batch(self) -> Batch | None:
        end = self._journal.durable_end
        if self.sent >= end:
            return None
        batch = collect(self._reader, self.sent, end, max_bytes=self._max_bytes)
        return batch if batch.end > batch.begin else None

    # One batch

    def _recover(self) -> None:
        """Settle the batch that was on its way when an earlier run ended, with its own tokens."""
        self.sent = self.checkpoint.offset
        self._doubtful_until = self._journal.durable_end
        self._forget_unverified()
        intent = self.checkpoint.intent
        if intent is None:
            return
        LOGGER.info("settling the batch that was on its way, journal %d to %d", intent.begin, intent.end)
        batch = collect(self._reader, intent.begin, intent.end, max_bytes=intent.end - intent.begin)
        if batch.end == intent.end and tuple(insert.token for insert in batch.inserts) == intent.tokens:
            for insert in batch.inserts:
                self._deliver(insert, doubt=True)
        # Else the journal was damaged meanwhile. What of it is readable is doubtful like all behind the checkpoint.

    def _load(self, batch: Batch) -> None:
        intent = Intent(batch.begin, batch.end, tuple(insert.token for insert in batch.inserts))
        self._save(replace(self.checkpoint, intent=intent))
        reached(Step.BATCH_INTENDED)
        for damage in batch.damages:
            LOGGER.error("journal damaged from %d to %d: %s", damage.offset, damage.end, damage.reason)
            self._until_written(partial(self.quarantine.add_damage, damage))
        doubt = batch.begin < self._doubtful_until
        for insert in batch.inserts:
            self._deliver(insert, doubt=doubt)
            _, sent = self._unverified.setdefault(insert.schema.schema_id, (insert.schema, []))
            sent.extend(insert.ranges)
            self._unverified_rows += insert.rows
        reached(Step.BATCH_SENT)
        self._note_sessions(batch)
        self.sent = batch.end
        if self._unverified_rows >= VERIFY_ROWS:
            self._verify()

    def _deliver(self, insert: Insert, *, doubt: bool) -> None:
        """See to it that the database has these records, or that they are in quarantine."""
        delivery = Delivery(insert, doubt)
        try:
            self._persist(partial(self._try, delivery))
        except SinkRefused as error:
            self._split(delivery.insert, error)

    def _try(self, delivery: Delivery) -> None:
        doubt = delivery.doubt
        if doubt:
            lacking = self._lacking(delivery.insert.schema, delivery.insert.ranges)
            if not lacking:
                return
            delivery.insert = delivery.insert.only(lacking)
        delivery.doubt = True  # whatever happens from here on, the next try asks first
        self._insert(delivery)
        insert = delivery.insert
        if doubt and self._lacking(insert.schema, insert.ranges):
            delivery.revision += 1
            raise SinkUnavailable(f"the database acknowledged {insert.rows} records and does not have them")
        self.stored += insert.rows
        self.latency.observe(insert, time.time_ns())

    def _insert(self, delivery: Delivery) -> None:
        insert = delivery.insert
        token = insert.token + (f"/r{delivery.revision}" if delivery.revision else "")
        with self._table(insert.schema):
            self._sink.insert(insert.schema, insert.body, insert.rows, token)
        reached(Step.INSERT_SENT)

    def _lacking(self, schema: Schema, ranges: list[Range]) -> list[Range]:
        """What of these records is neither in the database nor in quarantine."""
        with self._table(schema):
            return self.quarantine.without(missing(self._sink, schema, ranges))

    @contextmanager
    def _table(self, schema: Schema) -> Iterator[None]:
        """Make sure of the table at its first use, and once more after an error: perhaps it is gone or was altered."""
        if schema.schema_id not in self._prepared:
            if self._sink.ensure_table(schema):
                LOGGER.warning("table %s was created or altered", schema.name)
                if schema.name == EXECUTION.name:
                    self._sink.ensure_views()
            self._prepared.add(schema.schema_id)
            reached(Step.TABLE_ENSURED)
        try:
            yield
        except SinkUnavailable:
            self._prepared.discard(schema.schema_id)
            raise

    def _split(self, insert: Insert, error: SinkRefused) -> None:
        if insert.rows > 1:
            for half in insert.halves():
                self._deliver(half, doubt=False)
            return
        (piece,) = insert.pieces
        self._problems.report(error)
        self._until_written(partial(self.quarantine.add_records, insert.schema, *piece, error.what))

    # What was acknowledged, and what is really there

    def _verify(self) -> None:
        """Move the checkpoint up to what was sent, if the database really has all of it."""
        self._verify_at = time.monotonic() + VERIFY_SECONDS
        if self.sent == self.checkpoint.offset and self.checkpoint.intent is None:
            return
        for schema, ranges in self._unverified.values():
            lost = self._persist(partial(self._lacking, schema, merged(ranges)))
            if lost:
                self._go_back(lost)
                return
        reached(Step.BATCH_VERIFIED)
        self._forget_unverified()
        self._save(replace(self.checkpoint, offset=self.sent, intent=None))
        reached(Step.CHECKPOINT_MOVED)

    def _go_back(self, lost: list[Range]) -> None:
        count = sum(each.count for each in lost)
        self._problems.report(
            SinkUnavailable(f"the database lost {count} records it had acknowledged", "they are sent again")
        )
        self._doubtful_until = max(self._doubtful_until, self.sent)
        self.sent = self.checkpoint.offset
        self._forget_unverified()

    def _forget_unverified(self) -> None:
        self._unverified.clear()
        self._unverified_rows = 0

    # Sessions

    def _note_sessions(self, batch: Batch) -> None:
        known = self._last_seen.keys() >= batch.sessions.keys()
        self._last_seen |= batch.sessions
        if not known or time.monotonic() >= self._sessions_at:
            self._upsert_sessions()

    def _upsert_sessions(self) -> None:
        if not self._last_seen:
            return
        infos = [(self._reader.sessions[session], seen) for session, seen in self._last_seen.items()]
        self._persist(partial(self._sink.upsert_sessions, infos))
        self._sessions_at = time.monotonic() + SESSION_SECONDS
        self._prepared.clear()  # an insert does not fail for want of a column that is computed: look again
        reached(Step.SESSIONS_STORED)

    # What is tried until it succeeds

    def _persist(self, call: Callable[[], T]) -> T:
        """Repeat a call of the database until it succeeds.

        Raises:
            SinkRefused: the database refuses the data for good.
            Abandoned: the writer stops.
        """
        try:
            answer = self._retrying(call)
        except (SinkUnavailable, TableMismatch) as error:
            raise Abandoned from error
        self.reachable, self.error = True, None
        return answer

    def _report_retry(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, SinkError):
            self.reachable, self.error = False, str(error)
            self._problems.report(error)

    def _save(self, checkpoint: Checkpoint) -> None:
        self._until_written(partial(state_file.save, self._directory, checkpoint))
        self.checkpoint = checkpoint

    def _until_written(self, write: Callable[[], None]) -> None:
        """Repeat a write until the disk takes it: nothing may be sent whose intent is not durable."""
        while True:
            try:
                return write()
            except JournalFull as error:
                self._problems.report(error)
                if self.abandon.wait(0.5):
                    raise Abandoned from error
