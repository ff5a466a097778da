"""A schema: a named, versioned record layout.

Every record begins with its identity, `session u64, seq u64`; the fields of the user follow. A schema is stored
beside the data it describes (ring header, journal) as its *descriptor*: compact JSON with sorted keys, pinned by a
golden test, from which an equal schema is rebuilt without importing any code of the user.
"""

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Final, TypeAlias

import numpy as np

from ringbuf.errors import SchemaError

Records: TypeAlias = np.ndarray[Any, np.dtype[np.void]]
"""Consecutive records of one schema."""

IDENTITY: Final = (("session", "<u8"), ("seq", "<u8"))
RECORD_ALIGNMENT: Final = 8
MAX_RECORD_SIZE: Final = 65_536
TIME_SUFFIX: Final = "_ns"
RESERVED: Final = frozenset(
    {
        *("fills", "orders", "positions", "funding_payments", "sessions"),
        *("positions_at", "volumes", "fees", "profit_by_day", "candles"),
        *("maker_share", "fill_ratio", "latency", "hedges"),
        *("unique_fills", "unique_orders", "known_ids", "derived", "fill_sums", "buckets"),
        *("open_orders", "funding_records", "profit_states"),
        *("dropped", "retired", "late_records", "late_reports"),
        *("reckoned_fills", "reckoned_orders"),
    }
)
"""Names of what stands beside the schemas' tables in the database. An earlier release did not have all of these: a
schema of that time that is called so is none to be defined any more, but what was recorded of it is read."""
BUILT_IN: Final = frozenset({"executions", "instruments"})

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_FORMATS = re.compile(r"[<|]([iu][1248]|f[48]|b1|[SV][1-9][0-9]*)")


@dataclass(frozen=True)
class Schema:
    """A named, versioned dtype.

    Attributes:
        name: lower-case identifier, at most 48 characters; the table in the database is called after it.
        version: raised by one whenever fields are added.
        dtype: structured dtype; its first 16 bytes are `session` and `seq`, little-endian, itemsize a multiple of 8.
            Signed 8-byte fields whose name ends in `_ns` are times in ns since the epoch.
        words: for each u1 field that is an enumeration, its value-to-word mapping; 0 means unknown.
    """

    name: str
    version: int
    dtype: np.dtype[np.void]
    words: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_version(self.name, self.version)
        _check_dtype(self.dtype)
        for name, words in self.words.items():
            if name not in self.fields or self.fields[name][0] != np.dtype("u1"):
                raise SchemaError(f"schema {self.name!r}: enumeration {name!r} is no u1 field of the dtype")
            _check_words(name, words)

    @classmethod
    def define(
        cls,
        name: str,
        fields: Any,
        *,
        version: int = 1,
        words: Mapping[str, Mapping[int, str]] | None = None,
    ) -> "Schema":
        """Make a schema from the user's own fields.

        The identity is put in front, every number is aligned to its size and the record is padded to a multiple
        of 8 bytes.

        Args:
            fields: whatever `numpy.dtype` takes for a structured dtype, for example `[("bid", "f8"), ("venue", "S8")]`.

        Raises:
            SchemaError: a field has a format that has no fixed meaning in bytes (objects, str, big-endian, arrays), or
                is called like the identity; or the name is taken.
        """
        if name in BUILT_IN:
            raise SchemaError(f"name {name!r} is that of a built-in schema", "choose another one")
        if name in RESERVED:
            raise SchemaError(f"name {name!r} is taken by a view or table of the database", "choose another one")
        try:
            user = np.dtype(fields)
            own = [(each, user[each]) for each in user.names or ()]
            aligned = np.dtype([*IDENTITY, *own], align=True)
        except (TypeError, ValueError) as error:
            raise SchemaError(
                f"schema {name!r}: no record can be made of {fields!r}: {error}",
                "give a structured dtype; `session` and `seq` are put in front of it",
            ) from error
        if user.names is None:
            raise SchemaError(f"schema {name!r}: {user} has no named fields", "give a structured dtype")
        size = -(-aligned.itemsize // RECORD_ALIGNMENT) * RECORD_ALIGNMENT
        assert aligned.names is not None and aligned.fields is not None
        formats = [aligned.fields[each][0] for each in aligned.names]
        offsets = [aligned.fields[each][1] for each in aligned.names]
        padded = np.dtype({"names": aligned.names, "formats": formats, "offsets": offsets, "itemsize": size})
        return cls(name, version, padded, words or {})

    @property
    def names(self) -> tuple[str, ...]:
        """Field names in the order of the record."""
        assert self.dtype.names is not None
        return self.dtype.names

    @cached_property
    def fields(self) -> Mapping[str, tuple[np.dtype[Any], int]]:
        """For each field its dtype and its byte offset in the record."""
        assert self.dtype.fields is not None
        return {name: (self.dtype.fields[name][0], self.dtype.fields[name][1]) for name in self.names}

    @property
    def record_size(self) -> int:
        """Bytes of one record."""
        return self.dtype.itemsize

    def is_time(self, name: str) -> bool:
        """Whether a field is a time in ns since the epoch."""
        return name.endswith(TIME_SUFFIX) and self.fields[name][0] == np.dtype("<i8")

    @cached_property
    def descriptor(self) -> bytes:
        """The schema as canonical JSON, UTF-8."""
        described = {
            "name": self.name,
            "version": self.version,
            "size": self.record_size,
            "fields": [[name, self.fields[name][0].str, self.fields[name][1]] for name in self.names],
            "words": {
                name: [[value, word] for value, word in sorted(words.items())] for name, words in self.words.items()
            },
        }
        return json.dumps(described, separators=(",", ":"), sort_keys=True).encode()

    @cached_property
    def schema_id(self) -> int:
        """CRC-32 of the descriptor: names the schema in the journal."""
        return zlib.crc32(self.descriptor)

    @classmethod
    def from_descriptor(cls, descriptor: bytes) -> "Schema":
        """Rebuild a schema from its descriptor; mostly the same object for the same bytes.

        Raises:
            SchemaError: the bytes are no descriptor.
        """
        return _decode(descriptor)


@lru_cache(maxsize=64)  # a writer has many rings of few schemas
def _decode(descriptor: bytes) -> Schema:
    try:
        described = json.loads(descriptor)
        names, formats, offsets = zip(*described["fields"], strict=True)
        if not all(_FORMATS.fullmatch(each) for each in formats):
            raise ValueError(f"formats {formats}")
        dtype = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": described["size"]})
        words = {name: {int(value): str(word) for value, word in pairs} for name, pairs in described["words"].items()}
        schema = Schema(str(described["name"]), int(described["version"]), dtype, words)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise SchemaError(f"schema descriptor of {len(descriptor)} bytes cannot be read: {error}") from error
    if schema.descriptor != descriptor:
        raise SchemaError(f"schema descriptor of {len(descriptor)} bytes is not the one its schema has")
    return schema


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise SchemaError(f"name {name!r} is not usable", "use a-z, 0-9 and _, first a letter, at most 48 characters")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_version(name: str, version: Any) -> None:
    if not _is_int(version) or not 1 <= version < 1 << 32:
        raise SchemaError(f"schema {name!r} has version {version!r}", "versions are ints and count from 1")


def _check_words(name: str, words: Mapping[Any, Any]) -> None:
    for value, word in words.items():
        is_word = isinstance(word, str) and word and word.isprintable()
        if not is_word or not _is_int(value) or not 0 <= value <= 255:
            raise SchemaError(
                f"enumeration {name!r}: {value!r} cannot stand for {word!r}",
                "map ints, 0 to 255, to printable words",
            )
    if len(set(words.values())) < len(words):
        raise SchemaError(f"enumeration {name!r} has a word twice: {', '.join(words.values())}")


def _check_dtype(dtype: np.dtype[np.void]) -> None:
    if dtype.names is None or dtype.fields is None:
        raise SchemaError(f"{dtype} has no named fields", "give a structured dtype")
    for position, (name, code) in enumerate(IDENTITY):
        if name not in dtype.names or dtype.fields[name][:2] != (np.dtype(code), position * 8):
            raise SchemaError(
                f"field {name!r} is not {code} at byte {position * 8} of {dtype}", "Schema.define() puts it there"
            )
    if dtype.itemsize % RECORD_ALIGNMENT or dtype.itemsize > MAX_RECORD_SIZE:
        raise SchemaError(
            f"record size {dtype.itemsize} is not a multiple of {RECORD_ALIGNMENT} up to {MAX_RECORD_SIZE}"
        )
    end = 0
    for name in dtype.names:
        _check_name(name)
        own, offset = dtype.fields[name][:2]
        if own.subdtype is not None or own.names is not None or not _FORMATS.fullmatch(own.str):
            hint = "use little-endian i u f b of 1 to 8 bytes, S or V"
            raise SchemaError(f"field {name!r}: format {own!r} is not supported", hint)
        if offset < end:
            raise SchemaError(f"field {name!r} at byte {offset} begins before the field in front of it ends ({end})")
        end = offset + own.itemsize
