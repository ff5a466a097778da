"""What a running writer says about itself: one JSON file in its directory, never older than a second."""

import json
from pathlib import Path
from typing import Any, Final

from ringbuf.journal.files import DISK, Files

INTERVAL_SECONDS: Final = 0.5
REFRESH_NS: Final = 900_000_000
"""So that nothing in the file is ever older than about a second while the writer lives."""


class StatusFile:
    """The status file of a writer."""

    def __init__(self, path: Path, files: Files = DISK) -> None:
        self._path = path
        self._files = files
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
            self._files.replace(self._path, [[memoryview(json.dumps(status).encode())]], is_durable=False)
            self._written = status


def read(path: Path) -> dict[str, Any] | None:
    """The last status of a writer, None if there is none or it cannot be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def sink_of(found: dict[str, Any]) -> dict[str, Any] | None:
    """What a status says of the database; None if somebody has altered it so that it names none."""
    told = found.get("sink")
    if not isinstance(told, dict) or not all(isinstance(told.get(name), str) for name in ("kind", "database")):
        return None
    has_url = isinstance(told.get("url"), str) or (told["kind"] != "server" and told.get("url", "") is None)
    return told if has_url else None
