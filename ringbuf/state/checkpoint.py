"""What the loader must remember: how far the database has everything, and what was on its way.

One JSON file, replaced as a whole and durable before anything is sent. The intent is written before the first byte of
its batch leaves: whoever finds it after a crash knows exactly which records may, or may not, have arrived.
"""

import json
import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ringbuf.errors import JournalCorrupt, JournalFull, JournalVersion
from ringbuf.journal.step import Step, reached

VERSION: Final = 1


@dataclass(frozen=True)
class Intent:
    """A batch on its way: the journal range [begin, end) and the token of each of its inserts."""

    begin: int
    end: int
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class Checkpoint:
    """State of the loader.

    Attributes:
        destination: where the records go; a journal is loaded into one database.
        offset: journal offset below which the database has everything.
        intent: the batch that was on its way.
    """

    destination: str
    offset: int
    intent: Intent | None = None


def encode(checkpoint: Checkpoint) -> bytes:
    """The file's bytes: one line of JSON with a CRC-32 over the canonical JSON of the state."""
    state = asdict(checkpoint)
    document = {"crc": _crc(state), "state": state, "version": VERSION}
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def decode(content: bytes, where: str) -> Checkpoint:
    """Read the file's bytes.

    Raises:
        JournalCorrupt: they are damaged.
        JournalVersion: they were written by another version.
    """
    try:
        document = json.loads(content)
        version, state = int(document["version"]), document["state"]
        if version != VERSION:
            raise JournalVersion(f"{where} has version {version}, this release reads version {VERSION}")
        if document["crc"] != _crc(state):
            raise JournalCorrupt(f"{where} has CRC {document['crc']!r}, its content {_crc(state)}")
        intent = state["intent"]
        return Checkpoint(
            str(state["destination"]),
            int(state["offset"]),
            None if intent is None else Intent(int(intent["begin"]), int(intent["end"]), tuple(intent["tokens"])),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise JournalCorrupt(f"{where} cannot be read: {error!r}") from error


def load(path: Path) -> Checkpoint | None:
    """The state in a file, None if there is none yet.

    Raises:
        JournalCorrupt, JournalVersion: see `decode`.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return decode(content, str(path))


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the state; it is durable on return.

    Raises:
        JournalFull: the disk refuses it; the former state is intact.
    """
    temporary = path.with_suffix(".tmp")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(encode(checkpoint))
            file.flush()
            os.fsync(file.fileno())
        reached(Step.STATE_WRITTEN)
        os.replace(temporary, path)
        reached(Step.STATE_NAMED)
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise JournalFull(f"{path} cannot be written: {error}", "free space; the loader goes on then") from error


def _crc(state: dict[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(state, separators=(',', ':'), sort_keys=True).encode()):08x}"
