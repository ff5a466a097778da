"""A file that one process at a time has locked, until it closes the file or ends, however it ends.

Two locks of the kernel on the same file, since each can do what the other cannot: flock(2) keeps others out, also other
parts of this process, and the record lock of fcntl(2) tells who has it, without taking it. That one is lost when the
process closes any descriptor of the file; hence the list of what this process has locked.
"""

import fcntl
import os
import struct
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

UNKNOWN: Final = 0
"""The holder cannot be seen from here: it is a process of another container."""
_FLOCK = struct.Struct("hhqqi4x")  # struct flock of Linux on 64 bits: type, whence, start, length, pid
_held: set[tuple[int, int]] = set()


class LockFile:
    """A lock held by this process. Make it with `take`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._identity = _identity(os.fstat(descriptor))
        self._folder = _identity(os.stat(path.parent))
        self._keeping = threading.Lock()

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Take the lock, making the file if needed, mode 0600; None if somebody else has it, or this process.

        Raises:
            OSError: the file cannot be made or opened.
        """
        if _is_ours(path):
            return None
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _lock(descriptor):
            os.close(descriptor)
            return None
        taken = cls(path, descriptor)
        _held.add(taken._identity)
        return taken

    def keep(self) -> bool:
        """Make sure that the name still leads to the locked file; if that was removed, lock a new one.

        Returns:
            False if it cannot be: the directory is gone or another one, or another file has the name, which may be
            somebody else's lock.
        """
        with self._keeping:
            try:
                return _identity(os.stat(self._path)) == self._identity
            except FileNotFoundError:
                return self._lock_new_file()
            except OSError:
                return False

    def _lock_new_file(self) -> bool:
        try:
            if _identity(os.stat(self._path.parent)) != self._folder:
                return False
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            return False
        if not _lock(descriptor):  # somebody was faster
            os.close(descriptor)
            return False
        self.close()
        self._descriptor, self._identity = descriptor, _identity(os.fstat(descriptor))
        _held.add(self._identity)
        return True

    def close(self) -> None:
        """Let others in."""
        _held.discard(self._identity)
        os.close(self._descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    with suppress(OSError):  # on a file system where the two are one, nobody tells who has it
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return True


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
