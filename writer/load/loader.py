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

Everything between checkpoint and journal end is doubtful after a restart: the database is asked first.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from functools import partial
from itertools import cycle
from typing import Final, NamedTuple

from ringbuf.errors import SinkUnavailable
from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.reader import Buffer, Damage, JournalReader
from ringbuf.journal.step import Step, reached
from ringbuf.record.schema import Schema
from ringbuf.record.seqs import SeqSet
from ringbuf.record.session import SessionInfo
from ringbuf.sinks.sink import Sink
from ringbuf.state import checkpoint as state_file
from ringbuf.state.checkpoint import Checkpoint, Intent
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.quarantine import Quarantine
from ringbuf.writer.load.batch import CONNECTIONS, MAX_BYTES, Batch, collect
from ringbuf.writer.load.connection import Connection, Tables
from ringbuf.writer.load.latency import Latency
from ringbuf.writer.load.retry import Abandoned, Retry
from ringbuf.writer.problems import Problems
from ringbuf.writer.worker import Worker

LOGGER: Final = logging.getLogger("ringbuf.writer")
VERIFY_SECONDS: Final = 1.0
VERIFY_ROWS: Final = 1_000_000
SESSION_SECONDS: Final = 10.0
DAMAGE_SECONDS: Final = 2.0
PLENTY_BYTES: Final = MAX_BYTES // 4
"""Bytes of the journal for which a batch is made at once, and ahead of time."""


class Question(NamedTuple):
    """What the database is being asked: everything below a journal offset that was sent since the last question."""

    end: int
    lost: Future[SeqSet]


class Loader:
    """Loads a journal into one database. `run` is the body of its thread.

    Attributes:
        checkpoint: what the database has, for certain, and the batch on its way.
        sent: journal offset below which everything was acknowledged or is quarantined.
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
        *,
        flush_interval: float,
    ) -> None:
        self.checkpoint = checkpoint
        self.sent = checkpoint.offset
        self.latency = Latency()
        self.quarantine = Quarantine(directory.quarantine)
        self.news = threading.Event()
        self.finishing = threading.Event()
        self.abandon = threading.Event()
        self._directory = directory
        self._journal = journal
        self._reader = reader
        self._problems = problems
        self._flush_interval = flush_interval
        self._retry = Retry(problems, self.abandon)
        shared = (Tables(), self.quarantine, self.latency, problems, self.abandon)
        self._connections = [Connection(connect(), *shared) for _ in range(CONNECTIONS + 1)]
        self._asking, *self._sending = self._connections
        self._senders = [Worker(f"sender-{number}") for number in range(CONNECTIONS)]
        self._asker = Worker("asker")
        self._read_ahead = Worker("reader")
        self._buffers = cycle([Buffer(MAX_BYTES), Buffer(MAX_BYTES)])
        self._ahead: Future[Batch] | None = None
        self._nothing_in = (0, 0)
        self._damaged: tuple[list[tuple[int, int]], float] = [], 0.0  # and until when it is looked at again
        self._doubtful_until = 0
        self._unverified: dict[int, tuple[Schema, SeqSet]] = {}
        self._unverified_rows = 0
        self._question: Question | None = None
        self._verify_at = 0.0
        self._noted: set[int] = set()
        self._note_at = 0.0
        self._last_seen: dict[int, int] = {}

    @property
    def stored(self) -> int:
        """Records acknowledged in this run."""
        return sum(each.stored for each in self._connections)

    @property
    def error(self) -> str | None:
        """What calls of the database fail with at the moment, None if they succeed."""
        return next((each.error for each in self._connections if each.error is not None), None)

    @property
    def backlog(self) -> int:
        """Bytes of the journal that are not yet sent."""
        return self._journal.durable_end - self.sent

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
                self._verify()
                self._wait(started, idle=batch is None)
            self._verify_rest()
        except Abandoned:
            LOGGER.warning(
                "stopped without the database: %d bytes of the journal wait for the next start", self.backlog
            )

    def close(self) -> None:
        """Close all connections."""
        for each in self._connections:
            each.close()

    def _wait(self, started: float, *, idle: bool) -> None:
        """Let records gather for a while, so that a quiet stream does not become a hail of tiny inserts."""
        if self.finishing.is_set() or self.backlog >= PLENTY_BYTES:
            return
        if idle:
            self.news.wait(VERIFY_SECONDS)
            self.news.clear()
        else:
            self.finishing.wait(max(0.0, started + self._flush_interval - time.monotonic()))

    def _recover(self) -> None:
        """Settle the batch that was on its way when an earlier run ended, with its own tokens."""
        if self._ahead is not None:
            wait([self._ahead])  # it uses the reader
        if self._question is not None:
            wait([self._question.lost])
        self._ahead = self._question = None
        self._note_at = 0.0  # whether sessions were stored is not known
        self.sent = self.checkpoint.offset
        self._doubtful_until = self._journal.durable_end
        self._forget_unverified()
        intent = self.checkpoint.intent
        if intent is None:
            return
        LOGGER.info("settling the batch that was on its way, journal %d to %d", intent.begin, intent.end)
        batch = collect(self._reader, intent.begin, intent.end, next(self._buffers))
        if (batch.end, batch.tokens) == (intent.end, intent.tokens):
            self._deliver(batch, doubt=True)
        # Else the journal was damaged meanwhile. What of it is readable is doubtful like all behind the checkpoint.

    # One batch

    def _next_batch(self) -> Batch | None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None and (batch := ahead.result()).begin == self.sent:
            return batch if self._is_lasting(batch.damages) else None
        end = self._journal.durable_end
        if self.sent >= end or (self.sent, end) == self._nothing_in:
            return None
        batch = collect(self._reader, self.sent, end, next(self._buffers))
        if batch.end > batch.begin:
            return batch if self._is_lasting(batch.damages) else None
        self._nothing_in = self.sent, end
        return None

    def _is_lasting(self, damages: Sequence[Damage]) -> bool:
        """Whether damage is still there after a while: a segment that lost its name is put back by the drain."""
        found = [(each.offset, each.end) for each in damages]
        if found != self._damaged[0]:
            self._damaged = found, time.monotonic() + DAMAGE_SECONDS
        return not found or self.finishing.is_set() or time.monotonic() >= self._damaged[1]

    def _load(self, batch: Batch) -> None:
        self._save(replace(self.checkpoint, intent=Intent(batch.begin, batch.end, batch.tokens)))
        reached(Step.BATCH_INTENDED)
        for damage in batch.damages:
            LOGGER.error("journal damaged from %d to %d: %s", damage.offset, damage.end, damage.reason)
            self._retry.until_written(partial(self.quarantine.add_damage, damage))
        self._deliver(batch, doubt=batch.begin < self._doubtful_until)
        reached(Step.BATCH_SENT)
        for insert in batch.inserts:
            _, sent = self._unverified.get(insert.schema.schema_id, (insert.schema, SeqSet()))
            self._unverified[insert.schema.schema_id] = insert.schema, sent | insert.records
            self._unverified_rows += insert.rows
        self._last_seen |= batch.sessions
        self.sent = batch.end

    def _deliver(self, batch: Batch, *, doubt: bool) -> None:
        """Send all inserts of a batch; meanwhile, if there is plenty, read the next one."""
        lanes = cycle(zip(self._senders, self._sending, strict=True))
        under_way = [
            sender.submit(partial(connection.deliver, insert, doubt=doubt))
            for insert, (sender, connection) in zip(batch.inserts, lanes, strict=False)
        ]
        end = self._journal.durable_end
        if end - batch.end >= PLENTY_BYTES:
            read = partial(collect, self._reader, batch.end, end, next(self._buffers))
            self._ahead = self._read_ahead.submit(read)
        wait(under_way)
        for each in under_way:
            each.result()

    # What was acknowledged, and what is really there

    def _verify(self) -> None:
        """Ask for what was sent when it is time, and take the answer when it is there."""
        if self._question is not None:
            if self._question.lost.done() or self._unverified_rows >= 2 * VERIFY_ROWS:
                self._conclude(self._question)
            return
        is_time = self._unverified_rows >= VERIFY_ROWS or time.monotonic() >= self._verify_at
        if is_time and (self.sent > self.checkpoint.offset or self.checkpoint.intent is not None):
            self._question = self._ask()

    def _verify_rest(self) -> None:
        """Wait for the answer, then ask for what was sent since."""
        self._note_at = 0.0
        for _ in range(2):
            self._conclude(self._question or self._ask())

    def _ask(self) -> Question:
        self._verify_at = time.monotonic() + VERIFY_SECONDS
        sent = list(self._unverified.values())
        self._forget_unverified()
        lost = self._asker.submit(partial(self._asking.settle, self._sessions_to_note(), sent))
        lost.add_done_callback(lambda _: self.news.set())
        return Question(self.sent, lost)

    def _conclude(self, question: Question) -> None:
        """Move the checkpoint, if the database really has what it was asked for."""
        self._question = None
        if lost := question.lost.result():
            self._go_back(lost)
            return
        reached(Step.BATCH_VERIFIED)
        self._save(replace(self.checkpoint, offset=question.end, intent=None))
        reached(Step.CHECKPOINT_MOVED)

    def _go_back(self, lost: SeqSet) -> None:
        self._problems.report(
            SinkUnavailable(f"the database lost {lost.count} records it had acknowledged", "they are sent again")
        )
        self._doubtful_until = max(self._doubtful_until, self.sent)
        self.sent = self.checkpoint.offset
        self._forget_unverified()

    def _forget_unverified(self) -> None:
        self._unverified.clear()
        self._unverified_rows = 0

    def _sessions_to_note(self) -> list[tuple[SessionInfo, int]]:
        """All sessions there are news of, if one of them is new or the last time was a while ago."""
        if self._last_seen.keys() <= self._noted and time.monotonic() < self._note_at:
            return []
        self._note_at = time.monotonic() + SESSION_SECONDS
        self._noted |= self._last_seen.keys()
        return [(self._reader.sessions[session], seen) for session, seen in self._last_seen.items()]

    def _save(self, checkpoint: Checkpoint) -> None:
        """Nothing may be sent whose intent is not durable."""
        self._journal.check_owner()
        self._retry.until_written(partial(state_file.save, self._directory.checkpoint, checkpoint))
        self.checkpoint = checkpoint
