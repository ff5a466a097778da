"""The writer's directory: what is in it, and whose it is at the moment."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from ringbuf.errors import ConfigurationError, JournalInUse

LOCK_NAME: Final = "writer.lock"


class DataDirectory:
    """A data directory held by this process. Make it with `open`.

    Attributes:
        path: the directory, mode 0700 if it was made here.
        journal, embedded: its folders for segments and for the embedded database.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.journal = path / "journal"
        self.embedded = path / "clickhouse"
        self._lock = lock

    @classmethod
    def open(cls, path: Path) -> Self:
        """Make the directory if needed and take its lock, which dies with the process.

        Raises:
            ConfigurationError: it cannot be made or written.
            JournalInUse: another writer holds it.
        """
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigurationError(
                f"data directory {path} cannot be used: {error.strerror}", "give a directory that this user can write"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise JournalInUse(
                f"data directory {path} is held by another writer, process {pid}",
                "stop that one first, or give this one another --data-dir",
            ) from error
        with suppress(OSError):  # a full disk must not keep out who could empty it
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return cls(path, lock)

    def close(self) -> None:
        """Let another writer in."""
        os.close(self._lock)
