"""One value into one field, unchanged or not at all."""

import math
from decimal import Decimal
from fractions import Fraction
from numbers import Integral, Rational, Real
from typing import Any, Final

import numpy as np

from ringbuf.errors import RecordError
from ringbuf.record.attempt import attempt
from ringbuf.record.schema import Schema

_SHOWN: Final = 100


def blank(schema: Schema) -> np.ndarray[Any, np.dtype[np.void]]:
    """One record, shape (1,), in which everything is absent: NaN for floats, zero bytes for the rest."""
    record = np.zeros(1, schema.dtype)
    for name, (dtype, _) in schema.fields.items():
        if dtype.kind == "f":
            record[name] = np.nan
    return record


def encode(schema: Schema, name: str, value: object) -> Any:
    """Turn a value into what numpy stores in the field without changing it; None is an absent value.

    Text goes into S fields as UTF-8, words or members into enumerations, Decimal and integers into floats if the float
    gives the same number back. A float is rounded to the precision of an f4 field.

    Raises:
        RecordError: the schema has no such field, or the field cannot hold the value.
    """
    try:
        dtype, _ = schema.fields[name]
    except KeyError:
        raise RecordError(
            f"schema {schema.name!r} has no field {name!r}", f"its fields are {', '.join(schema.names)}"
        ) from None
    if value is None:
        return np.nan if dtype.kind == "f" else b"" if dtype.kind in "SV" else 0
    if name in schema.words and isinstance(value, str):
        return _word(schema, name, value)
    match dtype.kind:
        case "S":
            return _text(name, value, dtype.itemsize)
        case "V":
            return _raw(name, value, dtype.itemsize)
        case "f":
            return _float(name, value, dtype)
        case "b":
            return _boolean(name, value)
        case _:
            return _integer(name, value, dtype)


def _text(name: str, value: object, width: int) -> bytes:
    if isinstance(value, str):
        try:
            data = value.encode()
        except UnicodeEncodeError as error:
            raise RecordError(f"field {name!r}: {shown(value)} is not valid Unicode: {error.reason}") from None
    elif isinstance(value, bytes):
        data = value
    else:
        raise RecordError(f"field {name!r} takes str or bytes, not {shown(value)}")
    if len(data) > width:
        raise RecordError(f"field {name!r} holds {width} bytes, {shown(value)} has {len(data)}", "shorten it yourself")
    if b"\0" in data:
        raise RecordError(f"field {name!r}: {shown(value)} contains a NUL character, which is the padding")
    return data


def _raw(name: str, value: object, width: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != width:
        raise RecordError(f"field {name!r} takes exactly {width} bytes, not {shown(value)}")
    return value


def _float(name: str, value: object, dtype: np.dtype[Any]) -> Any:
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        raise RecordError(f"field {name!r} takes a number, not {shown(value)}")
    try:
        with np.errstate(over="ignore"):
            stored = float(dtype.type(value))
    except (OverflowError, ValueError, TypeError) as error:
        raise RecordError(f"field {name!r}: {dtype} cannot hold {shown(value)}: {error}") from error
    if not _is_same(value, stored, dtype):
        raise RecordError(
            f"field {name!r}: {dtype} cannot hold {shown(value)}, it would be {stored!r}", "round it yourself"
        )
    return stored


def _is_same(value: object, stored: float, dtype: np.dtype[Any]) -> bool:
    """Whether a float tells what it was made of: a decimal by its shortest text, what is no float exactly."""
    if isinstance(value, Decimal):
        return not value.is_finite() or Decimal(str(dtype.type(stored))) == value
    if isinstance(value, Rational):
        return math.isfinite(stored) and Fraction(stored) == value
    return math.isfinite(stored) or math.isnan(stored) or value == stored


def _boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise RecordError(f"field {name!r} takes True or False, not {shown(value)}")
    return bool(value)


def _integer(name: str, value: object, dtype: np.dtype[Any]) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise RecordError(f"field {name!r} takes an integer, not {shown(value)}")
    limits = np.iinfo(dtype)
    if not limits.min <= int(value) <= limits.max:
        raise RecordError(f"field {name!r}: {shown(value)} is outside {limits.min} to {limits.max}")
    return int(value)


def _word(schema: Schema, name: str, word: str) -> int:
    values = {known: value for value, known in schema.words[name].items()}
    folded = {known.lower(): value for known, value in values.items()}
    found = values.get(word, folded.get(word.lower()))
    if found is None:
        raise RecordError(f"field {name!r} has no word {shown(word)}", f"its words are {', '.join(values)}")
    return found


def shown(value: object) -> str:
    """A value on one short line, whatever its own methods do."""
    text = attempt(None, _written, value)
    if text is None:  # Python does not write ints of 4300 digits
        return f"a huge {type(value).__name__}" if isinstance(value, int) else f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _written(value: object) -> str:
    return str.__str__(repr(value))
