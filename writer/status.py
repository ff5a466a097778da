"""What a running writer says about itself: one JSON file in its directory, replaced twice a second."""

import json
import os
from pathlib import Path
from typing import Any, Final

FILE_NAME: Final = "status.json"
INTERVAL_SECONDS: Final = 0.5


def write(directory: Path, status: dict[str, Any]) -> None:
    """Replace the status as a whole; readers see the old one or the new one.

    Raises:
        OSError: the disk refuses it.
    """
    path = directory / FILE_NAME
    temporary = path.with_suffix(".tmp")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(status, file)
    os.replace(temporary, path)


def read(directory: Path) -> dict[str, Any] | None:
    """The last status of the writer of this directory, None if there is none or it cannot be read."""
    try:
        found = json.loads((directory / FILE_NAME).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
