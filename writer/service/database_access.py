"""The writer's access to its database: the lock, the tables, and the socket on which it answers others."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final

from ringbuf.errors import JournalFull, JournalInUse, RingbufError, TableMismatch
from ringbuf.record.execution import EXECUTION
from ringbuf.sinks.clickhouse.engine import Engine
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.database_lock import take_for_writer
from ringbuf.state.lock_file import LockFile, holder
from ringbuf.state.query_server import QueryServer
from ringbuf.writer.problems import Problems

LOGGER: Final = logging.getLogger("ringbuf.writer")
FIRST_START_SECONDS: Final = 10.0
"""How long the first start waits for another process to leave the database; meanwhile nobody drains the rings."""
RETRY_SECONDS: Final = 1.0


class DatabaseAccess:
    """Opened once: at the first start on a directory before anything else, at a later one while the drain works.

    Attributes:
        sink: a connection, for the thread that opens it.
        obstacle: why the database is not open yet, None when it is.
    """

    def __init__(self, directory: DataDirectory, engine: Engine, database: str, problems: Problems) -> None:
        self.sink = ClickHouseSink(engine, database)
        self.obstacle: str | None = "the database is not open yet"
        self._directory = directory
        self._engine = engine
        self._database = database
        self._problems = problems
        self._lock: LockFile | None = None
        self._serving = threading.Lock()
        self._queries: QueryServer | None = None

    def open_first(self) -> None:
        """Open it for a directory that has never loaded records: a wrong URL is best found at once.

        Raises:
            JournalInUse: another process has the database and cannot be ended.
            ConfigurationError, SinkError: the database cannot be used.
        """
        deadline = time.monotonic() + FIRST_START_SECONDS
        self._lock = take_for_writer(self._directory, lambda: time.monotonic() < deadline)
        if self._lock is None:
            pid = holder(self._directory.database_lock) or "unknown"
            raise JournalInUse(f"process {pid} has the database of {self._directory} and does not end", "end it first")
        self._make_tables()

    def open_later(self, abandon: threading.Event, when_ours: Callable[[], None]) -> bool:
        """Open it as soon as nobody else has it; without its tables if it cannot be reached.

        Args:
            abandon: ends the waiting; a writer that stops still waits for its database for a while.
            when_ours: called when nobody else uses database, checkpoint or quarantine any more.

        Returns:
            False if it is not open because the writer waits no longer.
        """
        is_first = self._lock is not None
        while self._lock is None:
            if abandon.is_set():
                return False
            self._take_lock(abandon)
        when_ours()
        if not is_first:
            self._make_tables_if_possible()
        self.obstacle = None
        self.serve()
        return True

    def serve(self) -> None:
        """Answer others, if that is possible by now: a full disk takes no socket. For any thread, again and again.

        A socket or a lock whose file was removed is made again.
        """
        with self._serving:
            if self.obstacle is not None:
                return
            if self._lock is not None and not self._lock.keep():
                pid = holder(self._directory.database_lock) or "unknown"
                self._problems.report(
                    JournalInUse(f"{self._directory.database_lock} was replaced, process {pid} has it")
                )
            try:
                if self._queries is None:
                    self._queries = QueryServer(self._directory.query_socket, self._answer)
                elif self._queries.ensure_named():
                    LOGGER.warning("%s was removed; it was made again", self._directory.query_socket)
            except OSError as error:
                self._problems.report(JournalFull(f"{self._directory.query_socket} cannot be made: {error}"))

    def close(self) -> bool:
        """Answer no more, and let others use the database.

        Returns:
            False if somebody's query still runs: then the database is open until this process ends.
        """
        if self._queries is not None:
            self._queries.close()
        self.sink.close()
        if self._queries is not None and not self._queries.is_idle:
            return False
        if self._lock is not None:
            self._lock.close()
        return True

    def _take_lock(self, abandon: threading.Event) -> None:
        try:
            self._lock = take_for_writer(self._directory, lambda: not abandon.is_set())
        except OSError as error:
            self._problems.report(JournalFull(f"{self._directory.database_lock} cannot be locked: {error}"))
            abandon.wait(RETRY_SECONDS)

    def _make_tables(self) -> None:
        self.sink.prepare()
        self.sink.ensure(EXECUTION)

    def _make_tables_if_possible(self) -> None:
        try:
            self._make_tables()
        except TableMismatch as error:
            self._problems.report(error)  # a trouble of one table, of which the loader tells more
        except RingbufError as error:
            self._problems.report(error)
            LOGGER.warning("started without the database: records are journaled and wait there")

    def _answer(self, statement: str, timeout: float) -> Iterator[bytes]:
        """Run a query for somebody else: on a connection of its own, for one serves one thread."""
        with closing(ClickHouseSink(self._engine, self._database)) as sink:
            yield from sink.stream_json(statement, timeout)
