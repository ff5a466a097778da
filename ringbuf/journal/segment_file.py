"""One segment file of a journal, as its readers see it."""

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ringbuf.errors import JournalError
from ringbuf.journal.frame import HEADER_SIZE, FrameHeader

WINDOW: Final = 1024 * 1024
"""Bytes read at once without a buffer, if the file has them."""


@dataclass(frozen=True)
class SegmentFile:
    """One file of a journal: the offset it begins at, its path and its size in bytes."""

    base: int
    path: Path
    size: int


class Buffer:
    """Memory that frames are read into, again and again: new memory for each costs the system more than reading.

    Attributes:
        free: bytes that are not yet used.
        frames: how many frames were read into it.
        is_full: whether reading has ended before a frame that did not fit.
    """

    def __init__(self, size: int) -> None:
        # Not a bytearray, which would be cleared, and so take its whole size even if little is ever read.
        self._memory = memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        self.clear()

    def clear(self) -> None:
        """Use it again from the beginning; what was read into it is gone."""
        self.free = len(self._memory)
        self.frames = 0
        self.is_full = False

    def read(self, fd: int, length: int, position: int) -> memoryview:
        """Read `length` bytes of a file, or as much as is free, or as the file has."""
        begin = len(self._memory) - self.free
        count = os.preadv(fd, [self._memory[begin : begin + min(length, self.free)]], position)
        self.free -= count
        return self._memory[begin : begin + count].toreadonly()


class Window:
    """The bytes of one segment file by journal offset, read in pieces.

    Read and not mapped: a file cut while it is mapped kills its readers (SIGBUS), and mapped bytes can change after
    their check.
    """

    def __init__(self, fd: int, base: int, buffer: Buffer | None, *, ahead: bool = True) -> None:
        self.base = base
        self._fd = fd
        self._buffer = buffer
        self._ahead = ahead
        self._begin = base
        self._bytes = memoryview(b"")

    def without_buffer(self) -> "Window":
        """The same file, to look at what is not given out."""
        return self if self._buffer is None else Window(self._fd, self.base, None)

    def without_ahead(self) -> "Window":
        """The same file, of which nothing gets into the buffer but what is asked for."""
        return self if self._buffer is None else Window(self._fd, self.base, self._buffer, ahead=False)

    def read(self, offset: int, length: int, stop: int) -> memoryview:
        """The bytes at an offset, fewer if the file ends before; `stop` is where reading ahead ends."""
        if not self._has(offset, length):
            self._begin, self._bytes = offset, self._read(offset, length, stop)
        return self._bytes[offset - self._begin : offset - self._begin + length]

    def has_room(self, header: FrameHeader) -> bool:
        """Whether a frame fits into the buffer; without one, and for the first frame, there always is room."""
        buffer = self._buffer
        if buffer is None:
            return True
        size = HEADER_SIZE + header.length
        buffer.is_full = buffer.frames > 0 and buffer.free < size and not self._has(header.offset, size)
        buffer.frames += not buffer.is_full
        return not buffer.is_full

    def _has(self, offset: int, length: int) -> bool:
        return self._begin <= offset <= offset + length <= self._begin + len(self._bytes)

    def _read(self, offset: int, length: int, stop: int) -> memoryview:
        buffer, position = self._buffer, offset - self.base
        if buffer is None:
            ahead = max(length + 2 * HEADER_SIZE, WINDOW)  # with the header of the next frame
            return memoryview(os.pread(self._fd, min(ahead, stop - offset), position))
        if buffer.free < length:
            return memoryview(os.pread(self._fd, min(length, stop - offset), position))
        return buffer.read(self._fd, stop - offset if self._ahead else length, position)


@contextmanager
def open_segment(segment: SegmentFile, buffer: Buffer | None = None) -> Iterator[tuple[Window, int]]:
    """The bytes of a segment file and the journal offset where it ends; FileNotFoundError if it was removed."""
    try:
        fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            yield Window(fd, segment.base, buffer), segment.base + os.fstat(fd).st_size
        finally:
            os.close(fd)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise JournalError(f"segment {segment.path} cannot be read: {error}", "check its owner and the disk") from error
