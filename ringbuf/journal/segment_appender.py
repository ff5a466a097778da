"""The segment file that is being appended to."""

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Self

from ringbuf.journal.files import Files
from ringbuf.journal.frame import segment_file_name
from ringbuf.journal.step import Step

NEW_SEGMENT: Final = "segment.new"
PIECE: Final = 1024 * 1024


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
        path = directory / segment_file_name(base)
        written, named = Step.SEGMENT_WRITTEN, Step.SEGMENT_NAMED
        files.replace(path, contents, beside=directory / NEW_SEGMENT, written=written, named=named)
        return cls.reopen(path, base, base + path.stat().st_size, files)

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
        self.end = self.base + self._files.write(self._fd, content, self.end - self.base)

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
