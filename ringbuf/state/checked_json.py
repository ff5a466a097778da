"""JSON that is noticed when it is damaged: beside what it says stands the CRC-32 of that."""

import json
import zlib
from typing import Any

from ringbuf.errors import JournalCorrupt, JournalVersion


def crc(content: Any) -> str:
    """CRC-32, in hexadecimal, of what a value is as compact JSON with sorted keys."""
    return f"{zlib.crc32(compact(content)):08x}"


def compact(content: Any) -> bytes:
    """A value as JSON: compact, with sorted keys."""
    return json.dumps(content, separators=(",", ":"), sort_keys=True).encode()


def encode_state(state: Any, version: int) -> bytes:
    """The bytes of a file that holds one state: a line with its version and its CRC-32."""
    return compact({"crc": crc(state), "state": state, "version": version}) + b"\n"


def decode_state(content: bytes, where: str, versions: tuple[int, ...]) -> Any:
    """The state in such bytes.

    Args:
        where: what messages call the file.
        versions: those that can be read.

    Raises:
        JournalCorrupt: they are damaged.
        JournalVersion: they were written by a later release.
    """
    try:
        document = json.loads(content)
        version, state = int(document["version"]), document["state"]
        if version not in versions:
            raise JournalVersion(
                f"{where} has version {version}, this release reads versions {versions[0]} to {versions[-1]}"
            )
        if document["crc"] != crc(state):
            raise JournalCorrupt(f"{where} has CRC {document['crc']!r}, its content {crc(state)}")
        return state
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise JournalCorrupt(f"{where} cannot be read: {error!r}") from error
