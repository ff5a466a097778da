"""A ring made anew by its producer, because its name was removed or leads to another file.

Without a name no writer finds the ring, and all of it is gone when the producer ends. So another file gets the name,
with the same session, the same records at the same seqs, and the same counters. What a writer that still has the old
file journals of it is what it would journal of the new one: nothing can be lost or doubled by reading both.

The name may have gone to somebody else's ring. Then the new file is called as if the ring had been set aside.
"""

import time
from typing import Self

from ringbuf.errors import RingInUse
from ringbuf.ring import layout
from ringbuf.ring.address_range import AddressRange
from ringbuf.ring.native import Cursors
from ringbuf.ring.segment import Segment, unlink


class Successor:
    """The file that takes the place of a ring's file. As a context it is copied, and discarded if it did not take over.

    Attributes:
        segment: the file, with the producer's lock taken. Nobody takes it for a ring before `take_over`.
    """

    def __init__(self, segment: Segment, header: layout.Header, shown: AddressRange, cursors: Cursors) -> None:
        self.segment = segment
        self._header = header
        self._shown = shown
        self._cursors = cursors
        self._copied_head = 0
        self._took_over = False

    @classmethod
    def reserve(cls, names: tuple[str, ...], header: layout.Header, shown: AddressRange, cursors: Cursors) -> Self:
        """Have memory under the first of these names that nobody has.

        Args:
            shown: all of the old file, in this process's memory.

        Raises:
            RingMemory: /dev/shm is full.
            RingInUse: all the names are taken.
            RingError: the operating system refuses it.
        """
        for name in names:
            segment = Segment.create_new(name, f"ring {name}")
            if segment is None:
                continue
            # Whoever opened it at this moment to make a ring of it was faster.
            if segment.lock(layout.PRODUCER_LOCK) and segment.is_linked() and segment.size == 0:
                successor = cls(segment, header, shown, cursors)
                try:
                    segment.reserve(header.segment_size)
                except BaseException:
                    successor._discard()
                    raise
                return successor
            segment.close()
        raise RingInUse(f"others have the names {' and '.join(names)}", "remove or rename what has them")

    def __enter__(self) -> Self:
        """Copy everything while appends go on. What changes meanwhile is copied by `take_over`."""
        try:
            self._copied_head = self._cursors[layout.HEAD // 8]
            self._copy(len(layout.MAGIC), self._header.segment_size)
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if not self._took_over:
            self._discard()

    def take_over(self, old: Segment) -> Segment:
        """Become the ring, while nothing is appended; from here on the old file is nobody's.

        Raises:
            RingMemory: the operating system has no room for the map; the old file still is the ring.
        """
        self._copy_what_changed()
        self._cursors[layout.MOVED_NS // 8] = time.time_ns()
        try:
            self._shown.show(self.segment)
        except BaseException:
            self._cursors[layout.MOVED_NS // 8] = 0
            raise
        self._took_over = True
        self.segment.write(layout.MAGIC, 0)
        old.close()
        return self.segment

    def _copy_what_changed(self) -> None:
        """Copy the slots written since the beginning, and the cursors."""
        capacity, size = self._header.capacity, self._header.schema.record_size
        # Behind the head may stand a record whose append was interrupted and goes on afterwards.
        end = max(self._cursors[layout.HEAD // 8] + 1, self._cursors[layout.CLAIMED // 8])
        begin = max(self._copied_head, end - capacity)
        while begin < end:
            first = begin % capacity
            count = min(end - begin, capacity - first)
            offset = layout.HEADER_SIZE + first * size
            self._copy(offset, offset + count * size)
            begin += count
        self._copy(layout.HEAD, layout.DESCRIPTOR)
        # A writer may be moving the tail: in a copy of many bytes it could come out as half the old one.
        self._store(layout.TAIL, self._cursors[layout.TAIL // 8])
        self._store(layout.RECREATED, self._cursors[layout.RECREATED // 8] + 1)

    def _copy(self, begin: int, end: int) -> None:
        with memoryview(self._shown.memory) as memory, memory[begin:end] as part:
            self.segment.write(part, begin)

    def _store(self, offset: int, value: int) -> None:
        self.segment.write(value.to_bytes(8, "little"), offset)

    def _discard(self) -> None:
        if self.segment.is_linked():
            unlink(self.segment.name, self.segment.where)
        self.segment.close()
