"""The consumer: the one reader that frees slots of a ring."""

import os
import time
from typing import Final, NoReturn, Self

import numpy as np

from ringbuf.errors import RingClosed, RingCorrupt, RingError, RingForked, RingInUse
from ringbuf.record.schema import Records
from ringbuf.ring import layout, registry
from ringbuf.ring.native import cursors
from ringbuf.ring.segment import Segment, check_platform, keep_from_children

_HEAD: Final = layout.HEAD // 8
_TAIL: Final = layout.TAIL // 8
_ABANDONED: Final = layout.ABANDONED_NS // 8
_MOVED: Final = layout.MOVED_NS // 8
_HEARTBEAT: Final = layout.CONSUMER_HEARTBEAT_NS // 8
_HIGH_WATER: Final = layout.HIGH_WATER // 8


class Consumer:
    """The one reader that moves a ring's tail. Make it with `open`.

    The records are mapped read-only: a consumer cannot damage them.

    Attributes:
        name: name of the ring.
        header: schema, capacity, session, creation time and host of the ring.
        position: seq of the next record that `poll` gives.
        cursors: the numbers in the ring's header, for `ringbuf.ring.heads`.
    """

    def __init__(self, name: str, segment: Segment, header: layout.Header) -> None:
        self.name = name
        self.header = header
        self.segment = segment
        self._size = header.segment_size
        self._open = True
        self._forked = False
        with segment.reopen() as mapped:
            self.cursors = cursors(mapped.map(0, layout.HEADER_SIZE, writable=True))
            length = header.segment_size - layout.HEADER_SIZE
            self._slots: Records = np.frombuffer(
                mapped.map(layout.HEADER_SIZE, length, writable=False), header.schema.dtype
            )
        self.position = self.cursors[_TAIL]
        layout.check_cursors(self.head, self.position, header.capacity, segment.where)
        self.cursors[layout.CONSUMER_PID // 8] = os.getpid()
        self.beat(time.time_ns())
        keep_from_children(self)

    @classmethod
    def open(cls, name: str, *, namespace: str | None = None) -> Self:
        """Attach to a ring as its only consumer; reading starts at the tail.

        Raises:
            RingNotFound: there is no ring of this name.
            RingInUse: another consumer is attached.
            RingIncomplete: its producer has not finished creating it.
            RingCorrupt, RingVersion: it is no intact ring of this release.
            RingError: it belongs to another user.
            RingMemory: it cannot be mapped.
            ConfigurationError: the processor needs the native core.
        """
        check_platform()
        segment = Segment.open(registry.shared_memory_name(name, namespace), f"ring {name!r}", writable=True)
        try:
            segment.check_owner()
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
        return self.cursors[_HEAD]

    @property
    def tail(self) -> int:
        """Seq of the next record to be acknowledged."""
        return self.cursors[_TAIL]

    @property
    def lag(self) -> int:
        """Records published and not yet acknowledged."""
        return self.cursors[_HEAD] - self.cursors[_TAIL]

    @property
    def is_moved(self) -> bool:
        """Whether the ring was made anew in another file, because its name was removed.

        That has the same session, and all that was not acknowledged here: close this consumer and open another one.
        """
        return self.cursors[_MOVED] != 0

    @property
    def has_news(self) -> bool:
        """Whether records were published since the last poll."""
        return self.cursors[_HEAD] != self.position

    def poll(self, limit: int | None = None) -> tuple[Records, ...]:
        """New records since the last poll, at most `limit` of them.

        Returns:
            No, one or (at the wrap) two read-only structured arrays that are views of the ring's memory. They stay
            valid until their records are acknowledged.

        Raises:
            RingCorrupt: the cursors contradict each other.
            RingError: the limit is negative.
            RingClosed, RingForked: this consumer can no longer read.
        """
        if not self._open:
            self._refuse()
        head = self.cursors[_HEAD]
        if head == self.position:
            return ()
        self._check(head)
        count = head - self.position
        if limit is not None:
            if limit < 0:
                raise RingError(f"{self.segment.where}: cannot poll {limit} records")
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
            RingClosed, RingForked: this consumer can no longer read.
        """
        if not self._open:
            self._refuse()
        tail = self.cursors[_TAIL]
        if not tail <= seq < self.position:
            raise RingError(
                f"{self.segment.where}: cannot acknowledge {seq}, polled and open are {tail} to {self.position - 1}"
            )
        self.cursors[_TAIL] = seq + 1

    def rewind(self) -> None:
        """Poll again from the tail: what was polled and not acknowledged is given once more.

        Raises:
            RingClosed, RingForked: this consumer can no longer read.
        """
        if not self._open:
            self._refuse()
        self.position = self.cursors[_TAIL]

    def beat(self, now_ns: int) -> None:
        """Show monitors that this consumer works: a heartbeat, and the high-water mark of the lag.

        To be called about once a second; without it `ringbuf ls` calls the consumer stalled.
        """
        cursors = self.cursors
        cursors[_HEARTBEAT] = now_ns
        self._note_lag(cursors[_HEAD] - cursors[_TAIL])

    @property
    def abandoned_ns(self) -> int:
        """Since when no process is seen to hold the ring to append to it, ns since the epoch; 0 while one does."""
        return self.cursors[_ABANDONED]

    def look_for_producer(self, now_ns: int) -> bool:
        """Whether a process holds the ring to append to it; keeps `abandoned_ns`, which outlives this consumer."""
        cursors = self.cursors
        if self.segment.is_locked(layout.PRODUCER_LOCK):
            if cursors[_ABANDONED]:
                cursors[_ABANDONED] = 0
            return True
        attached_ns = cursors[layout.ATTACHED_NS // 8]
        if attached_ns >= cursors[_ABANDONED]:  # never seen, or there was a producer since
            cursors[_ABANDONED] = max(now_ns, attached_ns + 1)
        return False

    def check_size(self) -> None:
        """Make sure that the segment still has all its memory; touching memory that is gone ends the process (SIGBUS).

        Raises:
            RingCorrupt: somebody truncated it.
        """
        size = self.segment.size
        if size < self._size:
            raise RingCorrupt(
                f"{self.segment.where} was truncated from {self._size} bytes to {size}",
                "its producer cannot go on either; see `ringbuf rm --force`",
            )

    def close(self) -> None:
        """Let another consumer in. What was not acknowledged stays. Idempotent."""
        self._open = False
        self.segment.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def leave_to_parent(self) -> None:
        """Become unusable, in a forked child: the ring is the parent's."""
        self._forked = True
        self.close()

    def _refuse(self) -> NoReturn:
        if self._forked:
            raise RingForked(
                f"{self.segment.where} is consumed by the parent process of {os.getpid()}", "consume it there"
            )
        raise RingClosed(f"{self.segment.where} was closed by this consumer", "open it again")

    def _check(self, head: int) -> None:
        tail = self.cursors[_TAIL]
        layout.check_cursors(head, tail, self.header.capacity, self.segment.where)
        if not tail <= self.position <= head:
            raise RingCorrupt(
                f"{self.segment.where} has head {head} and tail {tail}, its consumer is at {self.position}",
                "something else wrote into the ring's memory; keep a copy of the file, then see `ringbuf rm --force`",
            )
        self._note_lag(head - tail)

    def _note_lag(self, lag: int) -> None:
        if lag > self.cursors[_HIGH_WATER]:
            self.cursors[_HIGH_WATER] = lag
