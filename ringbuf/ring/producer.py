"""The producer: the one writer of a ring.

An append is: stamp the record, store its bytes in the slot, store the head. No I/O, no system call, no wait. Threads of
one process share a producer through a lock that no other process knows.
"""

import os
import threading
import time
from typing import Any, Final, Self

import numpy as np

from ringbuf.errors import RecordError, RingClosed, RingError, RingForked
from ringbuf.record import value as record
from ringbuf.record.execution import EXECUTION
from ringbuf.record.schema import Schema
from ringbuf.ring import layout, name_watch, registry
from ringbuf.ring.address_range import AddressRange
from ringbuf.ring.arrays import Record, check_records, one_record, set_fields, whole
from ringbuf.ring.attachment import attach
from ringbuf.ring.native import AppendState, cursors, thread_lock
from ringbuf.ring.recreation import Successor
from ringbuf.ring.segment import Segment, keep_from_children, keep_in_memory

FULL: Final = -1
"""What an append returns when the ring is full: the record was not taken, and counted as dropped."""

_HEAD: Final = layout.HEAD // 8
_TAIL: Final = layout.TAIL // 8
_CLAIMED: Final = layout.CLAIMED // 8
_U64: Final = (1 << 64) - 1


class Producer(AppendState):
    """The one writer of a ring. Make it with `open`.

    Attributes:
        name: name of the ring.
        schema: what its records are.
        session: the ring's identity, u64; together with a record's seq it identifies the record for ever.
        capacity: records the ring holds.
        memory_locked: whether its memory is locked, so that no append ever waits for a page. It is there when the ring
            is opened in any case; without the lock a host that is short of memory may page it out.
    """

    def __init__(self, name: str, segment: Segment, header: layout.Header) -> None:
        self.name = name
        self.schema = header.schema
        self.session = header.session
        self.capacity = header.capacity
        self._header = header
        self._names = segment.name, registry.retired_name(segment.name, header.session)
        self._naming = threading.RLock()
        self._where = segment.where
        self._range = AddressRange(segment, header.segment_size)
        self.memory = self._range.memory
        self.memory_locked = keep_in_memory(self.memory)
        self.cursors = cursors(self.memory)
        self._slots: Record = np.frombuffer(self.memory, header.schema.dtype, offset=layout.HEADER_SIZE)
        self._raw_slots = whole(self._slots)
        self._scratch = record.blank(header.schema)
        self._raw_scratch = whole(self._scratch)
        self._blank = whole(record.blank(header.schema))[0]
        self._stamps = "captured_ns" in header.schema.names and header.schema.is_time("captured_ns")
        self.lock = thread_lock()
        self.busy = False
        self._claim: tuple[int, int] | None = None  # seq and thread
        self._forked = False
        self.limit = 0
        self.clear_below = 0
        self._attach()
        self._segment: Segment | None = segment
        keep_from_children(self)
        name_watch.watch(self)

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
            ConfigurationError: the capacity or the processor cannot be used.
            SchemaError: the schema has too many fields for a ring.
            RingInUse: another producer is attached.
            RingCorrupt, RingVersion: a segment of this name exists that is no intact ring of this release.
            RingMemory: /dev/shm is full, or the ring cannot be mapped.
            RingError: the ring belongs to another user, or the operating system refuses it.
        """
        segment, header = attach(name, schema, capacity, namespace)
        try:
            return cls(name, segment, header)
        except BaseException:
            segment.close()
            raise

    def _attach(self) -> None:
        head, claimed = self.cursors[_HEAD], self.cursors[_CLAIMED]
        layout.check_cursors(head, self.cursors[_TAIL], self.capacity, self._where)
        if not head <= claimed <= head + self.capacity:  # else a bulk append died having written some of those slots
            self.cursors[_CLAIMED] = head
        if self.cursors[layout.ATTACHED_NS // 8]:  # else all of it is as new, and zero
            self.mark_dirty(head)
        self.cursors[layout.ATTACHED_NS // 8] = time.time_ns()
        self.cursors[layout.CLOSED_NS // 8] = 0
        self.cursors[layout.PRODUCER_PID // 8] = os.getpid()

    # Appending

    def append(self, values: Any = None, /, **fields: Any) -> int:
        """Append one record.

        Args:
            values: a record of the schema's dtype; its session and seq are set here, `captured_ns` if it is 0.
            fields: values by field name, as `record.encode` takes them; what is not named is absent. Not together with
                `values`.

        Returns:
            The record's seq, or `FULL`.

        Raises:
            RecordError: a value cannot be stored unchanged; nothing is appended and the refusal is counted.
            RingClosed, RingForked: this producer can no longer append.
        """
        with self.lock:
            busy = self.busy
            try:
                self._enter()
                if values is None:
                    self._raw_scratch[0] = self._blank
                    set_fields(self._scratch, fields, self.schema)
                else:
                    self._scratch[0] = one_record(values, fields, self.schema)
                seq = self.cursors[_HEAD]
                if seq >= self.limit and not self.has_room(seq):
                    return FULL
                self._stamp(self._scratch, seq)
                self.mark_dirty(seq + 1)
                self._raw_slots[seq & (self.capacity - 1)] = self._raw_scratch[0]
                self.cursors[_HEAD] = seq + 1
                return seq
            except RecordError:
                self.count(layout.REJECTED)
                raise
            finally:
                self.busy = busy

    def extend(self, records: Record) -> int:
        """Append many records of the schema's dtype, shape (n,).

        Returns:
            How many were taken, from the front; the others found the ring full and are counted as dropped.

        Raises:
            RecordError: the array has another dtype or shape; nothing is appended and the refusal is counted.
            RingClosed, RingForked: this producer can no longer append.
        """
        with self.lock:
            busy = self.busy
            try:
                self._enter()
                check_records(records, self.schema)
                seq = self.cursors[_HEAD]
                taken = min(len(records), self.capacity - (seq - self.cursors[_TAIL]))
                self.cursors[_CLAIMED] = max(seq + taken, self.cursors[_CLAIMED])
                self.mark_dirty(seq + taken)
                done = 0
                while done < taken:
                    start = (seq + done) & (self.capacity - 1)
                    step = min(taken - done, self.capacity - start)
                    slots = self._slots[start : start + step]
                    self._raw_slots[start : start + step] = b""  # the next line leaves the bytes between fields alone
                    slots[:] = records[done : done + step]
                    self._stamp(slots, seq + done)
                    done += step
                self.cursors[_HEAD] = seq + taken
                if taken < len(records):
                    self.count(layout.DROPPED, len(records) - taken)
                return taken
            except RecordError:
                self.count(layout.REJECTED, np.size(records))
                raise
            finally:
                self.busy = busy

    def claim(self) -> np.void | None:
        """The next slot, to be filled in place, with everything absent; then `commit()` or `abort()` it.

        Until then no other thread can append. Session, seq and (if 0) `captured_ns` are set by `commit`. numpy stores
        what is assigned as it can: it shortens text and wraps integers, without a word.

        Returns:
            A record that is a view of the ring's memory, or None when the ring is full.

        Raises:
            RingError: this thread has already claimed a slot.
            RingClosed, RingForked: this producer can no longer append.
        """
        with self.lock:
            busy = self.busy
            try:
                self._enter()
                seq = self.cursors[_HEAD]
                if seq >= self.limit and not self.has_room(seq):
                    return None
                self.mark_dirty(seq + 1)
                index = seq & (self.capacity - 1)
                self._raw_slots[index] = self._blank
                view: np.void = self._slots[index]
                self._claim = seq, threading.get_ident()
                self.lock.acquire()  # once more: held until the commit or abort
                return view
            finally:
                self.busy = busy or self._claim is not None

    def commit(self) -> int:
        """Publish the claimed slot.

        Returns:
            The record's seq.

        Raises:
            RingError: this thread has claimed nothing.
            RingClosed, RingForked: this producer can no longer append; the claim is void.
        """
        seq = self._claimed_seq()
        self._stamp(self._slots[seq & (self.capacity - 1) :][:1], seq)
        self.cursors[_HEAD] = seq + 1
        self._end_claim()
        return seq

    def abort(self) -> None:
        """Give the claimed slot back unpublished; errors are those of `commit`."""
        self._claimed_seq()
        self._end_claim()

    def has_room(self, seq: int) -> bool:
        """The slow path of an append, taken when `seq` reaches `limit`: look at the tail, count what does not fit.

        Raises:
            RingClosed, RingForked: this producer can no longer append.
        """
        self._check_usable()
        self.limit = min(self.cursors[_TAIL] + self.capacity, _U64)
        if seq < self.limit:
            return True
        self.count(layout.DROPPED)
        return False

    def mark_dirty(self, end: int) -> None:
        """Note that records below this seq write, or may have written, into the rear of their slots."""
        self.clear_below = max(self.clear_below, min(end + self.capacity, _U64))

    def count(self, counter: int, by: int = 1) -> None:
        """Add to one of the producer's counters: `layout.DROPPED`, `REJECTED` or `FLAGGED`."""
        self.cursors[counter // 8] = (self.cursors[counter // 8] + by) & _U64

    # What it has done

    @property
    def head(self) -> int:
        """Seq of the next record to be published."""
        return self.cursors[_HEAD]

    @property
    def lag(self) -> int:
        """Records published and not yet acknowledged."""
        return self.cursors[_HEAD] - self.cursors[_TAIL]

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
        """Say goodbye in the header and let the next producer in. The ring and its records stay. Idempotent.

        A claim of this thread is given up; that of another thread is waited for.
        """
        with self.lock:
            if self._claim is not None:
                self._end_claim()
        name_watch.look(self)
        with self.lock:
            if self._segment is None:
                return
            segment, self._segment = self._segment, None
            self.limit = 0  # no append gets through from here on, also of a thread that runs while the lock is let go
            name_watch.unwatch(self)
            if not self._forked:
                self.cursors[layout.CLOSED_NS // 8] = time.time_ns()
                segment.close()

    def ensure_named(self) -> bool:
        """Make sure that the ring's name leads to its file; if it does not, make the ring anew with all that is in it.

        `ringbuf.ring.name_watch` does so about once a second, and `close` for the last time.

        Returns:
            Whether the ring was made anew.

        Raises:
            RingError: it cannot be made; appends go on, and the next look tries again.
        """
        with self._naming:
            segment = self._segment
            if segment is None or self._forked or segment.is_linked():
                return False
            with Successor.reserve(self._names, self._header, self._range, self.cursors) as successor, self.lock:
                if self._segment is not segment:
                    return False  # closed by a signal handler
                self.limit = 0  # no append gets past this thread's lock from here on
                self._segment = successor.take_over(segment)
                self.memory_locked = keep_in_memory(self.memory)
                return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        """Lost without `close`: the ring stays all the same."""
        if getattr(self, "_segment", None) is not None:
            name_watch.look(self)

    def _enter(self) -> None:
        if self.busy:
            raise RingError(
                f"{self._where}: this thread is already in the middle of an append or claim",
                "commit or abort the claim first; do not append from a signal handler",
            )
        self._check_usable()
        self.busy = True

    def _claimed_seq(self) -> int:
        self._check_usable()
        if self._claim is None or self._claim[1] != threading.get_ident():
            raise RingError(f"{self._where}: this thread has claimed nothing", "call claim() first")
        return self._claim[0]

    def _end_claim(self) -> None:
        self._claim = None
        self.busy = False
        self.lock.release()

    def _check_usable(self) -> None:
        if self._forked:
            raise RingForked(
                f"{self._where} belongs to the parent process of {os.getpid()}",
                "open a ring of another name in the child, after the fork",
            )
        if self._segment is None:
            raise RingClosed(f"{self._where} was closed by this producer", "open it again")

    def _stamp(self, slots: Record, seq: int) -> None:
        slots["session"] = self.session
        slots["seq"] = seq if len(slots) == 1 else np.arange(seq, seq + len(slots), dtype=np.uint64)
        if self._stamps:
            captured = slots["captured_ns"]
            captured[captured == 0] = time.time_ns()

    def leave_to_parent(self) -> None:
        """Become unusable, in a forked child: the ring is the parent's."""
        self._forked = True
        self.limit = 0
        self.lock = thread_lock()
        self._naming = threading.RLock()
        self.busy = False
        self._claim = None
        if self._segment is not None:
            self._segment.close()
