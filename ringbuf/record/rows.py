"""Records as programs read them: JSON values, with the same words and texts as in the database."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np

from ringbuf.record.schema import Schema

Records = np.ndarray[Any, np.dtype[np.void]]
Row = dict[str, Any]

INVALID_TEXT: Final = "invalid_utf8:"


def rows(schema: Schema, records: Records, fields: Iterable[str] = ()) -> Iterator[Row]:
    """The records as JSON values by field.

    Numbers are numbers, NaN is None, infinities are the texts "inf" and "-inf", enumerations are words
    (`invalid_200` for a value without one), text is text (`invalid_utf8:` and its bytes in hex if it is none), raw
    bytes are hex, times are integers.

    Args:
        fields: which fields; all of them if empty.
    """
    names = tuple(fields) or schema.names
    columns = [map(_reader(schema, name), records[name].tolist()) for name in names]
    return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))


def _reader(schema: Schema, name: str) -> Callable[[Any], Any]:
    if name in schema.words:
        return word_of(schema, name)
    match schema.fields[name][0].kind:
        case "f":
            return _number
        case "S":
            return _text
        case "V":
            return bytes.hex
        case _:
            return lambda value: value


def word_of(schema: Schema, name: str) -> Callable[[int], str]:
    """Turns a number of an enumeration into its word."""
    words = {0: "unknown", **schema.words[name]}
    return lambda value: words.get(value, f"invalid_{value}")


def _number(value: float) -> float | str | None:
    if math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return INVALID_TEXT + value.hex().upper()
