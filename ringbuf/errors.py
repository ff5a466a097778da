"""The one tree of errors.

Every error says what happened, shows the values it saw, and carries a `hint`: what to do about it.
`retryable` tells whether the same call can succeed later without anybody changing anything here.
"""


class RingbufError(Exception):
    """Base of every error this project raises.

    Args:
        what: what happened, with the values seen; one line, no full stop at its end.
        hint: what the reader can do about it; one line.
    """

    retryable = False

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}; {self.hint}" if self.hint else self.what

    def described(self) -> dict[str, str]:
        """The error as JSON: `kind` is its class."""
        return {"kind": type(self).__name__, "error": self.what, "hint": self.hint}

    @staticmethod
    def from_described(description: dict[str, str]) -> "RingbufError":
        """The error that another process has described."""
        found = globals().get(description["kind"])
        kind = found if isinstance(found, type) and issubclass(found, RingbufError) else RingbufError
        return kind(description["error"], description["hint"])


class InvalidName(RingbufError):
    """A ring, namespace, database or field name that cannot be used safely."""


class ConfigurationError(RingbufError):
    """A setting that cannot work: missing package, contradicting options, unusable directory."""


# Records


class SchemaError(RingbufError):
    """A dtype that cannot be a schema, or a schema that differs from the one found."""


class RecordError(RingbufError):
    """A value that cannot be stored in its field without changing it."""


# Rings


class RingError(RingbufError):
    """Base of what can go wrong with a ring."""


class RingNotFound(RingError):
    """No ring of this name exists in the namespace."""


class RingInUse(RingError):
    """The ring already has a live producer, or a live consumer."""

    retryable = True


class RingCorrupt(RingError):
    """The segment is no ring of ours, is truncated, or its header contradicts itself."""


class RingIncomplete(RingCorrupt):
    """The segment has no header yet: its creator is at work, or died while creating it."""

    retryable = True


class RingVersion(RingError):
    """The ring was written in another version of the layout."""


class RingLost(RingError):
    """A ring is gone and nobody saw its end: records of it may be lost."""


class RingMemory(RingError):
    """Shared memory could not be reserved or mapped: /dev/shm is full, or a limit of the process is reached."""

    retryable = True


class RingForked(RingError):
    """A forked child used the ring of its parent."""


class RingClosed(RingError):
    """The producer, consumer or observer was closed before."""


# Journal


class JournalError(RingbufError):
    """Base of what can go wrong with a journal."""


class JournalInUse(JournalError):
    """Another writer process holds the data directory."""

    retryable = True


class JournalCorrupt(JournalError):
    """Bytes of the journal, its checkpoint or its intent fail their check."""


class JournalVersion(JournalError):
    """The journal was written in another version of the format."""


class JournalLost(JournalError):
    """The data directory is gone, or has become another writer's: this one must not acknowledge anything any more."""


class JournalFull(JournalError):
    """The disk refused the bytes: full, over quota, or failing."""

    retryable = True


# Database


class SinkError(RingbufError):
    """Base of what can go wrong between the loader and the database."""


class SinkUnavailable(SinkError):
    """The database cannot be reached or refuses for now; nothing is known to be wrong with the data."""

    retryable = True


class SinkRefused(SinkError):
    """The database refuses these very bytes and would refuse them again."""


class TableMismatch(SinkError):
    """A table of this name exists but has another shape."""
