"""What a strategy knows to have recorded, kept independently of the product.

An append-only file per ring, written without a sync before and after each append, so that it survives a SIGKILL of the
strategy: an append that has begun there and not ended may, or may not, have taken place.
"""

import os
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Self

from tests.recorded import COMPARED

_ENTRY: Final = struct.Struct("<c7xqq8s")  # divides a page, so a kill leaves no half of one
_SESSION: Final = b"S"
_BEGUN: Final = b"B"
_ENDED: Final = b"E"
NO_DIGEST: Final = bytes(8)

Values = Mapping[str, Any]


def digest(values: Iterable[Any]) -> bytes:
    """Hash of a record's values, in the order of `COMPARED`."""
    return blake2b(repr(tuple(values)).encode(), digest_size=8).digest()


class TruthLog:
    """The append side.

    Attributes:
        begun: appends begun so far, over all runs of the strategy.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.begun = sum(kind == _BEGUN for kind, _, _, _ in _ENTRY.iter_unpack(path.read_bytes()))

    def note_session(self, session: int) -> None:
        """The records to come are of this session."""
        self._write(_SESSION, session - (1 << 63), 0, NO_DIGEST)

    def begin(self, values: Values) -> None:
        """A record is about to be appended."""
        self._write(_BEGUN, self.begun, 0, digest(values[name] for name in COMPARED))
        self.begun += 1

    def end(self, seq: int) -> None:
        """The append has returned."""
        self._write(_ENDED, self.begun - 1, seq, NO_DIGEST)

    def _write(self, kind: bytes, number: int, seq: int, content: bytes) -> None:
        entry = _ENTRY.pack(kind, number, seq, content)
        assert os.write(self._fd, entry) == len(entry), "the disk of the logs is full"


@dataclass
class Truth:
    """What a ring's log says.

    Attributes:
        session: of the ring.
        accepted: digest of each record by its seq.
        doubtful: digests of appends that did not return, by the seq the next record after the last known one would
            have; several if the strategy was killed several times in a row.
        full: appends that found the ring full.
    """

    session: int
    accepted: dict[int, bytes] = field(default_factory=dict)
    doubtful: dict[int, list[bytes]] = field(default_factory=dict)
    full: int = 0

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a log."""
        sessions: set[int] = set()
        truth = cls(0)
        begun: bytes | None = None
        following = 0
        for kind, number, seq, content in _ENTRY.iter_unpack(path.read_bytes()):
            if kind == _ENDED:
                assert begun is not None, "an append ended that had not begun"
                if seq < 0:
                    truth.full += 1
                else:
                    truth.accepted[seq] = begun
                    following = seq + 1
                begun = None
                continue
            if begun is not None:
                truth.doubtful.setdefault(following, []).append(begun)
            begun = content if kind == _BEGUN else None
            if kind == _SESSION:
                sessions.add(number + (1 << 63))
        if begun is not None:
            truth.doubtful.setdefault(following, []).append(begun)
        assert len(sessions) == 1, f"the ring of {path.name} had {len(sessions)} sessions"
        (truth.session,) = sessions
        return truth
