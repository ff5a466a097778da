"""A disk below a journal that fails when a test wants it to."""

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence

from ringbuf.journal.files import Files


class Killed(BaseException):
    """In place of a SIGKILL, at a call of the system."""


class FailingDisk(ABC):
    """Asks `failure` before each call, by its name, and raises what it gives. It never waits for a real sync.

    Attributes:
        files: what a journal is opened with.
        written: bytes that a write has written when it fails.
        unsynced: writes since the last sync.
    """

    def __init__(self, written: int = 0) -> None:
        self.written = written
        self.unsynced = 0
        self.files = Files(self._pwritev, self._ftruncate, self._fdatasync, self._fsync)

    @abstractmethod
    def failure(self, call: str) -> BaseException | None:
        """What `pwritev`, `ftruncate`, `fdatasync` or `fsync` fails with now; None if it succeeds."""

    def _pwritev(self, fd: int, content: Sequence[memoryview], position: int) -> int:
        self.unsynced += 1
        if failure := self.failure("pwritev"):
            os.pwrite(fd, b"".join(content)[: self.written], position)
            raise failure
        return os.pwritev(fd, content, position)

    def _ftruncate(self, fd: int, length: int) -> None:
        self._check("ftruncate")
        os.ftruncate(fd, length)

    def _fdatasync(self, _: int) -> None:
        self._check("fdatasync")
        self.unsynced = 0

    def _fsync(self, _: int) -> None:
        self._check("fsync")
        self.unsynced = 0

    def _check(self, call: str) -> None:
        if failure := self.failure(call):
            raise failure


def refusal(number: int = errno.EIO) -> OSError:
    """What the system answers when a disk refuses a call."""
    return OSError(number, os.strerror(number))
