"""Numbers as the field gives them: what of them a record stores, and what it counts as.

A record stores the nearest f64, which stands for the shortest decimal text that gives it (`repr`). A number of which
that text is not the whole (token amounts of 18 decimals) is kept beside it in the field `exact`: parts `CODE=NUMBER`
joined by `;`, CODE being `Field.code`, NUMBER plain decimal text without exponent and without zeros that say nothing.
What does not fit into `exact` any more is the f64 alone, and flagged. Database and strategy count the same number:
that of `exact_number`.

Usual: float, int, Decimal, Fraction, numpy's numbers, and text (str or bytes) in ASCII digits with a decimal point and
an exponent at most: "64000.5", "-0.10", "1e-7". Spaces around it tell nothing. An empty text is absent, as NaN and None
are. Any other text ("inf", "0x10", "1_000", "1,5", digits of other scripts) is no number. A float of 32 bits is the f64
of the same value.
"""

import math
import re
from collections.abc import Mapping
from decimal import Context, Decimal, Inexact
from numbers import Rational, Real
from typing import Any, Final, NamedTuple

import numpy as np

from ringbuf.errors import RecordError
from ringbuf.record.attempt import attempt
from ringbuf.record.fields import BY_NAME, Kind, names
from ringbuf.record.value import shown

EXACT: Final = "exact"
IMPORTANCE: Final = (
    "last_quantity",
    "last_price",
    "commission",
    "cumulative_quantity",
    "quantity",
    "leaves_quantity",
    "other_commission",
    "quote_quantity",
    "price",
)
"""Which numbers are kept whole first, where `exact` cannot have all; the others follow as they are in the record."""

_ORDER: Final = (*IMPORTANCE, *(name for name in names(Kind.NUMBER) if name not in IMPORTANCE))
_WIDTH: Final = BY_NAME[EXACT].width
_LONGEST: Final = _WIDTH - 2  # without the code and its sign
_DIGITS: Final = 1_000  # more are not even looked at
_CONTEXT: Final = Context(prec=_DIGITS, traps=[])
_SPACE: Final = " \t\r\n"
_TEXT: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def exact_part(name: str) -> str:
    """Regular expression (RE2) that finds a number in `exact`; its one group is the number."""
    return f"(?:^|;){BY_NAME[name].code}=(-?[0-9]+(?:[.][0-9]+)?)(?:;|$)"


# In Python `$` also stands before a line feed at the end.
_PARTS: Final = {name: re.compile(exact_part(name).replace("$", "\\Z")) for name in _ORDER}


def kept_text(exact: str, name: str) -> str:
    """The text of a number in a text of `exact`; empty if it has none."""
    found = _PARTS[name].search(exact)
    return found[1] if found else ""


class Number(NamedTuple):
    """What can be stored of a number.

    Attributes:
        stored: the nearest f64; NaN if it is absent.
        whole: the number as plain decimal text where the f64 does not say all of it, else empty.
        inexact: whether neither does.
    """

    stored: float
    whole: str = ""
    inexact: bool = False


ABSENT: Final = Number(math.nan)


def read_number(value: object) -> Number:
    """What can be stored of any value.

    Raises:
        RecordError: it is no number, or beyond the largest f64.
    """
    if type(value) is float:
        return Number(value)
    found = attempt(None, _read, value)
    if found is None:
        raise RecordError(f"{shown(value)} is no number that can be stored", "give a float, Decimal or decimal text")
    return found


def pack(whole: Mapping[str, str]) -> tuple[bytes, frozenset[str]]:
    """The field `exact` of a record.

    Args:
        whole: by field, the numbers that no f64 holds, as `read_number` gives them.

    Returns:
        Its text, and the names of the fields that found no room in it.
    """
    parts: list[str] = []
    size, left_out = -1, []
    for name in _ORDER:
        if text := whole.get(name):
            part = f"{BY_NAME[name].code}={text}"
            if size + 1 + len(part) <= _WIDTH:
                parts.append(part)
                size += 1 + len(part)
            else:
                left_out.append(name)
    return ";".join(parts).encode(), frozenset(left_out)


def exact_number(record: np.void | Mapping[str, Any], name: str) -> Decimal | None:
    """A number of a record as it counts, in the database as in the strategy, whatever its digits.

    Args:
        record: a stored record of any version, a row of the table, or the fields given to `order` and `fill`.
        name: a field of the kind number.

    Returns:
        Its exact value; None if it is absent, or not finite.

    Raises:
        RecordError: the value is no number.
    """
    if isinstance(record, np.void):
        fields = record.dtype.fields
        assert fields is not None
        value = record[name].item() if name in fields else math.nan
        exact = record[EXACT].item() if EXACT in fields else b""
    else:
        value, exact = record.get(name), record.get(EXACT)
    if (kept := _kept(exact, name)) is not None:
        return kept
    if value is None:
        return None
    try:
        found = read_number(value)
    except RecordError as error:
        raise RecordError(f"field {name!r}: {error.what}", error.hint) from None
    if found.whole and not isinstance(record, np.void) and name not in without_room(record):
        return Decimal(found.whole)
    return Decimal(repr(found.stored)) if math.isfinite(found.stored) else None


def without_room(fields: Mapping[str, Any]) -> frozenset[str]:
    """Of given fields those whose number no f64 holds and for which there is no room in `exact` either."""
    return pack(_whole(fields))[1]


def _kept(exact: object, name: str) -> Decimal | None:
    found = attempt(None, _search, exact, name)  # what is no UTF-8, the table shows in hexadecimal
    return Decimal(found) if found else None


def _search(exact: object, name: str) -> str:
    text = bytes.decode(exact) if isinstance(exact, bytes) else exact
    return kept_text(text, name) if text and isinstance(text, str) else ""


def _whole(fields: Mapping[str, Any]) -> dict[str, str]:
    """The numbers among the given fields that no f64 holds; what is no number the recorder leaves out."""
    found = {}
    for name in _ORDER:
        if fields.get(name) is not None:
            try:
                found[name] = read_number(fields[name]).whole
            except RecordError:
                continue
    return found


def _read(value: Any) -> Number | None:
    if value is None:
        return ABSENT
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, str | bytes | bytearray):
        text = str.strip(value if isinstance(value, str) else bytes(value).decode("ascii"), _SPACE)
        if text and not _TEXT.fullmatch(text):
            return None
        return _compared(float(text), Decimal(text, _CONTEXT)) if text else ABSENT
    stored = float(value)
    if isinstance(value, Decimal):
        return _compared(stored, Decimal(value)) if Decimal.is_finite(value) else Number(stored)
    if isinstance(value, Rational):
        return _compared(stored, _decimal(value))
    return Number(stored, inexact=isinstance(value, Real) and bool(stored != value) and not math.isnan(stored))


def _decimal(value: Rational) -> Decimal:
    """A whole number, or a fraction; NaN if it has more digits than can matter, as 1/3."""
    numerator, denominator = int(value.numerator), int(value.denominator)
    if denominator == 1:
        return Decimal(numerator)
    context = _CONTEXT.copy()
    context.clear_flags()
    quotient = context.divide(Decimal(numerator), Decimal(denominator))
    return Decimal("NaN") if context.flags[Inexact] else quotient


def _compared(stored: float, wanted: Decimal) -> Number | None:
    """The f64 nearest to a number, and the number itself if the f64 does not say it; None if it is out of reach."""
    if not math.isfinite(stored):
        return None
    if Decimal(repr(stored)) == wanted:
        return Number(stored)
    whole = _plain(wanted)
    return Number(stored, whole, inexact=not whole)


def _plain(number: Decimal) -> str:
    """Plain decimal text without zeros that say nothing; empty if it is too long, or there is no number."""
    if not number.is_finite() or number.adjusted() > _LONGEST:
        return ""
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int) or len(digits) > _DIGITS or -exponent > _DIGITS:
        return ""
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text if len(text) <= _LONGEST else ""
