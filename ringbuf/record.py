"""One value into one field, unchanged or not at all."""

from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

from ringbuf.errors import RecordError
from ringbuf.schema import Schema


def blank(schema: Schema) -> np.ndarray[Any, np.dtype[np.void]]:
    """One record, shape (1,), in which everything is absent: NaN for floats, zero bytes for the rest."""
    record = np.zeros(1, schema.dtype)
    for name, (dtype, _) in schema.fields.items():
        if dtype.kind == "f":
            record[name] = np.nan
    return record


def encode(schema: Schema, name: str, value: object) -> Any:
    """Turn a value into what numpy stores in the field without changing it; None is an absent value.

    Text goes into S fields as UTF-8, words or members into enumerations, Decimal into floats if the float gives the
    same decimal back.

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
            raise RecordError(f"field {name!r}: {value!r} is not valid Unicode: {error.reason}") from None
    elif isinstance(value, bytes):
        data = value
    else:
        raise RecordError(f"field {name!r} takes str or bytes, not {value!r}")
    if len(data) > width:
        raise RecordError(f"field {name!r} holds {width} bytes, {value!r} has {len(data)}", "shorten it yourself")
    if b"\0" in data:
        raise RecordError(f"field {name!r}: {value!r} contains a NUL character, which is the padding")
    return data


def _raw(name: str, value: object, width: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != width:
        raise RecordError(f"field {name!r} takes exactly {width} bytes, not {value!r}")
    return value


def _float(name: str, value: object, dtype: np.dtype[Any]) -> Any:
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        raise RecordError(f"field {name!r} takes a number, not {value!r}")
    try:
        stored = dtype.type(value)
    except OverflowError:
        raise RecordError(f"field {name!r}: {value!r} is larger than {dtype} can hold") from None
    if isinstance(value, Decimal) and value.is_finite() and Decimal(repr(float(stored))) != value:
        raise RecordError(f"field {name!r}: {dtype} cannot hold {value}, it would be {float(stored)!r}", "round it yourself")
    if isinstance(value, Integral) and int(stored) != int(value):
        raise RecordError(f"field {name!r}: {dtype} cannot hold {value}, it would be {float(stored)!r}")
    return stored


def _boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise RecordError(f"field {name!r} takes True or False, not {value!r}")
    return bool(value)


def _integer(name: str, value: object, dtype: np.dtype[Any]) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise RecordError(f"field {name!r} takes an integer, not {value!r}")
    limits = np.iinfo(dtype)
    if not limits.min <= int(value) <= limits.max:
        raise RecordError(f"field {name!r}: {value} is outside {limits.min} to {limits.max}")
    return int(value)


def _word(schema: Schema, name: str, word: str) -> int:
    wanted = word.lower()
    for value, known in schema.words[name].items():
        if known == wanted:
            return value
    raise RecordError(f"field {name!r} has no word {word!r}", f"its words are {', '.join(schema.words[name].values())}")
