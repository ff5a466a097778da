"""What can be kept of values that cannot be stored as they were given.

The recorder must neither raise into trading code nor lose a fill because one of its values is odd. So every value has a
stored form, and what was changed or concluded is said in the record's flags. Whoever needs to know what the database
will have of given fields (an inventory, the rules of orders) asks here too.
"""

import hashlib
import math
import operator
from collections.abc import Mapping
from typing import Any, Final

from ringbuf.record.attempt import attempt
from ringbuf.record.enumerations import Flag, Origin
from ringbuf.record.fields import BY_NAME, Field, Kind
from ringbuf.record.number import EXACT, pack, read_number
from ringbuf.record.timestamp import read_time
from ringbuf.record.words import look_up

HASH_SIZE: Final = 8

Kept = tuple[Any, Flag]
"""Stored form (int, float or bytes) and what it does not say of the value given."""


def salvage(given: Mapping[str, Any]) -> tuple[dict[str, Any], Flag]:
    """Make every value storable.

    Args:
        given: field name to value; None is a value not given.

    Returns:
        Field name to stored form for each value given (and for `exact`, if a number is kept there), and the flags that
        say what was changed.
    """
    stored: dict[str, Any] = {}
    whole: dict[str, str] = {}
    flags = Flag(0)
    simulated = look_up("origin", given.get("origin")) == Origin.SIMULATED
    for name, value in given.items():
        if value is not None:
            stored[name], flag = _kept(BY_NAME[name], value, whole, simulated)
            flags |= flag
    if whole:
        stored[EXACT], left_out = pack(whole)
        flags |= Flag.NUMBER_INEXACT if left_out else Flag(0)
    return stored, flags


def text(value: object, width: int) -> Kept:
    """UTF-8 of at most `width` bytes; of what is longer a prefix, `#` and 8 hexadecimal digits of its SHA-256."""
    if value is None:
        return b"", Flag(0)
    return attempt((b"", Flag.TEXT_INVALID), _text, value, width)


def stored_text(name: str, given: str) -> str:
    """A text as a record has it in a field: one that is too long there is shortened."""
    stored: bytes = text(given, BY_NAME[name].width)[0]
    return stored.decode()


def _kept(field: Field, value: object, whole: dict[str, str], simulated: bool) -> Kept:
    match field.kind:
        case Kind.TEXT:
            return text(value, field.width)
        case Kind.WORD:
            found = look_up(field.name, value)
            return (0, Flag.WORD_UNKNOWN) if found is None else (found, Flag(0))
        case Kind.NUMBER:
            return attempt((math.nan, Flag.NUMBER_INVALID), _number, field.name, value, whole)
        case Kind.TIME:
            return attempt((0, Flag.TIME_INVALID), _time, value, simulated)
        case _:
            return attempt((0, Flag.NUMBER_INVALID), _integer, value)


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


def _number(name: str, value: object, whole: dict[str, str]) -> Kept:
    number = read_number(value)
    if number.whole:
        whole[name] = number.whole
    return number.stored, Flag.NUMBER_INEXACT if number.inexact else Flag(0)


def _time(value: object, simulated: bool) -> Kept:
    return read_time(value, simulated=simulated)


def _integer(value: Any) -> Kept:
    """A venue's sequence number; text of digits is usual."""
    if isinstance(value, str | bytes):
        digits = str.strip(value if isinstance(value, str) else bytes(value).decode("ascii"))
        if not digits:
            return 0, Flag(0)
        number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else -1
    else:
        number = operator.index(value)
    return (0, Flag.NUMBER_INVALID) if isinstance(value, bool) or not 0 <= number < 1 << 64 else (int(number), Flag(0))
