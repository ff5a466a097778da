"""An observer: reads a ring without touching anything."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from ringbuf.errors import RingClosed, RingCorrupt, RingError
from ringbuf.ring import layout, registry
from ringbuf.ring.native import cursors
from ringbuf.ring.segment import FileId, Segment, check_platform

Records = np.ndarray[Any, np.dtype[np.void]]


class Observation(NamedTuple):
    """What an observer read.

    Attributes:
        records: a private copy, shape (n,); consecutive, the first with seq `first_seq`.
        first_seq: seq of the first record, or of the next one to come if there is none.
        lapped: records asked for that the producer has overwritten, or is overwriting now.
    """

    records: Records
    first_seq: int
    lapped: int


@dataclass(frozen=True)
class RingState:
    """The counters of a ring at one moment; times in ns since the epoch, 0 if it never happened."""

    head: int
    tail: int
    dropped: int
    rejected: int
    flagged: int
    recreated: int
    moved_ns: int
    high_water: int
    attached_ns: int
    closed_ns: int
    producer_pid: int
    producer_alive: bool
    heartbeat_ns: int
    consumer_pid: int
    consumer_alive: bool
    abandoned_ns: int

    @property
    def lag(self) -> int:
        """Records published and not yet acknowledged."""
        return self.head - self.tail


class Observer:
    """A read-only reader of a ring, of any number at a time. Make it with `open`.

    Attributes:
        name: name of the ring.
        header: schema, capacity, session, creation time and host of the ring.
    """

    def __init__(self, name: str, segment: Segment) -> None:
        self.name = name
        self.header = segment.header()
        self._segment = segment
        memory = segment.map(0, self.header.segment_size, writable=False)
        self._cursors = cursors(memory)
        # As plain bytes: numpy copies a record of fields one by one, and leaves out the padding between them.
        self._slots: Records = np.frombuffer(
            memory, np.dtype((np.void, self.header.schema.record_size)), offset=layout.HEADER_SIZE
        )

    @classmethod
    def open(cls, name: str, *, namespace: str | None = None) -> Self:
        """Attach to a ring.

        Raises:
            RingNotFound: there is no ring of this name.
            RingIncomplete: its producer has not finished creating it.
            RingMemory: it cannot be mapped.
            RingCorrupt, RingVersion: it is no intact ring of this release.
            ConfigurationError: the processor needs the native core.
        """
        check_platform()
        registry.find(name, namespace)
        segment = Segment.open(registry.shared_memory_name(name, namespace), f"ring {name!r}")
        try:
            return cls(name, segment)
        except BaseException:
            segment.close()
            raise

    @property
    def file_id(self) -> FileId:
        """Which file the ring is in: a ring whose name was removed is made anew in another, session and all."""
        return self._segment.file_id

    @property
    def head(self) -> int:
        """Seq of the next record to be published."""
        return self._cursors[layout.HEAD // 8]

    @property
    def oldest(self) -> int:
        """Seq of the oldest record that can still be read."""
        head = self._cursors[layout.HEAD // 8]
        # A record is being written behind the head at any moment, a bulk append writes as far as it claimed.
        writing = max(head + 1, self._cursors[layout.CLAIMED // 8])
        unread = self._cursors[layout.TAIL // 8]
        return min(max(writing - self.header.capacity, 0), unread)

    def read(self, seq: int, limit: int | None = None) -> Observation:
        """Copy the records from `seq` on that are still present, at most `limit`.

        Raises:
            RingCorrupt: the cursors contradict each other.
            RingError: `seq` or `limit` is negative.
            RingClosed: the observer was closed.
        """
        self._check_open()
        if seq < 0 or (limit is not None and limit < 0):
            raise RingError(f"{self._segment.where}: cannot read {limit} records from record {seq} on")
        tail, head = self._cursors[layout.TAIL // 8], self._cursors[layout.HEAD // 8]
        begin = max(seq, self.oldest)
        end = max(head if limit is None else min(head, begin + limit), begin)
        if tail > head or end - begin > self.header.capacity:
            raise RingCorrupt(
                f"{self._segment.where} has head {head} and tail {tail} at a capacity of {self.header.capacity}",
                "keep a copy of the file, then see `ringbuf rm --force`",
            )
        slots = (begin % self.header.capacity + np.arange(end - begin)) % self.header.capacity
        records = self._slots[slots].view(self.header.schema.dtype)
        # Whatever became old during the copy may be torn in it.
        intact = min(max(self.oldest, begin), end)
        return Observation(records[intact - begin :], intact, max(intact - seq, 0))

    def state(self) -> RingState:
        """The ring's counters now.

        Raises:
            RingClosed: the observer was closed.
        """
        self._check_open()
        word = self._cursors
        # Tail before head, so that the lag can come out too large by what happens in between, never negative.
        tail = word[layout.TAIL // 8]
        return RingState(
            head=word[layout.HEAD // 8],
            tail=tail,
            dropped=word[layout.DROPPED // 8],
            rejected=word[layout.REJECTED // 8],
            flagged=word[layout.FLAGGED // 8],
            recreated=word[layout.RECREATED // 8],
            moved_ns=word[layout.MOVED_NS // 8],
            high_water=word[layout.HIGH_WATER // 8],
            attached_ns=word[layout.ATTACHED_NS // 8],
            closed_ns=word[layout.CLOSED_NS // 8],
            producer_pid=word[layout.PRODUCER_PID // 8],
            producer_alive=self._segment.is_locked(layout.PRODUCER_LOCK),
            heartbeat_ns=word[layout.CONSUMER_HEARTBEAT_NS // 8],
            consumer_pid=word[layout.CONSUMER_PID // 8],
            consumer_alive=self._segment.is_locked(layout.CONSUMER_LOCK),
            abandoned_ns=word[layout.ABANDONED_NS // 8],
        )

    def _check_open(self) -> None:
        if self._segment.closed:
            raise RingClosed(f"{self._segment.where} was closed by this observer", "open it again")

    def close(self) -> None:
        """Close the segment. Idempotent."""
        self._segment.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
