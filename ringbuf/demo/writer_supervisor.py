"""The demo's writer: started again within a second whenever it dies, as a service manager would."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from ringbuf.errors import RingbufError
from ringbuf.launch.child_process import START_SECONDS, last_lines
from ringbuf.launch.waiting import wait_until
from ringbuf.launch.writer_process import WriterProcess
from ringbuf.ring.registry import NAMESPACE_VARIABLE
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.lock_file import holder

STOP_SECONDS: Final = 20.0
EARLY_SECONDS: Final = 5.0
MAX_EARLY_DEATHS: Final = 5


class WriterSupervisor:
    """One writer on a data directory, and its successors.

    Somebody else may start a writer on the directory as soon as this one is dead; then that one is left to do the work.

    Attributes:
        restarts: how often the writer had to be replaced.
    """

    def __init__(self, data_dir: Path, *options: str, namespace: str, log_file: Path) -> None:
        # An embedded database that is killed while it opens leaves temporary files; here they go with the log.
        environment = {NAMESPACE_VARIABLE: namespace, "TMPDIR": str(log_file.parent)}
        self._writer = WriterProcess(data_dir, *options, environment=environment, log_file=log_file)
        self._lock = DataDirectory(data_dir).writer_lock
        self._early_deaths = 0
        self.restarts = 0
        self._start()

    @property
    def pid(self) -> int | None:
        """The process that holds the data directory now, None while none does."""
        return holder(self._lock)

    @property
    def is_running(self) -> bool:
        """Whether the present writer has opened its database and works."""
        return self.pid is not None and self._working_pid == self.pid

    def check_started(self) -> bool:
        """Whether the first writer works already.

        Raises:
            RingbufError: it ended instead, or takes longer than `START_SECONDS`.
        """
        if not self._writer.is_alive:
            raise self._failure("did not start")
        if self._working_pid == self._writer.pid:
            return True
        if time.monotonic() > self._started + START_SECONDS:
            raise self._failure(f"did not start within {START_SECONDS:.0f} s")
        return False

    def watch(self) -> None:
        """Start a new writer if there is none; to be called several times a second.

        Raises:
            RingbufError: one writer after the other ends soon after its start.
        """
        if self._writer.is_alive or self.pid is not None:
            return
        early = time.monotonic() - self._started < EARLY_SECONDS
        self._early_deaths = self._early_deaths + 1 if early else 0
        if self._early_deaths == MAX_EARLY_DEATHS:
            raise self._failure(f"ended {MAX_EARLY_DEATHS} times within {EARLY_SECONDS:.0f} s of its start")
        self.restarts += 1
        self._start()

    def stop(self, *, others: bool) -> None:
        """Let the writer store what is there and end it. Idempotent.

        Args:
            others: end a writer that somebody else has started, too, because its directory is going to be removed.
        """
        self._writer.end(STOP_SECONDS)
        pid = self.pid if others else None
        if pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGTERM)
            with suppress(RingbufError):
                wait_until(lambda: self.pid != pid, "the writer that somebody else has started ends", STOP_SECONDS)

    def last_lines(self, count: int) -> str:
        """The end of what the writers have logged."""
        return last_lines(self._writer.log_file, count)

    @property
    def _working_pid(self) -> int | None:
        """The process that last said it works."""
        found = self._writer.status()
        return found["pid"] if found.get("state") == "running" else None

    def _start(self) -> None:
        self._started = time.monotonic()
        self._writer.start()

    def _failure(self, what: str) -> RingbufError:
        return RingbufError(f"the writer {what}: {self.last_lines(1).removeprefix('ringbuf: ')}")
