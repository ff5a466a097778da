"""What can be kept of values that cannot be stored as they were given.

The recorder must neither raise into trading code nor lose a fill because one of its values is odd. So every value has a
stored form, and what was changed is said in the record's flags.
"""

import hashlib
import math
import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from numbers import Rational
from typing import Any, Final

import numpy as np

from ringbuf.record.execution import ENUMERATIONS, EXECUTION, NUMBERS, TEXTS, Flag
from ringbuf.record.words import look_up

HASH_SIZE: Final = 8
TIMES: Final = ("received_ns", "exchange_ns")

Kept = tuple[Any, Flag]
"""Stored form (int, float or bytes) and what it does not say of the value given."""


def salvage(given: Mapping[str, Any]) -> tuple[dict[str, Any], Flag]:
    """Make every value storable.

    Args:
        given: field name to value; None is a value not given.

    Returns:
        Field name to stored form for each value given, and the flags that say what was changed.
    """
    stored: dict[str, Any] = {}
    flags = Flag(0)
    for name, value in given.items():
        if value is not None:
            stored[name], flag = _field(name, value)
            flags |= flag
    return stored, flags


def text(value: object, width: int) -> Kept:
    """UTF-8 of at most `width` bytes; of what is longer a prefix, `#` and 8 hexadecimal digits of its SHA-256."""
    if value is None:
        return b"", Flag(0)
    return _attempt(_text, value, width, absent=(b"", Flag.TEXT_INVALID))


def _field(name: str, value: object) -> Kept:
    if name in TEXTS:
        return text(value, TEXTS[name])
    if name in ENUMERATIONS:
        return _attempt(_word, name, value, absent=(0, Flag.WORD_UNKNOWN))
    if name in NUMBERS:
        return _attempt(_number, value, absent=(math.nan, Flag.NUMBER_INVALID))
    absent = 0, Flag.TIME_INVALID if name in TIMES else Flag.NUMBER_INVALID
    return _attempt(_integer, name, value, absent, absent=absent)


def _attempt(keep: Callable[..., Kept], *given: Any, absent: Kept) -> Kept:
    """What `keep` makes of a value, or `absent` if the value does not let itself be read."""
    try:
        return keep(*given)
    except Exception:  # noqa: BLE001  a value's own __str__ or __float__ runs here and may raise anything
        return absent


def _text(value: object, width: int) -> Kept:
    data, flags = _utf8(value)
    if b"\0" in data:
        data = data.replace(b"\0", b"\\0")
        flags |= Flag.TEXT_INVALID
    if len(data) > width:
        prefix = data[: width - HASH_SIZE - 1].decode(errors="ignore").encode()
        data = prefix + b"#" + hashlib.sha256(data).hexdigest()[:HASH_SIZE].encode()
        flags |= Flag.TEXT_SHORTENED
    return data, flags


def _utf8(value: object) -> Kept:
    """The bytes of a text; flagged if it is none, or has what UTF-8 does not."""
    if isinstance(value, bytes):
        data, whole = value, bytes.decode(value, errors="ignore").encode() == value
    elif isinstance(value, str):
        data = str.encode(value, errors="backslashreplace")
        whole = bytes.decode(data) == value
    else:
        data, whole = str.encode(str(value), errors="backslashreplace"), False
    return data, Flag(0) if whole else Flag.TEXT_INVALID


def _word(name: str, value: object) -> Kept:
    found = look_up(name, value)
    return (0, Flag.WORD_UNKNOWN) if found is None else (found, Flag(0))


def _number(value: Any) -> Kept:
    if isinstance(value, bool | np.bool_):
        return math.nan, Flag.NUMBER_INVALID
    flags = Flag.NUMBER_INVALID if isinstance(value, str | bytes | bytearray) else Flag(0)
    number = float(value)
    exact = _exact(value)
    if exact is None:
        return number, flags
    if not math.isfinite(number):  # the nearest f64 is infinite: no number to reckon with
        return math.nan, Flag.NUMBER_INVALID
    stored = Decimal(repr(number)) if isinstance(exact, Decimal) else Fraction(number)
    return number, flags if stored == exact else flags | Flag.NUMBER_INEXACT


def _exact(value: Any) -> Decimal | Rational | None:
    """What a finite value says to the last digit, if that can be more than a float does."""
    if isinstance(value, Rational):
        return value
    if isinstance(value, Decimal | str):
        wanted = Decimal(value)
        return wanted if wanted.is_finite() else None
    return None


def _integer(name: str, value: Any, absent: Kept) -> Kept:
    dtype, _ = EXECUTION.fields[name]
    low, high = (-(1 << 63), (1 << 63) - 1) if dtype.kind == "i" else (0, (1 << 64) - 1)
    number = operator.index(value)
    return absent if isinstance(value, bool) or not low <= number <= high else (int(number), Flag(0))
