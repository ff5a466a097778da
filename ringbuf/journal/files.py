"""Files on the disk of a data directory: how one is replaced, and the system calls by which a disk can fail."""

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ringbuf.journal.step import Step, reached

MODE: Final = 0o600

_MAX_VECTORS = os.sysconf("SC_IOV_MAX")


@dataclass(frozen=True)
class Files:
    """The system calls by which a disk can fail; tests put others in their place. Every failure is an `OSError`."""

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

    def write(self, fd: int, content: Sequence[memoryview], position: int) -> int:
        """Write bytes at a position of a file; returns the position behind them."""
        left = [part for part in content if part.nbytes]
        while left:
            written = self.pwritev(fd, left[:_MAX_VECTORS], position)
            if written <= 0:
                raise OSError(errno.EIO, "the disk takes no bytes")
            position += written
            while left and written >= left[0].nbytes:
                written -= left.pop(0).nbytes
            if written:
                left[0] = left[0][written:]
        return position

    def replace(
        self,
        path: Path,
        contents: Iterable[Sequence[memoryview]],
        *,
        beside: Path | None = None,
        written: Step | None = None,
        named: Step | None = None,
        is_durable: bool = True,
    ) -> None:
        """Replace a file as a whole, or make it: whoever reads it finds the old one or the new one.

        If this fails, the old one is intact.

        Args:
            contents: its bytes, in pieces.
            beside: what the new one is called until it is complete; `path` with the suffix `.tmp` if not given.
            written: step reached when it is complete under that name.
            named: step reached when it has its own.
            is_durable: whether the new one, and no other, is on the disk on return. If not, losing the host may leave
                either, or nothing.
        """
        temporary = beside or path.with_suffix(".tmp")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
        try:
            position = 0
            for content in contents:
                position = self.write(fd, content, position)
            if is_durable:
                self.fsync(fd)
        finally:
            os.close(fd)
        _tell(written)
        os.replace(temporary, path)
        _tell(named)
        if is_durable:
            self.sync_directory(path.parent)


DISK: Final = Files()


def _tell(step: Step | None) -> None:
    if step is not None:
        reached(step)
