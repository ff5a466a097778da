"""The segment file that is being appended to, and the system calls its disk can fail."""

import errno
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ringbuf.journal.frame import segment_file_name
from ringbuf.journal.step import Step, reached

NEW_SEGMENT: Final = "segment.new"
MODE: Final = 0o600
PIECE: Final = 1024 * 1024

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

    def __init__(self, path: Path, fd: int, base: int, end: int, files: Files) -> None:
        self.base = base
        self.end = end
        self._path = path
        self._fd = fd
        self._files = files

    @classmethod
    def create(cls, directory: Path, base: int, content: Sequence[memoryview], files: Files) -> Self:
        """Make a durable segment with some content; it gets its name when it is complete."""
        return cls._make(directory, base, [content], files)

    @classmethod
    def _make(cls, directory: Path, base: int, contents: Iterable[Sequence[memoryview]], files: Files) -> Self:
        path = directory / NEW_SEGMENT
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
        segment = cls(directory / segment_file_name(base), fd, base, base, files)
        try:
            for content in contents:
                segment.write(content)
            files.fsync(fd)
            reached(Step.SEGMENT_WRITTEN)
            path.rename(segment._path)
            reached(Step.SEGMENT_NAMED)
            files.sync_directory(directory)
        except OSError:
            segment.close()
            raise
        return segment

    @classmethod
    def reopen(cls, path: Path, base: int, end: int, files: Files) -> Self:
        """Go on with a segment behind its last frame."""
        return cls(path, os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW), base, end, files)

    @property
    def has_its_name(self) -> bool:
        """Whether its name leads to the very file that is written."""
        try:
            return os.path.samestat(os.stat(self._path, follow_symlinks=False), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    @property
    def size(self) -> int:
        """Bytes of the file; those of the segment, unless somebody else wrote into it too."""
        return os.fstat(self._fd).st_size

    def put_back(self) -> Self:
        """The same segment, durable, in a new file of its name: one that was removed cannot have its name again.

        What has the name meanwhile is kept beside it.
        """
        directory = self._path.parent
        self._files.make_directory(directory)
        if self._path.exists():
            self._path.rename(self._path.with_name(f"{self._path.name}.replaced-{time.time_ns()}"))
        size = self.end - self.base
        contents = ([memoryview(os.pread(self._fd, min(PIECE, size - at), at))] for at in range(0, size, PIECE))
        return self._make(directory, self.base, contents, self._files)

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
