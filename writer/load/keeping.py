"""Drops from the database what is verified and older than the writer is to keep.

What is old enough is retired first: durable in `verified.json`, so that an audit knows that it is meant to be gone,
whoever removes it, and noted in the database, for the audits of other writers. Then the writer removes it from the
tables, as far as the records' own clock agrees that they are old; of executions only what the rows of orders and fills
stand for (`OldOrders`). Instruments stay: they are few, and the latest of each counts.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from ringbuf.errors import RingbufError
from ringbuf.journal.step import Step, reached
from ringbuf.record.execution import EXECUTION
from ringbuf.record.instrument import INSTRUMENTS
from ringbuf.record.schema import Schema
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.verified import DAY_NS, VerifiedFile, pass_through
from ringbuf.writer.derive.dropping import drop_old
from ringbuf.writer.load.tables import Tables
from ringbuf.writer.problems import Problems

LOGGER: Final = logging.getLogger("ringbuf.writer")
LOOK_SECONDS: Final = 60.0
CAPTURED: Final = "captured_ns"


class Keeping:
    """Looks once a minute whether something has become too old. `run` is the body of its thread.

    Args:
        loaded: journal offset below which the database has everything.
        days: how many whole days (UTC) are kept, besides today.
        clock: gives the time in ns since the epoch.
    """

    def __init__(
        self,
        directory: DataDirectory,
        sink: ClickHouseSink,
        tables: Tables,
        verified: VerifiedFile,
        loaded: Callable[[], int],
        problems: Problems,
        days: int,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._directory = directory
        self._sink = sink
        self._tables = tables
        self._verified = verified
        self._loaded = loaded
        self._problems = problems
        self._days = days
        self._clock = clock
        self._stopping = threading.Event()
        self._passed = 0
        self._noted: tuple[int, int] | None = None
        self._dropped: dict[str, tuple[int, int]] = {}

    def run(self, stopping: threading.Event) -> None:
        """Look at once, and then now and then until `stopping` is set."""
        self._stopping = stopping
        while not stopping.is_set():
            try:
                self.look()
            except RingbufError as error:
                self._problems.report(error)
            except Exception:
                LOGGER.exception("what is old was not dropped; it is tried again")
            stopping.wait(LOOK_SECONDS)

    def look(self) -> None:
        """Retire what has become too old, and drop it.

        Raises:
            JournalError, SinkError: it cannot be done now.
        """
        first_kept = self._now() // DAY_NS - self._days
        passage = pass_through(self._directory, self._passed, self._loaded(), first_kept)
        self._verified.change(lambda now: now.with_journaled(passage).without_older(first_kept))
        self._passed = passage.end
        self._note_retired(first_kept)
        for schema in self._tables.sound:
            if schema.name != INSTRUMENTS.name and CAPTURED in schema.names and schema.is_time(CAPTURED):
                self._drop(schema, first_kept)

    def _now(self) -> int:
        """The time in ns since the epoch, the earlier one of host and database: neither alone makes anything old."""
        return min(self._clock(), self._sink.unique.now())

    def _note_retired(self, first_kept: int) -> None:
        """Tell the database of all that is retired, once a day also of what it was told before."""
        retired = self._verified.current.retired
        if self._noted != (state := (first_kept, retired.count)):
            self._sink.unique.dropped.note_retired(retired)
            self._noted = state

    def _drop(self, schema: Schema, first_kept: int) -> None:
        retired = self._verified.current.retired
        state = first_kept, retired.count
        if self._dropped.get(schema.name) == state:
            return
        if schema.name == EXECUTION.name:
            count = drop_old(self._sink, retired, first_kept * DAY_NS, is_over=self._stopping.is_set)
        else:
            count = self._sink.drop(schema, retired, CAPTURED, first_kept * DAY_NS)
            if count:
                reached(Step.RECORDS_DROPPED)
        if count:
            LOGGER.info("table %s: %d records older than %d days were dropped", schema.name, count, self._days)
        if count is not None:
            self._dropped[schema.name] = state
