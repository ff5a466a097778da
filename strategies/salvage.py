"""What can be kept of values that cannot be stored as they were given.

The recorder must neither raise into trading code nor lose a fill because one of its values is odd. So every value has a
stored form, and what was changed is said in the record's flags.
"""

import hashlib
import math
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from ringbuf.execution import ENUMERATIONS, EXECUTION, NUMBERS, TEXTS, ExecType, Flag
from ringbuf.strategies.words import look_up

HASH_SIZE: Final = 8
TIMES: Final = ("received_ns", "exchange_ns")


def salvage(given: dict[str, Any]) -> tuple[dict[str, Any], Flag]:
    """Make every value storable.

    Args:
        given: field name to value; None is an absent value and needs no flag.

    Returns:
        Field name to stored form (int, float or bytes), and the flags that say what was changed.
    """
    stored: dict[str, Any] = {}
    flags = Flag(0)
    for name, value in given.items():
        if name in TEXTS:
            stored[name], flag = text(value, TEXTS[name])
        elif name in ENUMERATIONS:
            stored[name], flag = _word(name, value)
        elif name in NUMBERS:
            stored[name], flag = _number(value)
        else:
            stored[name], flag = _integer(name, value)
        flags |= flag
    if stored["exec_type"] == ExecType.FILL and not is_complete_fill(stored):
        flags |= Flag.REQUIRED_MISSING
    return stored, flags


def is_complete_fill(stored: dict[str, Any]) -> bool:
    """Whether a fill says what was traded: side, finite price and quantity."""
    return bool(stored["side"] and math.isfinite(stored["last_price"]) and math.isfinite(stored["last_quantity"]))


def text(value: object, width: int) -> tuple[bytes, Flag]:
    """UTF-8 of at most `width` bytes; of what is longer a prefix, `#` and 8 hexadecimal digits of its SHA-256."""
    if value is None:
        return b"", Flag(0)
    data = value if isinstance(value, bytes) else str(value).encode(errors="backslashreplace")
    flags = Flag(0) if isinstance(value, bytes | str) and _is_storable(value) else Flag.TEXT_INVALID
    if b"\0" in data:
        data = data.replace(b"\0", b"\\0")
        flags |= Flag.TEXT_INVALID
    if len(data) > width:
        prefix = data[: width - HASH_SIZE - 1].decode(errors="ignore").encode()
        data = prefix + b"#" + hashlib.sha256(data).hexdigest()[:HASH_SIZE].encode()
        flags |= Flag.TEXT_SHORTENED
    return data, flags


def _is_storable(value: bytes | str) -> bool:
    try:
        if isinstance(value, bytes):
            value.decode()
        else:
            value.encode()
    except UnicodeError:
        return False
    return True


def _word(name: str, value: object) -> tuple[int, Flag]:
    found = look_up(name, value)
    return (0, Flag.WORD_UNKNOWN) if found is None else (found, Flag(0))


def _number(value: object) -> tuple[float, Flag]:
    if value is None:
        return math.nan, Flag(0)
    if isinstance(value, bool | complex):
        return math.nan, Flag.NUMBER_INVALID
    flags = Flag.NUMBER_INVALID if isinstance(value, str) else Flag(0)
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever has __float__ is welcome, the rest raises
        exact = _same(value, number)
    except (TypeError, ValueError, OverflowError, InvalidOperation):
        return math.nan, Flag.NUMBER_INVALID
    return number, flags if exact else flags | Flag.NUMBER_INEXACT


def _same(value: object, number: float) -> bool:
    if isinstance(value, int):
        return math.isfinite(number) and int(number) == value
    if isinstance(value, Decimal | str):
        wanted = Decimal(value)
        return not wanted.is_finite() or (math.isfinite(number) and Decimal(repr(number)) == wanted)
    return True


def _integer(name: str, value: object) -> tuple[int, Flag]:
    if value is None:
        return 0, Flag(0)
    wrong = Flag.TIME_INVALID if name in TIMES else Flag.NUMBER_INVALID
    dtype, _ = EXECUTION.fields[name]
    low, high = (-(1 << 63), (1 << 63) - 1) if dtype.kind == "i" else (0, (1 << 64) - 1)
    try:
        number = int(value.__index__())  # type: ignore[attr-defined]  # what has no __index__ raises
    except (TypeError, AttributeError):
        return 0, wrong
    return (number, Flag(0)) if low <= number <= high and not isinstance(value, bool) else (0, wrong)
