"""What a running writer says about itself: one JSON file in its directory, never older than a second."""

import json
from pathlib import Path
from typing import Any, Final

from ringbuf.errors import ConfigurationError
from ringbuf.journal.files import DISK, Files
from ringbuf.state.data_directory import DataDirectory

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
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def of_writer(directory: DataDirectory) -> dict[str, Any]:
    """What the last writer of a data directory said about itself; `sink` says which database it has.

    Raises:
        ConfigurationError: no writer ever ran on it, or somebody has altered its status so that it names no database.
    """
    found = read(directory.status)
    if found is None or not _is_sink(found.get("sink")):
        raise ConfigurationError(
            f"{directory} is no data directory of a writer: it has no intact {directory.status.name}",
            f"run `ringbuf writer --data-dir {directory}` once",
        )
    return found


def _is_sink(told: object) -> bool:
    if not isinstance(told, dict) or not all(isinstance(told.get(name), str) for name in ("kind", "database")):
        return False
    return isinstance(told.get("url"), str) or (told["kind"] != "server" and told.get("url", "") is None)
