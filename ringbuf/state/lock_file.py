"""A file that one process at a time has locked, until it closes the file or ends, however it ends.

Two locks of the kernel on the same file, since each can do what the other cannot: flock(2) keeps others out, also other
parts of this process, and the record lock of fcntl(2) tells who has it, without taking it. That one is lost when the
process closes any descriptor of the file; hence the list of what this process has locked.
"""

import fcntl
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

UNKNOWN: Final = 0
"""The holder cannot be seen from here: it is a process of another container."""
_FLOCK = struct.Struct("hhqqi4x")  # struct flock of Linux on 64 bits: type, whence, start, length, pid
_held: set[tuple[int, int]] = set()


class LockFile:
    """A lock held by this process. Make it with `take`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._identity = _identity(os.fstat(descriptor))

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Take the lock, making the file if needed, mode 0600; None if somebody else has it, or this process.

        Raises:
            OSError: the file cannot be made or opened.
        """
        if _is_ours(path):
            return None
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        with suppress(OSError):  # on a file system where the two are one, nobody tells who has it
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        taken = cls(descriptor)
        _held.add(taken._identity)
        return taken

    def close(self) -> None:
        """Let others in."""
        _held.discard(self._identity)
        os.close(self._descriptor)


def holder(path: Path) -> int | None:
    """The process id of who has a lock, `UNKNOWN` if it cannot be seen from here, None if nobody has it."""
    if _is_ours(path):
        return os.getpid()
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        found = fcntl.fcntl(descriptor, fcntl.F_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    finally:
        os.close(descriptor)
    kind, _, _, _, pid = _FLOCK.unpack(found)
    return None if kind == fcntl.F_UNLCK else max(int(pid), UNKNOWN)


def _is_ours(path: Path) -> bool:
    try:
        return _identity(os.stat(path)) in _held
    except FileNotFoundError:
        return False


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
