"""What a running writer says about itself: one JSON file in its directory, never older than a second."""

import errno
import json
import os
from pathlib import Path
from typing import Any, Final

INTERVAL_SECONDS: Final = 0.5
REFRESH_NS: Final = 900_000_000
"""So that nothing in the file is ever older than about a second while the writer lives."""


class StatusFile:
    """The status file of a writer."""

    def __init__(self, path: Path) -> None:
        self._path, self._temporary = str(path), str(path.with_suffix(".tmp"))
        self._written: dict[str, Any] = {"updated_ns": 0}

    def show(self, status: dict[str, Any]) -> None:
        """Replace the status as a whole, so that readers see the old one or the new one.

        One that only says once more what is there is written when that is `REFRESH_NS` old: to replace a file is the
        most expensive thing an idle writer does.

        Raises:
            OSError: the disk refuses it.
        """
        written_ns = self._written["updated_ns"]
        is_old = not written_ns <= status["updated_ns"] < written_ns + REFRESH_NS
        if is_old or status | {"updated_ns": written_ns} != self._written:
            self._replace(json.dumps(status).encode())
            self._written = status

    def _replace(self, content: bytes) -> None:
        fd = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            written = os.write(fd, content)
        finally:
            os.close(fd)
        if written < len(content):
            raise OSError(errno.ENOSPC, f"{written} of {len(content)} bytes written")
        os.replace(self._temporary, self._path)


def read(path: Path) -> dict[str, Any] | None:
    """The last status of a writer, None if there is none or it cannot be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
