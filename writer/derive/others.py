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
        self._last: dict[str, int] | None = None  # numbers of parts; all that was read since has what they have
        self._ask_at = 0.0

    def may_have_written(self) -> bool:
        """Whether somebody else may have inserted rows since this was asked last, or what is remembered was read."""
        if time.monotonic() < self._ask_at:
            return True
        own = self._parts.inserts
        expected = self._last and {name: number + own[name] for name, number in self._last.items()}
        own.clear()
        found = self._parts.last()
        if found is not None and found == expected:
            self._last = found
            return False
        if found is None:
            self._ask_at = math.inf
        elif expected is not None:
            self._ask_at = time.monotonic() + SHARED_SECONDS
        self._last = found if expected is None else None
        self._memory.forget()
        return True

    def begin_anew(self) -> None:
        """Take nothing for known: rows were inserted in a way that is not counted."""
        self._last = None
