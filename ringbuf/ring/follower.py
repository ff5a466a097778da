"""Reading the last records of a ring, and those to come."""

import time
from collections.abc import Callable, Iterator
from typing import Final

from ringbuf.errors import RingIncomplete, RingNotFound
from ringbuf.record.rows import Records
from ringbuf.record.schema import Schema
from ringbuf.ring.inspection import open_ring
from ringbuf.ring.observer import Observer

CHUNK: Final = 1024
SHORTEST_WAIT: Final = 0.001
LONGEST_WAIT: Final = 0.2


class Follower:
    """Reads a ring from its last records on, through whatever happens to it: producers that come and go, a new ring.

    Args:
        count: how many of the records that are there already.
        report: takes what a reader should know: records that were overwritten unread, a ring that was removed.

    Raises:
        RingNotFound: there is no such ring; the hint has the names that come close.
        RingIncomplete, RingCorrupt, RingVersion: it is no intact ring of this release.
    """

    def __init__(self, name: str, namespace: str, count: int, report: Callable[[str], None]) -> None:
        self._name = name
        self._report = report
        self._namespace = namespace
        self._ring = open_ring(name, namespace)
        self._ring_file = self._ring.file_id
        self._position = max(self._ring.head - count, min(self._ring.oldest, self._ring.head))
        self._missing = False

    @property
    def schema(self) -> Schema:
        """Schema of the ring that is read now."""
        return self._ring.header.schema

    def present(self) -> Iterator[tuple[Schema, Records]]:
        """The records that are there now, in pieces."""
        end = self._ring.head
        while self._position < end:
            seen = self._ring.read(self._position, min(CHUNK, end - self._position))
            if seen.lapped:
                self._report(f"{seen.lapped:,} records of ring {self._name!r} were overwritten unread")
            self._position = seen.first_seq + len(seen.records)
            if len(seen.records):
                yield self.schema, seen.records

    def follow(self) -> Iterator[tuple[Schema, Records]]:
        """The records that are there now, and all to come: without end."""
        wait = SHORTEST_WAIT
        while True:
            position = self._position
            yield from self.present()
            wait = SHORTEST_WAIT if self._position > position else min(wait * 2, LONGEST_WAIT)
            if wait == LONGEST_WAIT and (successor := self._successor()):
                yield from self.present()
                self._ring.close()
                if successor.header.session != self._ring.header.session:
                    self._position = 0
                self._ring = successor
                self._report(f"ring {self._name!r} was made anew")
            time.sleep(wait)

    def _successor(self) -> Observer | None:
        """The ring that has the name now, if it is another one."""
        try:
            found = Observer.open(self._name, namespace=self._namespace)
        except RingNotFound:
            if not self._missing:
                self._report(f"ring {self._name!r} was removed, waiting for it to come back")
            self._missing = True
            return None
        except RingIncomplete:
            return None
        self._missing = False
        if found.file_id == self._ring_file:
            found.close()
            return None
        self._ring_file = found.file_id
        return found
