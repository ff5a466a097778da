"""Waiting for something to happen."""

import time
from collections.abc import Callable
from typing import Final

from ringbuf.errors import RingbufError

WAIT_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.01


def wait_until(condition: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> None:
    """Wait until a condition holds; it is asked every 10 ms.

    Raises:
        RingbufError: it does not hold in time; the message says `what` was waited for.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RingbufError(f"this did not happen within {seconds:g} s: {what}")
        time.sleep(POLL_SECONDS)
