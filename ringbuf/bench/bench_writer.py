"""The writer of a benchmark: the real one, on a fresh data directory."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from ringbuf.bench.workspace import Workspace
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.writer_process import WriterProcess
from ringbuf.query.database import ask_writer
from ringbuf.ring.registry import NAMESPACE_VARIABLE

LOW_PRIORITY: Final = 10


class BenchWriter(WriterProcess):
    """A writer on the rings of a workspace. In a `with` block it works from the beginning, and is stopped at the end.

    Args:
        server: where it loads into; None for an embedded database.
        database: name of the database to create.
        flush_ms: milliseconds between two inserts at low rates, if not the writer's default.
    """

    def __init__(
        self, work: Workspace, server: ClickHouse | None, database: str, *, flush_ms: int | None = None
    ) -> None:
        options = ["--database", database]
        if server is not None:
            options += ["--clickhouse", server.url]
        if flush_ms is not None:
            options += ["--flush-ms", str(flush_ms)]
        super().__init__(work.new_directory("data"), *options, environment={NAMESPACE_VARIABLE: work.namespace})

    def __enter__(self) -> Self:
        self.start()
        try:
            return self.wait_running()
        except BaseException:  # Ctrl-C too: the end of the block is not reached
            self.kill()
            raise

    def __exit__(self, *_: object) -> None:
        self.end()

    def lower_priority(self) -> None:
        """Give way to whoever has the usual priority: all its threads, and those they will start.

        SCHED_BATCH, because with nice alone it still pushes another process off its core when it wakes up.
        """
        lowered: set[int] = set()
        while new := {int(task.name) for task in Path(f"/proc/{self.pid}/task").iterdir()} - lowered:
            for thread in new:
                with suppress(ProcessLookupError):  # it may have ended
                    os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))
                    os.setpriority(os.PRIO_PROCESS, thread, LOW_PRIORITY)
            lowered |= new  # those that they started before are found by the next look

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Ask its database."""
        return [json.loads(line) for line in ask_writer(self.data_dir, statement).splitlines()]

    def stored(self) -> int:
        """How many records its database has, copies and all."""
        return int(self.rows("SELECT count() AS stored FROM executions")[0]["stored"])


def database_name(work: Workspace, purpose: str) -> str:
    """A database of this run's own."""
    return f"{work.namespace}_{purpose}".replace("-", "_")
