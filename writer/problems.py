"""What went wrong in a writer, counted for the monitors and logged without flooding."""

import logging
import threading
import time
from collections import Counter
from typing import Final

from ringbuf.errors import RingbufError

LOGGER: Final = logging.getLogger("ringbuf.writer")
REPEAT_SECONDS: Final = 60.0


class Problems:
    """Counts errors by kind; logs a message when it is new and then once a minute. Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._logged: dict[str, float] = {}

    def report(self, error: RingbufError) -> None:
        """Count an error and, unless the same message was logged within the last minute, log it."""
        message = str(error)
        now = time.monotonic()
        with self._lock:
            self._counts[type(error).__name__] += 1
            quiet = now - self._logged.get(message, -REPEAT_SECONDS) < REPEAT_SECONDS
            if not quiet:
                self._logged = {each: at for each, at in self._logged.items() if now - at < REPEAT_SECONDS}
                self._logged[message] = now
        if not quiet:
            LOGGER.error("%s", message)

    def counts(self) -> dict[str, int]:
        """How often each kind of error happened."""
        with self._lock:
            return dict(self._counts)
