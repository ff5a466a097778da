"""The lock of a data directory: one writer at a time works there."""

import fcntl
import os
from contextlib import suppress
from typing import Self

from ringbuf.errors import ConfigurationError, JournalInUse
from ringbuf.state.data_directory import DataDirectory


class WriterLock:
    """The lock, held by this process. Make it with `take`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, directory: DataDirectory) -> Self:
        """Make the directory if needed, mode 0700, and take its lock, which dies with the process.

        Raises:
            ConfigurationError: it cannot be made or written.
            JournalInUse: another writer holds it.
        """
        try:
            directory.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(directory.writer_lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigurationError(
                f"data directory {directory} cannot be used: {error.strerror}",
                "give a directory that this user can write",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise JournalInUse(
                f"data directory {directory} is held by another writer, process {pid}",
                "stop that one first, or give this one another --data-dir",
            ) from error
        with suppress(OSError):  # a full disk must not keep out who could empty it
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor)

    def close(self) -> None:
        """Let another writer in."""
        os.close(self._descriptor)
