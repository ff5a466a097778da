"""How the database of a data directory is reached, from one statement to the next.

Through its writer while one runs. Without one, a server is asked directly; the embedded database, which one process at
a time can open, is opened by a *reader process*. It serves all who come meanwhile, and ends with who started it, and
when a writer comes. A statement that was not answered by then is asked again the other way.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

from ringbuf.errors import RingbufError, SinkUnavailable
from ringbuf.query.holder import find_holder
from ringbuf.state import query_client
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.database_lock import GAVE_WAY, LOOK_SECONDS, TOLD_WHY
from ringbuf.state.lock_file import holder

READER_MODULE: Final = "ringbuf.query.reader_process"
LEAVE_SECONDS: Final = 1.0
MAX_DEATHS: Final = 2
"""How often a reader process may die over one statement; the statement itself may be the reason."""


class WayIn:
    """The way to one database. For one thread.

    Args:
        sink: what the status of its writer says about it.
        timeout: seconds to wait for the first row of an answer, and for each piece after it.
    """

    def __init__(self, directory: DataDirectory, sink: dict[str, Any], timeout: float) -> None:
        self._directory = directory
        self._sink = sink
        self._timeout = timeout
        self._reader: ReaderProcess | None = None

    def ask(self, statement: str) -> Iterator[bytes]:
        """Run one statement; its rows as JSONEachRow, cut anywhere.

        Raises:
            SinkUnavailable: who has the database hangs, ended in the midst of its answer, or has no answer in time.
            SinkError: what the database says.
            ConfigurationError: nobody has the embedded database open, and this user cannot open it.
        """
        deadline = time.monotonic() + self._timeout
        died = 0
        while True:
            has_begun = False
            try:
                for piece in self._ask_holder(statement):
                    has_begun = True
                    yield piece
                return
            except (ConnectionError, FileNotFoundError) as error:
                if has_begun:
                    raise self._broken_off() from error
            if holder(self._directory.writer_lock) is None and self._sink["kind"] == "server":
                yield from self._directly(statement)
                return
            if (failure := self._see_to_reader()) is not None:
                died += 1
                if died == MAX_DEATHS:
                    raise failure
            if time.monotonic() > deadline:
                raise find_holder(self._directory).closed(self._timeout)
            time.sleep(LOOK_SECONDS)

    def close(self) -> None:
        """End the reader process, if one was started here."""
        self._leave_reader()

    def _ask_holder(self, statement: str) -> Iterator[bytes]:
        """Ask whoever has the database open."""
        try:
            yield from query_client.ask(self._directory.query_socket, statement, self._timeout)
        except query_client.Silent as error:
            raise find_holder(self._directory).silent(error.seconds) from error
        except query_client.Busy as error:
            raise find_holder(self._directory).busy(self._timeout) from error

    def _see_to_reader(self) -> RingbufError | None:
        """Have a reader process if nobody has the database; returns what the last one died of, if it did."""
        if holder(self._directory.writer_lock) is not None:
            self._leave_reader()
            return None
        failure = None
        if self._reader is not None and self._reader.has_ended:
            failure = self._reader.failure()
            self._leave_reader()
        if self._reader is None and holder(self._directory.database_lock) is None:
            self._reader = ReaderProcess(self._directory)
        return failure

    def _directly(self, statement: str) -> Iterator[bytes]:
        # Here and not above: who asks a writer needs no database client.
        from ringbuf.sinks.clickhouse.engine import engine_of
        from ringbuf.sinks.clickhouse.sink import ClickHouseSink

        engine = engine_of(self._sink, self._directory.embedded)
        with closing(ClickHouseSink(engine, self._sink["database"])) as sink:
            yield from sink.stream_json(statement, self._timeout)

    def _leave_reader(self) -> None:
        if self._reader is not None:
            self._reader.leave()
            self._reader = None

    def _broken_off(self) -> SinkUnavailable:
        writer = holder(self._directory.writer_lock)
        if writer is None:
            return SinkUnavailable("the process that had the database ended in the midst of its answer", "ask again")
        return SinkUnavailable(
            f"a writer, process {writer or 'unknown'}, started and took the database of {self._directory} over in the"
            " midst of the answer",
            "ask again: it answers now",
        )


class ReaderProcess:
    """A process that opens an embedded database and answers on the socket of its data directory.

    A process of its own, so that a writer may end it at any moment, and a process that uses this module never loads the
    engine, after which it could not fork any more.
    """

    def __init__(self, directory: DataDirectory) -> None:
        self._said = os.memfd_create("ringbuf-reader")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", READER_MODULE, str(directory)],
            stdin=subprocess.PIPE,
            stdout=self._said,
            stderr=self._said,
            process_group=0,  # Ctrl-C in the terminal is for whoever started it
        )

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, however."""
        return self._process.poll() is not None

    def failure(self) -> RingbufError | None:
        """What it died of, None if it gave way to somebody."""
        code = self._process.returncode
        if code == GAVE_WAY:
            return None
        lines = os.pread(self._said, 1 << 20, 0).decode(errors="replace").strip().splitlines()
        if code == TOLD_WHY:
            return RingbufError.from_described(json.loads(lines[-1]))
        return SinkUnavailable(
            f"the process that opened the database ended with code {code}" + (f": {lines[-1]}" if lines else ""),
            "it may be for want of memory: ask for less at a time" if code == -signal.SIGKILL else "ask again",
        )

    def leave(self) -> None:
        """Have it end when it has answered all who came."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        os.close(self._said)
        try:
            self._process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:  # others use it still
            threading.Thread(target=self._process.wait, name="reader process", daemon=True).start()
