"""Catching up: brings the records of stragglers to the database, each schema in its order, one small batch at a time.

In a thread and on a connection of its own, so that the others do not wait. A straggler is tried again and again, ever
more seldom, and its batches follow each other at once when it is mended. While the others have much to send, this does
nothing half of the time. It reads into one buffer for all: what waits is in the journal and not in memory.

A batch of a straggler goes the way of all batches: its intent is durable before it is sent, and its place moves when
the database has been asked and really has it. Whatever a former try may have sent is in doubt and asked for first.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from ringbuf.errors import RingbufError, SinkError
from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.reader import Buffer, JournalReader
from ringbuf.journal.step import Step, reached
from ringbuf.state.checkpoint import Checkpoint, CheckpointFile, Intent, Straggler
from ringbuf.writer.load.batch import MAX_BYTES, Batch, Selection, collect
from ringbuf.writer.load.batches import DamageWatch
from ringbuf.writer.load.connection import NO_RECORDS, Connection, Shared
from ringbuf.writer.load.retry import Abandoned, Retry, Stuck, pauses
from ringbuf.writer.load.stragglers import explained, intended, moved

LOGGER: Final = logging.getLogger("ringbuf.writer")
CATCH_UP_BYTES: Final = 8 * 1024 * 1024
"""Bytes of the journal that a batch of a straggler takes."""
NEAR_ROWS: Final = 10_000
"""A straggler with so many records to go is waited for, to be loaded with the others again."""
MEET_SECONDS: Final = 1.0
MEET_AGAIN_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.5
LOOK_AGAIN_SECONDS: Final = 0.01


class Gone(Exception):
    """It is no straggler any more."""


class Lane:
    """The way of one straggler while this writer runs.

    Attributes:
        reader: its own, for it remembers where it is.
        is_well: whether the database took its records at the last try.
        due: when it is tried again, on the monotonic clock.
        meet_at: when it is waited for again.
        doubtful_until: journal offset up to which its records may have been sent.
        damage: what of the journal cannot be read.
    """

    def __init__(self, reader: JournalReader, doubtful_until: int) -> None:
        self.reader = reader
        self.is_well = False
        self.due = 0.0
        self.meet_at = 0.0
        self.doubtful_until = doubtful_until
        self.damage = DamageWatch()
        self._pauses = pauses()

    def fail(self, seconds: float) -> None:
        """It failed, after so many seconds: the others, and other stragglers, come first for as long."""
        self.is_well = False
        self.due = time.monotonic() + max(next(self._pauses), seconds)

    def succeed(self) -> None:
        """It got on."""
        self.is_well = True
        self._pauses = pauses()


class CatchUp:
    """Goes on with the stragglers of a checkpoint.

    Args:
        connection: its own.
        has_plenty: whether the others have much to send.
        on_progress: called, in the thread of this, when a straggler got on.
    """

    def __init__(
        self,
        file: CheckpointFile,
        journal: JournalAppender,
        connection: Connection,
        shared: Shared,
        has_plenty: Callable[[], bool],
        on_progress: Callable[[], None],
    ) -> None:
        self._file = file
        self._journal = journal
        self._connection = connection
        self._shared = shared
        self._has_plenty = has_plenty
        self._on_progress = on_progress
        self._retry = Retry(shared.problems, shared.abandon)
        self._buffer = Buffer(CATCH_UP_BYTES)
        self._lanes: dict[str, Lane] = {}
        self._last_tries: set[str] | None = None
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_stopping = False

    # For the loader's thread

    def start(self) -> None:
        """Have the thread run, if it does not."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="catch up", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Have the thread end, and wait for that."""
        self._is_stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def begin(self, schema: str) -> None:
        """A schema has fallen behind."""
        self._lanes.pop(schema, None)
        self._wake.set()

    def has_reached(self, schema: str, sent: int) -> bool:
        """Whether nothing of a straggler is left below a journal offset; if little is, that is waited for a moment."""
        lane = self._lane(schema)
        end = time.monotonic() + MEET_SECONDS
        while lane.is_well and (now := self._file.current.behind.get(schema)) is not None:
            if now.offset >= sent or now.records == 0:
                return now.intent is None
            if now.records > NEAR_ROWS or time.monotonic() < lane.meet_at:
                return False
            if time.monotonic() > end or self._shared.abandon.is_set():
                lane.meet_at = time.monotonic() + MEET_AGAIN_SECONDS
                return False
            time.sleep(0.005)
        return False

    def has_work(self) -> bool:
        """For a writer that ends: whether a straggler is catching up. Each is tried once more."""
        behind = self._file.current.behind
        if self._last_tries is None:
            self._last_tries = set(behind)
            for schema in behind:
                self._lane(schema).due = 0.0
            self._wake.set()
        return any(schema in self._last_tries or self._lane(schema).is_well for schema in behind)

    # The thread

    def _run(self) -> None:
        while not (self._is_stopping or self._shared.abandon.is_set()):
            schema = self._next()
            if schema is not None:
                try:
                    self._try(schema, self._lane(schema))
                except Abandoned:
                    return

    def _next(self) -> str | None:
        """The straggler whose turn it is; None, after a pause, if there is none yet."""
        due = {schema: self._lane(schema).due for schema in self._file.current.behind}
        schema = min(due, key=lambda each: due[each], default=None)
        pause = due[schema] - time.monotonic() if schema is not None else LOOK_SECONDS
        if pause > 0:
            self._wake.wait(min(pause, LOOK_SECONDS))
            self._wake.clear()
            return None
        return schema

    def _lane(self, schema: str) -> Lane:
        lane = self._lanes.get(schema)  # two threads ask, and must have the same one
        return lane or self._lanes.setdefault(
            schema, Lane(JournalReader(self._journal.directory), self._journal.durable_end)
        )

    def _try(self, schema: str, lane: Lane) -> None:
        began = time.monotonic()
        is_last = self._last_tries is not None
        try:
            has_more = self._go_on(schema, lane)
        except Gone:
            self._lanes.pop(schema, None)
        except Stuck as stuck:
            lane.fail(time.monotonic() - began)
            self._explain(schema, stuck.error)
        except RingbufError as error:
            self._shared.problems.report(error)
            lane.fail(time.monotonic() - began)
        except Abandoned:
            raise
        except Exception:
            LOGGER.exception("catching up of schema %s failed; it is tried again", schema)
            lane.fail(time.monotonic() - began)
        else:
            took = time.monotonic() - began
            lane.due = time.monotonic() + (took if self._has_plenty() else 0.0 if has_more else LOOK_AGAIN_SECONDS)
            self._on_progress()
        finally:
            if self._last_tries is not None:
                if is_last:
                    self._last_tries.discard(schema)
                else:
                    lane.due = 0.0  # it began before the writer was told to end: what was mended since is not seen yet

    def _go_on(self, schema: str, lane: Lane) -> bool:
        """Bring one batch of a straggler to the database, and move its place; False if there was nothing to bring."""
        now = self._straggler(self._file.current, schema)
        if now.intent is not None:
            self._settle(schema, lane, now, now.intent)
            lane.succeed()
            return True
        batch = collect(lane.reader, now.offset, self._journal.durable_end, self._buffer, Selection(only=schema))
        if not lane.damage.is_lasting(batch.damages):
            return False  # it may go away
        if batch.inserts:
            intent = Intent(batch.begin, batch.end, batch.tokens)
            self._change(schema, now, lambda checkpoint: intended(checkpoint, schema, intent))
            reached(Step.STRAGGLER_INTENDED)
            self._bring(batch, doubt=batch.begin < lane.doubtful_until)
            now = self._straggler(self._file.current, schema)
        else:
            self._check_table(schema, lane)
        self._shared.note_damages(batch, self._retry)
        if batch.end > now.offset:
            rows = batch.rows_of(schema)
            self._change(schema, now, lambda checkpoint: moved(checkpoint, schema, batch.end, rows))
            reached(Step.STRAGGLER_MOVED)
        lane.succeed()
        return bool(batch.inserts)

    def _settle(self, schema: str, lane: Lane, now: Straggler, intent: Intent) -> None:
        """Settle a batch that was on its way when this ended or the schema fell behind, with its own tokens."""
        buffer = Buffer(MAX_BYTES)  # taken over from the others, it may be larger than ours
        batch = collect(lane.reader, intent.begin, intent.end, buffer, Selection(only=schema))
        if intent.is_of(batch.begin, batch.end, batch.tokens):
            self._bring(batch, doubt=True)
        lane.doubtful_until = max(lane.doubtful_until, intent.end)  # what was sent before is asked for next
        self._change(schema, now, lambda checkpoint: moved(checkpoint, schema, now.offset, 0))

    def _bring(self, batch: Batch, *, doubt: bool) -> None:
        """Send a batch; on return the database has been asked and has it."""
        for insert in batch.inserts:
            if not doubt:
                self._connection.deliver(insert, doubt=False)
            self._connection.deliver(insert, doubt=True, lost=NO_RECORDS if doubt else insert.records)

    def _check_table(self, schema: str, lane: Lane) -> None:
        """Nothing waits: whether the trouble is over is seen from the table."""
        for each in list(lane.reader.schemas.values()):
            if each.name == schema:
                self._connection.check(each)

    def _explain(self, schema: str, error: SinkError) -> None:
        """Keep the reason, if it is a new one."""

        def changed(checkpoint: Checkpoint) -> Checkpoint:
            return explained(checkpoint, schema, error) if schema in checkpoint.behind else checkpoint

        self._retry.until_written(partial(self._file.change, changed))

    def _change(self, schema: str, seen: Straggler, change: Callable[[Checkpoint], Checkpoint]) -> None:
        """Change the place of a straggler, if it is still where it was seen.

        Raises:
            Gone: it is not.
        """

        def changed(checkpoint: Checkpoint) -> Checkpoint:
            now = self._straggler(checkpoint, schema)
            if (now.since_ns, now.offset, now.intent) != (seen.since_ns, seen.offset, seen.intent):
                raise Gone
            return change(checkpoint)

        self._journal.check_owner()
        self._retry.until_written(partial(self._file.change, changed))

    def _straggler(self, checkpoint: Checkpoint, schema: str) -> Straggler:
        if schema not in checkpoint.behind:
            raise Gone
        return checkpoint.behind[schema]
