"""The real writer, as a process of its own, on a fresh data directory."""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from ringbuf.bench.clickhouse_server import ClickHouse
from ringbuf.bench.workspace import Workspace
from ringbuf.launch.child_process import ChildProcess
from ringbuf.query.database import ask_writer
from ringbuf.state import status
from ringbuf.state.data_directory import DataDirectory

MODULE: Final = "ringbuf.tools.cli"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 120.0
POLL_SECONDS: Final = 0.005
LOW_PRIORITY: Final = 10


class WriterProcess:
    """`ringbuf writer` on the rings of a namespace, ready to be used; stopped at the end of a `with` block.

    Attributes:
        pid: its process.
        database: the database it made.

    Args:
        server: where it loads into; None for an embedded database.
        database: name of the database to make.
        namespace: of the rings.
        flush_ms: milliseconds between two inserts at low rates, if not the writer's default.
    """

    def __init__(
        self,
        work: Workspace,
        server: ClickHouse | None,
        database: str,
        namespace: str,
        *,
        flush_ms: int | None = None,
    ) -> None:
        self.data_dir = work.new_directory("data")
        self.database = database
        options = ["--data-dir", str(self.data_dir), "--database", database]
        if server is not None:
            options += ["--clickhouse", server.url]
        if flush_ms is not None:
            options += ["--flush-ms", str(flush_ms)]
        log = self.data_dir.with_suffix(".log")
        self._process = ChildProcess(MODULE, ["writer", *options], namespace=namespace, log=log)
        self.pid = self._process.pid
        try:
            self.wait(
                lambda: (status.read(DataDirectory(self.data_dir).status) or {}).get("pid") == self.pid,
                "start",
                START_SECONDS,
            )
        except BaseException:  # Ctrl-C too: nobody else knows of the process yet
            self._process.end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.end(STOP_SECONDS)

    def lower_priority(self) -> None:
        """Give way to whoever has the usual priority: all its threads, and those they will start.

        SCHED_BATCH, since with nice alone it still takes the core from whoever runs when it wakes up.
        """
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with suppress(ProcessLookupError):  # a thread may end meanwhile
                os.sched_setscheduler(int(task.name), os.SCHED_BATCH, os.sched_param(0))
                os.setpriority(os.PRIO_PROCESS, int(task.name), LOW_PRIORITY)

    def status(self) -> dict[str, Any]:
        """What it last said about itself."""
        return status.read(DataDirectory(self.data_dir).status) or {}

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Ask its database."""
        return [json.loads(line) for line in ask_writer(self.data_dir, statement).splitlines()]

    def stored(self) -> int:
        """How many records its database has, copies and all."""
        return int(self.rows("SELECT count() AS stored FROM executions")[0]["stored"])

    def wait(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait for something.

        Raises:
            RingbufError: the writer ended, or it takes too long.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if self._process.exit_code() is not None or time.monotonic() > deadline:
                raise self._process.failure(f"did not {what}")
            time.sleep(POLL_SECONDS)


def database_name(work: Workspace, purpose: str) -> str:
    """A database of this run's own."""
    return f"{work.namespace}_{purpose}".replace("-", "_")
