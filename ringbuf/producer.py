"""The producer: the one writer of a ring.

An append is: stamp the record, store its bytes in the slot, store the head. No I/O, no system call, no wait. Threads of
one process share a producer through a lock that no other process knows.
"""

import os
import secrets
import socket
import threading
import time
import weakref
from typing import Any, Final, Self

import numpy as np

from ringbuf import layout, record, registry
from ringbuf.errors import (
    ConfigurationError,
    RecordError,
    RingClosed,
    RingError,
    RingForked,
    RingIncomplete,
    RingInUse,
)
from ringbuf.execution import EXECUTION
from ringbuf.schema import Schema
from ringbuf.segment import Segment, check_platform

FULL: Final = -1
"""What an append returns when the ring is full: the record was not taken, and counted as dropped."""

Record = np.ndarray[Any, np.dtype[np.void]]


class Producer:
    """The one writer of a ring. Make it with `open`.

    Attributes:
        name: name of the ring.
        schema: what its records are.
        session: the ring's identity, u64; together with a record's seq it identifies the record for ever.
        capacity: records the ring holds.
    """

    def __init__(self, name: str, segment: Segment, header: layout.Header) -> None:
        self.name = name
        self.schema = header.schema
        self.session = header.session
        self.capacity = header.capacity
        self._segment: Segment | None = segment
        self._where = segment.where
        # A map of its own open file: a map keeps a duplicate of its descriptor, and with that the lock, alive in
        # forked children, where the lock's own descriptor is closed.
        with Segment.open(segment.name, segment.where, writable=True) as mapped:
            self.memory = mapped.map(0, header.segment_size, writable=True, populate=True)
        self.cursors = memoryview(self.memory)[: layout.DESCRIPTOR].cast("Q")
        self._slots: Record = np.frombuffer(self.memory, header.schema.dtype, offset=layout.HEADER_SIZE)
        self._scratch = record.blank(header.schema)
        self._blank = record.blank(header.schema)[0]
        self._stamps = "captured_ns" in header.schema.names and header.schema.is_time("captured_ns")
        self.lock = threading.RLock()
        self.busy = False
        """Whether an append is under way; a signal handler can find it so in its own thread."""
        self._claimed: int | None = None
        self._forked = False
        self.limit = 0
        """Appends below this seq need no look at the tail; 0 sends every append to `has_room`."""
        self._attach()
        _producers.add(self)

    @classmethod
    def open(
        cls,
        name: str,
        schema: Schema = EXECUTION,
        *,
        capacity: int | None = None,
        namespace: str | None = None,
    ) -> Self:
        """Create a ring, or attach to the ring that an earlier producer of this name left: same session, seq goes on.

        A ring of another schema or capacity is not touched: it is set aside under its session's name until a writer has
        consumed it, and a new one takes its place.

        Args:
            capacity: records, a power of two. By default that of the existing ring, else 16,384.

        Raises:
            InvalidName: the name or namespace cannot be used.
            RingInUse: another producer is attached.
            RingCorrupt, RingVersion: a segment of this name exists that is no intact ring of this release.
            RingMemory: /dev/shm is full.
        """
        check_platform()
        if capacity is not None and not layout.is_capacity(capacity):
            raise ConfigurationError(
                f"capacity {capacity} is no power of two from 2 to {layout.MAX_CAPACITY}", "use for example 16384"
            )
        segment_name = registry.segment_name(name, namespace)
        while True:
            segment = Segment.open(segment_name, f"ring {name!r}", writable=True, create=True)
            try:
                header = _acquire(segment, name, schema, capacity, namespace)
                if header is not None:
                    return cls(name, segment, header)
            except BaseException:
                segment.close()
                raise
            segment.close()

    def _attach(self) -> None:
        head, tail = self.cursors[layout.HEAD // 8], self.cursors[layout.TAIL // 8]
        layout.check_cursors(head, tail, self.capacity, self._where)
        self.cursors[layout.CLAIMED // 8] = head
        self.cursors[layout.ATTACHED_NS // 8] = time.time_ns()
        self.cursors[layout.CLOSED_NS // 8] = 0
        self.cursors[layout.PRODUCER_PID // 8] = os.getpid()

    # Appending

    def append(self, values: Any = None, /, **fields: Any) -> int:
        """Append one record.

        Args:
            values: a record of the schema's dtype; its session and seq are set here, `captured_ns` if it is 0.
            fields: values by field name; what is not named is absent. Not together with `values`.

        Returns:
            The record's seq, or `FULL`.

        Raises:
            RecordError: a value cannot be stored unchanged; nothing is appended and the refusal is counted.
            RingClosed, RingForked: this producer can no longer append.
        """
        with self.lock:
            self._enter()
            try:
                self._fill_scratch(values, fields)
                seq = self.cursors[layout.HEAD // 8]
                if seq >= self.limit and not self.has_room(seq):
                    return FULL
                self._stamp(self._scratch, seq)
                self._slots[seq & (self.capacity - 1)] = self._scratch[0]
                self.cursors[layout.HEAD // 8] = seq + 1
                return seq
            except RecordError:
                self.count(layout.REJECTED)
                raise
            finally:
                self.busy = False

    def extend(self, records: Record) -> int:
        """Append many records of the schema's dtype, shape (n,).

        Returns:
            How many were taken, from the front; the others found the ring full and are counted as dropped.

        Raises:
            RecordError: the array has another dtype or shape; nothing is appended.
        """
        with self.lock:
            self._enter()
            try:
                if not isinstance(records, np.ndarray) or records.ndim != 1 or records.dtype != self.schema.dtype:
                    raise RecordError(f"extend takes a 1-d array of {self.schema.dtype}, not {_kind(records)}")
                seq = self.cursors[layout.HEAD // 8]
                self._check_usable()
                taken = min(len(records), self.capacity - (seq - self.cursors[layout.TAIL // 8]))
                self.cursors[layout.CLAIMED // 8] = seq + taken
                done = 0
                while done < taken:
                    start = (seq + done) & (self.capacity - 1)
                    step = min(taken - done, self.capacity - start)
                    slots = self._slots[start : start + step]
                    slots[:] = records[done : done + step]
                    self._stamp(slots, seq + done)
                    done += step
                self.cursors[layout.HEAD // 8] = seq + taken
                if taken < len(records):
                    self.count(layout.DROPPED, len(records) - taken)
                return taken
            finally:
                self.busy = False

    def claim(self) -> np.void | None:
        """The next slot, to be filled in place, with everything absent; then `commit()` or `abort()` it.

        Until then no other thread can append. Session, seq and (if 0) `captured_ns` are set by `commit`.

        Returns:
            A record that is a view of the ring's memory, or None when the ring is full.
        """
        self.lock.acquire()
        try:
            self._enter()
            seq = self.cursors[layout.HEAD // 8]
            if seq >= self.limit and not self.has_room(seq):
                self.busy = False
                self.lock.release()
                return None
            slot: Record = self._slots[seq & (self.capacity - 1) :][:1]
            slot[0] = self._blank
            self._claimed = seq
        except BaseException:
            self.lock.release()
            raise
        return slot[0]

    def commit(self) -> int:
        """Publish the claimed slot.

        Returns:
            The record's seq.

        Raises:
            RingError: nothing is claimed.
        """
        seq = self._end_claim()
        self._stamp(self._slots[seq & (self.capacity - 1) :][:1], seq)
        self.cursors[layout.HEAD // 8] = seq + 1
        self.busy = False
        self.lock.release()
        return seq

    def abort(self) -> None:
        """Give the claimed slot back unpublished.

        Raises:
            RingError: nothing is claimed.
        """
        self._end_claim()
        self.busy = False
        self.lock.release()

    def has_room(self, seq: int) -> bool:
        """The slow path of an append, taken when `seq` reaches `limit`: look at the tail, count what does not fit.

        Raises:
            RingClosed, RingForked: this producer can no longer append.
        """
        self._check_usable()
        self.limit = self.cursors[layout.TAIL // 8] + self.capacity
        if seq < self.limit:
            return True
        self.count(layout.DROPPED)
        return False

    def count(self, counter: int, by: int = 1) -> None:
        """Add to one of the producer's counters: `layout.DROPPED`, `REJECTED` or `FLAGGED`."""
        self.cursors[counter // 8] += by

    # What it has done

    @property
    def head(self) -> int:
        """Seq of the next record to be published."""
        return self.cursors[layout.HEAD // 8]

    @property
    def lag(self) -> int:
        """Records published and not yet acknowledged."""
        return self.cursors[layout.HEAD // 8] - self.cursors[layout.TAIL // 8]

    @property
    def dropped(self) -> int:
        """Records that found the ring full, over all producers of this session."""
        return self.cursors[layout.DROPPED // 8]

    @property
    def rejected(self) -> int:
        """Records refused because a value could not be stored, over all producers of this session."""
        return self.cursors[layout.REJECTED // 8]

    @property
    def flagged(self) -> int:
        """Records accepted with a flag, over all producers of this session."""
        return self.cursors[layout.FLAGGED // 8]

    def close(self) -> None:
        """Say goodbye in the header and let the next producer in. The ring and its records stay. Idempotent."""
        with self.lock:
            if self._segment is None:
                return
            if not self._forked:
                self.cursors[layout.CLOSED_NS // 8] = time.time_ns()
                self._segment.close()
            self._segment = None
            self.limit = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _enter(self) -> None:
        if self.busy:
            raise RingError(
                f"{self._where}: this thread is already in the middle of an append or claim",
                "commit or abort the claim first; do not append from a signal handler",
            )
        self._check_usable()
        self.busy = True

    def _end_claim(self) -> int:
        seq = self._claimed
        if seq is None:
            raise RingError(f"{self._where}: nothing is claimed", "call claim() first")
        self._claimed = None
        return seq

    def _check_usable(self) -> None:
        if self._forked:
            raise RingForked(
                f"{self._where} belongs to the parent process of {os.getpid()}",
                "open a ring of another name in the child, after the fork",
            )
        if self._segment is None:
            raise RingClosed(f"{self._where} was closed by this producer", "open it again")

    def _fill_scratch(self, values: Any, fields: dict[str, Any]) -> None:
        if values is None:
            self._scratch[0] = self._blank
            for name, value in fields.items():
                self._scratch[name] = record.encode(self.schema, name, value)
            return
        if fields:
            raise RecordError("append takes a record or fields, not both", "set the fields in the record")
        given = values if isinstance(values, np.ndarray | np.void) else None
        if given is None or given.dtype != self.schema.dtype or given.size != 1:
            raise RecordError(f"append takes one record of {self.schema.dtype}, not {_kind(values)}")
        self._scratch[0] = given if isinstance(given, np.void) else given.reshape(1)[0]

    def _stamp(self, slots: Record, seq: int) -> None:
        slots["session"] = self.session
        slots["seq"] = seq if len(slots) == 1 else np.arange(seq, seq + len(slots), dtype=np.uint64)
        if self._stamps:
            captured = slots["captured_ns"]
            captured[captured == 0] = time.time_ns()

    def _leave_to_parent(self) -> None:
        self._forked = True
        self.limit = 0
        self.lock = threading.RLock()
        if self._segment is not None:
            self._segment.close()


def _acquire(
    segment: Segment, name: str, schema: Schema, capacity: int | None, namespace: str | None
) -> layout.Header | None:
    """Take the producer's lock and make sure of the header; None if the name has meanwhile gone to another segment."""
    if segment.owner != os.geteuid():
        raise RingError(
            f"{segment.where} belongs to user id {segment.owner}, this process runs as {os.geteuid()}",
            "set RINGBUF_NAMESPACE to keep users apart",
        )
    if not segment.lock(layout.PRODUCER_LOCK):
        pid = segment.read(layout.PRODUCER_PID) if segment.size >= layout.HEADER_SIZE else 0
        raise RingInUse(
            f"{segment.where} already has a producer, process {pid}", "one producer a ring: use another name"
        )
    if not segment.is_linked():
        return None
    try:
        header = segment.header()
    except RingIncomplete:
        header = new_header(schema, capacity or layout.DEFAULT_CAPACITY)
        segment.create(header)
        return header
    if header.schema.descriptor == schema.descriptor and capacity in (None, header.capacity):
        return header
    segment.rename(registry.segment_name(registry.retired_name(name, header.session), namespace))
    return None


def new_header(schema: Schema, capacity: int) -> layout.Header:
    """The header of a new ring, with a fresh session."""
    return layout.Header(schema, capacity, secrets.randbits(64) or 1, time.time_ns(), socket.gethostname())


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray | np.void):
        return f"an array of shape {value.shape} and {value.dtype}"
    return repr(value)


_producers: weakref.WeakSet[Producer] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for producer in list(_producers):
        producer._leave_to_parent()


os.register_at_fork(after_in_child=_after_fork_in_child)
