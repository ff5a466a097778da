"""What must not fail is tried until it succeeds, or until the writer stops."""

import threading
from collections.abc import Callable
from typing import TypeVar

import tenacity

from ringbuf.errors import JournalFull, SinkError, SinkRefused, SinkUnavailable, TableMismatch
from ringbuf.writer.problems import Problems

T = TypeVar("T")

DISK_SECONDS = 0.5


class Abandoned(Exception):
    """The writer is stopping and does not wait any longer."""


class Retry:
    """Repeats calls of one connection, or of the disk. For one thread at a time.

    Attributes:
        error: what the last call of the database failed with, None if it succeeded.
    """

    def __init__(self, problems: Problems, abandon: threading.Event) -> None:
        self.error: str | None = None
        self._problems = problems
        self._abandon = abandon
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((SinkUnavailable, TableMismatch)),
            wait=tenacity.wait_exponential(multiplier=0.1, max=5.0) + tenacity.wait_random(0, 0.1),
            stop=tenacity.stop_when_event_set(abandon),
            sleep=tenacity.sleep_using_event(abandon),
            before_sleep=self._report,
            reraise=True,
        )

    def until_answered(self, call: Callable[[], T]) -> T:
        """Repeat a call of the database until it succeeds.

        Raises:
            SinkRefused: the database refuses the data for good.
            Abandoned: the writer stops.
        """
        try:
            answer = self._retrying(call)
        except SinkRefused:
            self.error = None  # it has answered
            raise
        except (SinkUnavailable, TableMismatch) as error:
            raise Abandoned from error
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

    def _report(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, SinkError):
            self.error = str(error)
            self._problems.report(error)
