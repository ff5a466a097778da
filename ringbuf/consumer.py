"""The consumer: the one reader that frees slots of a ring."""

import os
import time
from typing import Any, Final, Self

import numpy as np

from ringbuf import layout, registry
from ringbuf.errors import RingClosed, RingError, RingInUse
from ringbuf.segment import Segment, check_platform

Records = np.ndarray[Any, np.dtype[np.void]]

_HEAD: Final = layout.HEAD // 8
_TAIL: Final = layout.TAIL // 8


class Consumer:
    """The one reader that moves a ring's tail. Make it with `open`.

    The records are mapped read-only: a consumer cannot damage them.

    Attributes:
        name: name of the ring.
        header: schema, capacity, session, creation time and host of the ring.
        position: seq of the next record that `poll` gives.
    """

    def __init__(self, name: str, segment: Segment, header: layout.Header) -> None:
        self.name = name
        self.header = header
        self.segment = segment
        self._open = True
        with Segment.open(segment.name, segment.where, writable=True) as mapped:
            self._cursors = memoryview(mapped.map(0, layout.HEADER_SIZE, writable=True)).cast("Q")
            length = header.segment_size - layout.HEADER_SIZE
            self._slots: Records = np.frombuffer(
                mapped.map(layout.HEADER_SIZE, length, writable=False), header.schema.dtype
            )
        self.position = self._cursors[_TAIL]
        layout.check_cursors(self.head, self.position, header.capacity, segment.where)
        self._cursors[layout.CONSUMER_PID // 8] = os.getpid()
        self.beat()

    @classmethod
    def open(cls, name: str, *, namespace: str | None = None) -> Self:
        """Attach to a ring as its only consumer; reading starts at the tail.

        Raises:
            RingNotFound: there is no ring of this name.
            RingInUse: another consumer is attached.
            RingIncomplete: its producer has not finished creating it.
            RingCorrupt, RingVersion: it is no intact ring of this release.
        """
        check_platform()
        segment = Segment.open(registry.segment_name(name, namespace), f"ring {name!r}", writable=True)
        try:
            header = segment.header()
            if not segment.lock(layout.CONSUMER_LOCK):
                raise RingInUse(
                    f"{segment.where} already has a consumer, process {segment.read(layout.CONSUMER_PID)}",
                    "stop that writer first; to only look, use an Observer",
                )
            return cls(name, segment, header)
        except BaseException:
            segment.close()
            raise

    @property
    def head(self) -> int:
        """Seq of the next record the producer will publish."""
        return self._cursors[_HEAD]

    @property
    def lag(self) -> int:
        """Records published and not yet acknowledged."""
        return self._cursors[_HEAD] - self._cursors[_TAIL]

    def poll(self, limit: int | None = None) -> tuple[Records, ...]:
        """New records since the last poll, at most `limit` of them.

        Returns:
            No, one or (at the wrap) two read-only structured arrays that are views of the ring's memory. They stay
            valid until their records are acknowledged.

        Raises:
            RingCorrupt: the cursors contradict each other.
            RingClosed: the consumer was closed.
        """
        head = self._cursors[_HEAD]
        if head == self.position:
            return ()
        self._check(head)
        count = head - self.position
        if limit is not None:
            count = min(count, limit)
        start = self.position & (self.header.capacity - 1)
        first = self._slots[start : start + count]
        self.position += count
        if len(first) == count:
            return (first,) if count else ()
        return first, self._slots[: count - len(first)]

    def acknowledge(self, seq: int) -> None:
        """Declare the record `seq`, and all before it, done: their slots are the producer's again.

        Raises:
            RingError: that record was not polled yet, or was acknowledged before.
            RingClosed: the consumer was closed.
        """
        if not self._open:
            raise RingClosed(f"{self.segment.where} was closed by this consumer", "open it again")
        tail = self._cursors[_TAIL]
        if not tail <= seq < self.position:
            raise RingError(
                f"{self.segment.where}: cannot acknowledge {seq}, polled and open are {tail} to {self.position - 1}"
            )
        self._cursors[_TAIL] = seq + 1

    def rewind(self) -> None:
        """Poll again from the tail: what was polled and not acknowledged is given once more."""
        self.position = self._cursors[_TAIL]

    def beat(self) -> None:
        """Show monitors that this consumer is alive: a heartbeat, and the high-water mark of the lag."""
        self._cursors[layout.CONSUMER_HEARTBEAT_NS // 8] = time.time_ns()
        self._cursors[layout.HIGH_WATER // 8] = max(self._cursors[layout.HIGH_WATER // 8], self.lag)

    def close(self) -> None:
        """Let another consumer in. What was not acknowledged stays. Idempotent."""
        self._open = False
        self.segment.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self, head: int) -> None:
        if not self._open:
            raise RingClosed(f"{self.segment.where} was closed by this consumer", "open it again")
        layout.check_cursors(head, self._cursors[_TAIL], self.header.capacity, self.segment.where)
        if (lag_after := head - self._cursors[_TAIL]) and lag_after > self._cursors[layout.HIGH_WATER // 8]:
            self._cursors[layout.HIGH_WATER // 8] = lag_after
