"""The segment file that is being appended to, and the system calls its disk can fail."""

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ringbuf.journal.frame import segment_file_name
from ringbuf.journal.step import Step, reached

NEW_SEGMENT: Final = "segment.new"
MODE: Final = 0o600

_MAX_VECTORS = os.sysconf("SC_IOV_MAX")


@dataclass(frozen=True)
class Files:
    """The system calls a disk can fail; tests put others in their place."""

    pwritev: Callable[[int, Sequence[memoryview], int], int] = os.pwritev
    ftruncate: Callable[[int, int], None] = os.ftruncate
    fdatasync: Callable[[int], None] = os.fdatasync
    fsync: Callable[[int], None] = os.fsync

    def make_directory(self, directory: Path) -> None:
        """Make a directory (0700), and those above it, if need be; durable on return."""
        if not directory.is_dir():
            self.make_directory(directory.parent)
            directory.mkdir(mode=0o700)
            self.sync_directory(directory.parent)

    def sync_directory(self, directory: Path) -> None:
        """Make the names in a directory durable."""
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.fsync(fd)
        finally:
            os.close(fd)


DISK: Final = Files()


class SegmentAppender:
    """One open segment file. Every failure is an `OSError`.

    Attributes:
        base: journal offset the segment begins at.
        end: journal offset of the next frame.
    """

    def __init__(self, fd: int, base: int, end: int, files: Files) -> None:
        self.base = base
        self.end = end
        self._fd = fd
        self._files = files

    @classmethod
    def create(cls, directory: Path, base: int, content: Sequence[memoryview], files: Files) -> Self:
        """Make a durable segment with some content; it gets its name when it is complete."""
        path = directory / NEW_SEGMENT
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
        segment = cls(fd, base, base, files)
        try:
            segment.write(content)
            files.fsync(fd)
            reached(Step.SEGMENT_WRITTEN)
            path.rename(directory / segment_file_name(base))
            reached(Step.SEGMENT_NAMED)
            files.sync_directory(directory)
        except OSError:
            segment.close()
            raise
        return segment

    @classmethod
    def reopen(cls, path: Path, base: int, end: int, files: Files) -> Self:
        """Go on with a segment behind its last frame."""
        return cls(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW), base, end, files)

    def write(self, content: Sequence[memoryview]) -> None:
        """Write bytes at the end; if that fails, the end stays where it was, with a part of the bytes behind it."""
        left, end = list(content), self.end
        while left:
            written = self._files.pwritev(self._fd, left[:_MAX_VECTORS], end - self.base)
            if written <= 0:
                raise OSError(errno.EIO, "the disk takes no bytes")
            end += written
            while left and written >= left[0].nbytes:
                written -= left.pop(0).nbytes
            if written:
                left[0] = left[0][written:]
        self.end = end

    def cut(self, end: int) -> None:
        """Cut off what is behind a journal offset."""
        self._files.ftruncate(self._fd, end - self.base)
        self.end = end

    def sync(self) -> None:
        """Make durable what was written."""
        self._files.fdatasync(self._fd)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
