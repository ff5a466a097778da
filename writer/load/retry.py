"""What must not fail is tried until it succeeds, or turns out to be the trouble of one schema, or the writer stops."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from ringbuf.errors import JournalFull, SinkError, SinkRefused, SinkUnavailable, TableMismatch
from ringbuf.writer.problems import Problems

T = TypeVar("T")

DISK_SECONDS: Final = 0.5
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0


class Abandoned(Exception):
    """The writer is stopping and does not wait any longer."""


class Stuck(Exception):
    """The database answers, but does not do this.

    Attributes:
        error: what it says.
    """

    def __init__(self, error: SinkError) -> None:
        super().__init__(error)
        self.error = error


class Retry:
    """Repeats calls of one connection, or of the disk. For one thread at a time.

    Attributes:
        error: what the last call of the database failed with; None if it succeeded, or if the database answers others.
    """

    def __init__(self, problems: Problems, abandon: threading.Event) -> None:
        self.error: str | None = None
        self._problems = problems
        self._abandon = abandon

    def until_answered(self, call: Callable[[], T], answers: Callable[[], bool], patience: float) -> T:
        """Repeat a call of the database until it succeeds.

        Args:
            answers: whether the database does anything for us.
            patience: seconds that the call may fail while it does.

        Raises:
            SinkRefused: the database refuses the data for good.
            Stuck: the call fails again and again though the database answers.
            Abandoned: the writer stops.
        """
        since: float | None = None
        waits = pauses()
        while True:
            try:
                answer = call()
            except SinkRefused:
                self.error = None  # it has answered
                raise
            except (SinkUnavailable, TableMismatch) as error:
                self._problems.report(error)
                failed = time.monotonic()
                if self._abandon.is_set():
                    raise Abandoned from error
                does_answer = answers()
                self.error = None if does_answer else str(error)
                since = (failed if since is None else since) if does_answer else None
                if since is not None and failed - since >= patience:
                    raise Stuck(error) from error
                if self._abandon.wait(next(waits)):
                    raise Abandoned from error
            else:
                self.error = None
                return answer

    def until_written(self, write: Callable[[], None]) -> None:
        """Repeat a write until the disk takes it.

        Raises:
            Abandoned: the writer stops.
        """
        while True:
            try:
                return write()
            except JournalFull as error:
                self._problems.report(error)
                if self._abandon.wait(DISK_SECONDS):
                    raise Abandoned from error


def pauses() -> Iterator[float]:
    """Seconds to wait before each try but the first: ever longer, and a little different each time."""
    pause = FIRST_PAUSE
    while True:
        yield pause + random.uniform(0, FIRST_PAUSE)
        pause = min(2 * pause, LONGEST_PAUSE)
