"""What the loader must remember: how far the database has everything, and what was on its way.

One JSON file, replaced as a whole and durable before anything is sent. The intent is written before the first byte of
its batch leaves: whoever finds it after a crash knows exactly which records may, or may not, have arrived.

A schema whose records the database does not take has a place of its own, so that it does not hold up the others.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from ringbuf.errors import JournalCorrupt, JournalFull
from ringbuf.journal.files import DISK, Files
from ringbuf.journal.step import Step
from ringbuf.state.checked_json import decode_state, encode_state

VERSION: Final = 2
READ_VERSIONS: Final = (1, 2)
ANY: Final = ""
"""Stands for the schemas of tokens that version 1 did not tell apart."""


@dataclass(frozen=True)
class Intent:
    """A batch on its way: the journal range [begin, end), and for each schema the tokens of its inserts."""

    begin: int
    end: int
    tokens: Mapping[str, tuple[str, ...]]

    def without(self, schema: str) -> Self:
        """The same without one schema."""
        return replace(self, tokens={name: tokens for name, tokens in self.tokens.items() if name != schema})

    def is_of(self, begin: int, end: int, tokens: Mapping[str, tuple[str, ...]]) -> bool:
        """Whether these are bounds and tokens of this very batch."""
        return (begin, end, _all(tokens)) == (self.begin, self.end, _all(self.tokens))


@dataclass(frozen=True)
class Straggler:
    """A schema that has fallen behind: the database does not take its records, and takes others.

    Attributes:
        offset: journal offset below which the database has all its records.
        intent: what of it was on its way.
        since_ns: when it fell behind, ns since the epoch.
        reason: what the database said last; one line.
        hint: what to do about it; one line.
        records: how many of its records wait between `offset` and `counted`.
        counted: journal offset up to which they are counted.
        until: None while it is behind; then the journal offset from which it is loaded with the others again.
    """

    offset: int
    intent: Intent | None
    since_ns: int
    reason: str
    hint: str
    records: int
    counted: int
    until: int | None = None

    @property
    def why(self) -> str:
        """Why it is behind, and what to do about it; one line."""
        return f"{self.reason}; {self.hint}" if self.hint else self.reason

    def described(self, schema: str) -> dict[str, Any]:
        """What people want to know of it, as JSON."""
        about = {"since_ns": self.since_ns, "records": self.records, "reason": self.reason, "hint": self.hint}
        return {"schema": schema, **about}


@dataclass(frozen=True)
class Checkpoint:
    """State of the loader.

    Attributes:
        destination: where the records go; a journal is loaded into one database.
        offset: journal offset below which the database has everything, but records of stragglers.
        intent: the batch that was on its way.
        stragglers: the schemas with a place of their own, by name.
    """

    destination: str
    offset: int
    intent: Intent | None = None
    stragglers: Mapping[str, Straggler] = field(default_factory=dict)

    @property
    def lowest(self) -> int:
        """Journal offset below which the database has everything."""
        return min([self.offset, *(each.offset for each in self.stragglers.values())])

    @property
    def highest(self) -> int:
        """Journal offset up to which the database has anything for certain."""
        return max([self.offset, *(each.offset for each in self.stragglers.values())])

    def offset_of(self, schema: str) -> int:
        """Journal offset below which the database has all records of a schema."""
        straggler = self.stragglers.get(schema)
        if straggler is None:
            return self.offset
        return straggler.offset if straggler.until is None else max(self.offset, straggler.until)

    @property
    def behind(self) -> dict[str, Straggler]:
        """The schemas that are behind, by name."""
        return {name: each for name, each in self.stragglers.items() if each.until is None}

    def with_straggler(self, schema: str, straggler: Straggler) -> Self:
        """The same with another place of one schema."""
        return replace(self, stragglers={**self.stragglers, schema: straggler})


def encode(checkpoint: Checkpoint) -> bytes:
    """The file's bytes: one line of JSON with a CRC-32 over the canonical JSON of the state."""
    return encode_state(asdict(checkpoint), VERSION)


def decode(content: bytes, where: str) -> Checkpoint:
    """Read the file's bytes.

    Raises:
        JournalCorrupt: they are damaged.
        JournalVersion: they were written by a later release.
    """
    state = decode_state(content, where, READ_VERSIONS)
    try:
        return Checkpoint(
            str(state["destination"]),
            int(state["offset"]),
            _intent(state["intent"]),
            {str(name): _straggler(each) for name, each in state.get("stragglers", {}).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
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


def save(path: Path, checkpoint: Checkpoint, files: Files = DISK) -> None:
    """Replace the state; it is durable on return.

    Raises:
        JournalFull: the disk refuses it; the former state is intact.
    """
    try:
        files.replace(path, [[memoryview(encode(checkpoint))]], written=Step.STATE_WRITTEN, named=Step.STATE_NAMED)
    except OSError as error:
        raise JournalFull(f"{path} cannot be written: {error}", "free space; the loader goes on then") from error


class CheckpointFile:
    """The checkpoint of a running loader, on the disk and in memory. Threads share it.

    Attributes:
        current: what the file holds.
    """

    def __init__(self, path: Path, checkpoint: Checkpoint) -> None:
        self.current = checkpoint
        self._path = path
        self._lock = threading.Lock()

    def change(self, changed: Callable[[Checkpoint], Checkpoint]) -> None:
        """Replace the checkpoint by what a function makes of it; durable on return.

        Raises:
            JournalFull: the disk refuses it; the former one is intact.
        """
        with self._lock:
            checkpoint = changed(self.current)
            if checkpoint != self.current:
                save(self._path, checkpoint)
                self.current = checkpoint


def _intent(state: Any) -> Intent | None:
    if state is None:
        return None
    tokens = state["tokens"] if isinstance(state["tokens"], dict) else {ANY: state["tokens"]}
    return Intent(int(state["begin"]), int(state["end"]), {str(name): tuple(each) for name, each in tokens.items()})


def _straggler(state: Any) -> Straggler:
    until = state["until"]
    return Straggler(
        int(state["offset"]),
        _intent(state["intent"]),
        int(state["since_ns"]),
        str(state["reason"]),
        str(state["hint"]),
        int(state["records"]),
        int(state["counted"]),
        None if until is None else int(until),
    )


def _all(tokens: Mapping[str, tuple[str, ...]]) -> list[str]:
    return sorted(token for each in tokens.values() for token in each)
