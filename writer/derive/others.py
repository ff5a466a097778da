"""Whether somebody else writes rows of orders and fills into the database.

A deriver looks once more when its rows are there, since another one may have derived the same order meanwhile. Nearly
always there is no other. The server numbers the parts of a table, one number for each insert, in the order in which
they can be read. So if the last number has grown by the inserts of our own, nobody else has inserted anything, and
there is nothing to look for.
"""

import math
import time
from typing import Final

from ringbuf.sinks.clickhouse.part_numbers import PartNumbers
from ringbuf.writer.derive.memory import Memory

SHARED_SECONDS: Final = 60.0
"""After somebody else has inserted something it is taken for so long that he goes on with it."""


class Others:
    """For one thread, that of a deriver.

    Args:
        memory: forgets what others may have made stale.
    """

    def __init__(self, parts: PartNumbers, memory: Memory) -> None:
        self._parts = parts
        self._memory = memory
        self._last: dict[str, int] | None = None  # numbers of parts when it was alone; None: it does not watch
        self._begin_at = 0.0

    def begin(self) -> None:
        """Begin to watch if it does not, before anything is read; what is remembered may be stale and is forgotten."""
        if self._last is not None or time.monotonic() < self._begin_at:
            return
        self._memory.forget()
        self._parts.inserts.clear()
        self._last = self._parts.last()
        if self._last is None:
            self._begin_at = math.inf

    def may_have_written(self) -> bool:
        """Whether somebody else may have inserted rows since it began to watch."""
        if self._last is None:
            return True
        own = self._parts.inserts
        expected = {name: number + own[name] for name, number in self._last.items()}
        own.clear()
        self._last = found = self._parts.last()
        if found == expected:
            return False
        self.stop()
        self._begin_at = time.monotonic() + SHARED_SECONDS
        return True

    def stop(self) -> None:
        """Watch no more until the next `begin`: rows were inserted by others, or in a way that is not counted."""
        self._last = None
