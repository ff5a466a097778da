"""What the disk takes of the journal.

The journal does not take the last of its disk. If it did, in a long outage, the loader could not write its state, so it
could not load, so nothing could ever be deleted.
"""

import os
import time
from pathlib import Path
from typing import Final

from ringbuf.errors import JournalFull

RESERVED_BYTES: Final = 4 * 1024 * 1024
"""Bytes of the journal's disk that the journal itself does not take."""
ENOUGH_BYTES: Final = 128 * 1024
"""Bytes beyond them for which a frame is worth while."""
RECKON_SECONDS: Final = 0.1
"""The disk is asked for its free bytes so often at most; in between what is journaled is counted."""


class DiskSpace:
    """Free bytes of the disk that a journal is on, beyond those that it leaves to the loader."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._free = 0  # to be believed
        self._free_until = 0.0  # until then

    def reckon(self) -> None:
        """Begin a cycle: ask the disk again if the last answer is old."""
        if time.monotonic() >= self._free_until:
            self._free = 0

    def ask(self) -> int:
        """Bytes that the journal may take now.

        Raises:
            JournalFull: none that are worth while, or the disk fails.
        """
        if self._free < ENOUGH_BYTES:
            self._free = self._ask_disk()
            self._free_until = time.monotonic() + RECKON_SECONDS
        return self._free

    def take(self, taken: int) -> None:
        """Count bytes that were journaled."""
        self._free -= taken

    def _ask_disk(self) -> int:
        try:
            free = free_bytes(self._directory)
        except OSError as error:
            raise JournalFull(f"the disk of journal {self._directory} fails: {error}", "mend it") from error
        if free < RESERVED_BYTES + ENOUGH_BYTES:
            raise JournalFull(
                f"journal {self._directory} goes no further: {free} bytes are free on its disk, and"
                f" {RESERVED_BYTES} of them are kept for the loader",
                "free space on its disk, or get the database to work; writing goes on by itself",
            )
        return free - RESERVED_BYTES


def free_bytes(directory: Path) -> int:
    """Bytes that this user can still write on the disk of a directory."""
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize
