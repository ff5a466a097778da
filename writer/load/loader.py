"""The loader: from the journal into the database, every record with exactly one effect.

How:

1. Before a batch is sent, its bounds and the tokens of its inserts are made durable (the intent). After a crash the
   same batch is put together again and sent with the same tokens.
2. The inserts of a batch are sent at the same time, each on a connection of its own (`connection.py` has what happens
   to one of them). The next batch is sent when all of them are done, so that the records of a session become visible
   in order; meanwhile it is read ahead.
3. About once a second, on one more connection, the database is asked for everything sent since. Only what it really has
   moves the *checkpoint*, and only below the checkpoint may the journal delete. An acknowledgement alone never counts
   as stored. Sending goes on meanwhile.
4. A schema whose records the database does not take, while it answers otherwise, becomes a *straggler*: it keeps its
   place in the journal and is left out of the batches; `catch_up.py` goes on with it. When it has caught up, it is
   loaded with the others again.

What the journal had behind the checkpoint at the start is doubtful, since an earlier run may have sent it: the database
is asked first. What is journaled later is not.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import wait
from dataclasses import replace
from functools import partial
from itertools import cycle
from typing import Final

from ringbuf.errors import SinkError, SinkUnavailable
from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.reader import JournalReader
from ringbuf.journal.step import Step, reached
from ringbuf.record.seqs import SeqSet
from ringbuf.sinks.sink import Sink
from ringbuf.state.checkpoint import Checkpoint, CheckpointFile, Intent
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.quarantine import Quarantine
from ringbuf.state.verified import VerifiedFile
from ringbuf.writer.derive.derivation import Derivation
from ringbuf.writer.load.batch import CONNECTIONS, Batch
from ringbuf.writer.load.batches import Batches, selection_of
from ringbuf.writer.load.catch_up import CatchUp
from ringbuf.writer.load.connection import Connection, Shared
from ringbuf.writer.load.latency import Latency
from ringbuf.writer.load.retry import Abandoned, Retry, Stuck
from ringbuf.writer.load.stragglers import counted, fallen_behind, returned, tidied
from ringbuf.writer.load.tables import Tables
from ringbuf.writer.load.verifier import VERIFY_SECONDS, Verdict, Verifier
from ringbuf.writer.problems import Problems
from ringbuf.writer.worker import Worker

LOGGER: Final = logging.getLogger("ringbuf.writer")
PATIENCE_SECONDS: Final = 2.0
"""How long the others wait for a schema whose records the database does not take."""
QUERYABLE_SECONDS: Final = 0.55
"""After so long a record is in the answers, if the database is not slow: the batch that it missed, a pause, its own."""
PAUSE_SHARE: Final = 20.0
"""Records gather for so many times as long as the last batch took, with what is derived from it, at most: then the
database is at work for a twentieth of the time."""
PAUSE_SECONDS: Final = 0.3
"""A slow database gets no shorter pauses than that."""
DIVIDING_SECONDS: Final = 10.0
"""How long refused records of a straggler are looked for before it is another one's turn."""


class Loader:
    """Loads a journal into one sink. `run` is the body of its thread.

    Attributes:
        sent: journal offset below which everything was acknowledged or is quarantined, but records of stragglers.
        tables: what is known of the tables.
        latency: from a record's append to the acknowledgement of its insert.
        news: set by the drain when the journal has grown.
        finishing: set when the writer stops: load what is there, then end.
        abandon: set when the writer stops waiting for an unreachable database.

    Args:
        connect: makes a sink that is not yet connected.
    """

    def __init__(
        self,
        directory: DataDirectory,
        journal: JournalAppender,
        reader: JournalReader,
        connect: Callable[[], Sink],
        problems: Problems,
        checkpoint: Checkpoint,
        verified: VerifiedFile,
        *,
        flush_interval: float,
        derivation: Derivation,
    ) -> None:
        self.sent = checkpoint.offset
        self.latency = Latency()
        self.quarantine = Quarantine(directory.quarantine)
        self.news = threading.Event()
        self.finishing = threading.Event()
        self.abandon = threading.Event()
        self._file = CheckpointFile(directory.checkpoint, checkpoint)
        self._journal = journal
        self._problems = problems
        self._flush_interval = flush_interval
        self._derivation = derivation
        self._retry = Retry(problems, self.abandon)
        self.tables = tables = Tables()
        self._shared = shared = Shared(
            tables, self.quarantine, verified, self.latency, problems, self.abandon, derivation
        )
        connections = [
            Connection(connect(), shared, patience=PATIENCE_SECONDS, dividing_seconds=PATIENCE_SECONDS)
            for _ in range(CONNECTIONS + 1)
        ]
        asking, *self._sending = connections
        slow = Connection(connect(), shared, patience=0.0, dividing_seconds=DIVIDING_SECONDS, is_prompt=False)
        self._connections = [*connections, slow]
        self._senders = [Worker(f"sender-{number}") for number in range(CONNECTIONS)]
        self._batches = Batches(reader, lambda: journal.durable_end, self.finishing.is_set)
        self._verifier = Verifier(asking, tables, reader.sessions, self.news.set)
        self._catch_up = CatchUp(self._file, journal, slow, shared, self._has_plenty, self.news.set)
        self._doubtful_until = journal.durable_end  # an earlier run may have sent it
        self._lost = SeqSet()  # acknowledged, and not there when the verifier asked last

    @property
    def checkpoint(self) -> Checkpoint:
        """What the database has, for certain, and what is on its way."""
        return self._file.current

    @property
    def stored(self) -> int:
        """Records acknowledged in this run."""
        return sum(each.stored for each in self._connections)

    @property
    def error(self) -> str | None:
        """What calls of the database fail with at the moment, None if they succeed."""
        return next((each.error for each in self._connections if each.error is not None), None)

    @property
    def trouble(self) -> str | None:
        """What the database does not do although it answers: the records of a schema, or the table of sessions."""
        reasons = (f"schema {name} is behind: {each.why}" for name, each in self.checkpoint.behind.items())
        return next(reasons, self._verifier.sessions_error)

    @property
    def backlog(self) -> int:
        """Bytes of the journal that are not yet sent."""
        return self._journal.durable_end - self.sent

    def _has_plenty(self) -> bool:
        return self._batches.has_plenty(self.sent)

    # The thread

    def run(self) -> None:
        """Load until `finishing` is set and the journal's end is reached, or `abandon` is set.

        May be called again after it raised: it begins as after a restart.
        """
        try:
            self._recover()
            self._catch_up.start()
            while not self.abandon.is_set():
                started = time.monotonic()
                self._return_who_caught_up()
                self._derivation.give_way(to_backlog=self._has_plenty())
                batch = self._batches.next(self.sent, self.checkpoint)
                if batch is not None:
                    self._load(batch)
                elif self.finishing.is_set() and not self._catch_up.has_work():
                    break
                self._verify()
                self._wait(started, idle=batch is None)
            self._derivation.give_way(to_backlog=False)
            self._verify_rest()
        except Abandoned:
            LOGGER.warning(
                "stopped without the database: %d bytes of the journal wait for the next start", self.backlog
            )
        self._catch_up.stop()

    def close(self) -> None:
        """Close all connections."""
        for each in self._connections:
            each.close()

    def _wait(self, started: float, *, idle: bool) -> None:
        """Let records gather for a while, so that a quiet stream does not become a hail of tiny inserts."""
        if idle:
            self.news.wait(self._flush_interval if self.finishing.is_set() else VERIFY_SECONDS)
            self.news.clear()
        elif not self.finishing.is_set() and not self._has_plenty():
            took = time.monotonic() - started
            self.finishing.wait(max(self._flush_interval - took, pause_seconds(took)))

    def _recover(self) -> None:
        """Settle the batch that was on its way when an earlier run ended, with its own tokens."""
        self._batches.reset()
        self._verifier.reset()
        intent = self.checkpoint.intent
        self._doubtful_until = max(self._doubtful_until, self.sent, 0 if intent is None else intent.end)
        self.sent = self.checkpoint.offset
        if intent is None:
            return
        LOGGER.info("settling the batch that was on its way, journal %d to %d", intent.begin, intent.end)
        batch = self._batches.between(intent.begin, intent.end, selection_of(self.checkpoint))
        if intent.is_of(batch.begin, batch.end, batch.tokens):
            for schema, error in self._deliver(batch, doubt=True).items():
                self._fall_behind(schema, error, batch.tokens, 0, self.sent)
        # Else the journal was damaged meanwhile. What of it is readable is doubtful like all behind the checkpoint.

    # One batch

    def _load(self, batch: Batch) -> None:
        intent = Intent(batch.begin, batch.end, batch.tokens)
        self._save(lambda now: replace(counted(now, batch), intent=intent))
        reached(Step.BATCH_INTENDED)
        self._shared.note_damages(batch, self._retry)
        stuck = self._deliver(batch, doubt=batch.begin < self._doubtful_until)
        reached(Step.BATCH_SENT)
        self._verifier.add(batch)
        self.sent = batch.end
        if not self._has_plenty():
            self._derivation.settle()  # then an answer has all that was sent
        for schema, error in stuck.items():
            self._fall_behind(schema, error, batch.tokens, self._verifier.rows_of(schema), self.sent)

    def _deliver(self, batch: Batch, *, doubt: bool) -> dict[str, SinkError]:
        """Send all inserts of a batch; meanwhile, if there is plenty, read the next one.

        Returns:
            the schemas, by name, whose records the database does not take, and what it says.
        """
        senders = cycle(zip(self._senders, self._sending, strict=True))
        under_way = [
            (insert.schema.name, sender.submit(partial(connection.deliver, insert, doubt=doubt, lost=self._lost)))
            for insert, (sender, connection) in zip(batch.inserts, senders, strict=False)
        ]
        self._batches.read_ahead(batch.end, self.checkpoint)
        wait([delivered for _, delivered in under_way])
        stuck = {}
        for schema, delivered in under_way:
            try:
                delivered.result()
            except Stuck as found:
                stuck[schema] = found.error
        return stuck

    # What was acknowledged, and what is really there

    def _verify(self) -> None:
        """Ask for what was sent when it is time, and take the answer when it is there."""
        if self._verifier.is_asking:
            self._conclude(self._verifier.verdict(patient=self._verifier.is_overrun))
        elif self._verifier.is_due and self._has_to_ask:
            self._verifier.ask(self.sent)

    @property
    def _has_to_ask(self) -> bool:
        is_anything_sent = self.sent > self.checkpoint.offset or self.checkpoint.intent is not None
        return is_anything_sent or self._verifier.sessions_error is not None

    def _verify_rest(self) -> None:
        """Wait for the answer, then ask for what was sent since."""
        self._verifier.store_sessions_next()
        for _ in range(2):
            if not self._verifier.is_asking:
                self._verifier.ask(self.sent)
            self._conclude(self._verifier.verdict(patient=True))

    def _conclude(self, verdict: Verdict | None) -> None:
        """Move the checkpoint, if the database really has what it was asked for."""
        if verdict is None:
            return
        for schema, error in verdict.stuck.items():
            records = self._verifier.rows_of(schema) + verdict.sent.rows_of(schema)
            self._fall_behind(schema, error, {}, records, self.sent)
        for schema in self.checkpoint.behind:
            verdict.lost.pop(schema, None)
        self._lost = SeqSet(each for found in verdict.lost.values() for each in found.ranges)
        if self._lost:
            self._go_back()
            return
        reached(Step.BATCH_VERIFIED)
        self._save(lambda now: tidied(replace(now, offset=verdict.end, intent=None)))
        reached(Step.CHECKPOINT_MOVED)

    def _go_back(self) -> None:
        what = f"the database lost {self._lost.count} records it had acknowledged"
        self._problems.report(SinkUnavailable(what, "they are sent again, unless their table's own TTL took them"))
        self._doubtful_until = max(self._doubtful_until, self.sent)
        self.sent = self.checkpoint.offset
        self._verifier.forget()

    # Stragglers

    def _fall_behind(
        self, schema: str, error: SinkError, tokens: Mapping[str, tuple[str, ...]], records: int, end: int
    ) -> None:
        """Let a schema keep its place alone.

        Args:
            tokens: those of the batch that was on its way; none if none was.
            records: how many of its records wait below `end`, the journal offset up to which they are counted.
        """
        if schema in self.checkpoint.behind:
            return
        LOGGER.warning("schema %s falls behind, the others go on: %s", schema, error)
        self._verifier.drop(schema)
        own = tokens.get(schema)
        now_ns = time.time_ns()
        self._save(lambda now: fallen_behind(now, schema, error, own, records, end, now_ns))
        reached(Step.SCHEMA_FELL_BEHIND)
        self._catch_up.begin(schema)

    def _return_who_caught_up(self) -> None:
        """Load schemas that have caught up with the others again."""
        for schema in self.checkpoint.behind:
            if self._catch_up.has_reached(schema, self.sent):
                self._save(partial(returned, schema=schema, sent=self.sent))
                if schema not in self.checkpoint.behind:
                    LOGGER.info("schema %s has caught up", schema)
                    reached(Step.SCHEMA_RETURNED)

    def _save(self, changed: Callable[[Checkpoint], Checkpoint]) -> None:
        """Nothing may be sent whose intent is not durable."""
        self._journal.check_owner()
        self._retry.until_written(partial(self._file.change, changed))


def pause_seconds(took: float) -> float:
    """How long records gather after a batch that took so many seconds, with what is derived from it.

    A larger batch costs hardly more, so it is as long as answers may be behind; but no longer than what it saves.
    """
    return min(PAUSE_SHARE * took, max(PAUSE_SECONDS, QUERYABLE_SECONDS - 2 * took))
