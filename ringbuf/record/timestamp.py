"""Times as the field gives them, to ns since the epoch.

Usual: an int of ns, a datetime with a time zone, a pandas.Timestamp, a numpy.datetime64 (which is UTC), and text of
those: "1700000000000000000", "2024-01-01T00:00:00.123456789Z". Usual too, but flagged, because something was concluded:

- A number that can only be s, ms or us of a time from 2000 to 2100 is stored in ns: `TIME_RESCALED`. Never where the
  record is simulated, whose clock may begin at 0.
- A datetime or text without a time zone is taken as UTC: `TIME_ZONE_ASSUMED`.

None and an empty text are absent (0). NaT, NaN, a bool, and a number with a fraction that can be no s, ms or us are no
time.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from numbers import Rational, Real
from typing import Any, Final

import numpy as np

from ringbuf.errors import RecordError
from ringbuf.record.attempt import attempt
from ringbuf.record.enumerations import Flag, Origin
from ringbuf.record.value import shown
from ringbuf.record.words import look_up

SECOND: Final = 1_000_000_000
PRESENT: Final = (946_684_800, 4_102_444_800)
"""Seconds from 2000 on to before 2100: the times of which the unit is known by their size."""
UNCLEAR: Final = (PRESENT[0], PRESENT[1] * 1_000_000)
"""From the smallest number that may be s to the end of those that may be us: an int in it needs a closer look."""

LIMITS: Final = (-(1 << 63), (1 << 63) - 1)
"""The first and the last ns from the epoch that a record can have, in 1677 and 2262."""

_FACTORS: Final = (SECOND, 1_000_000, 1_000)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LONGEST: Final = 30
_NUMBER: Final = re.compile(rf"[+-]?[0-9]{{1,{_LONGEST}}}(?:\.[0-9]{{1,{_LONGEST}}})?")
_WRITTEN: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_UNITS: Final = {"W": 604_800, "D": 86_400, "h": 3_600, "m": 60, "s": 1}
_PARTS: Final = {"ms": 10**3, "us": 10**6, "ns": 10**9, "ps": 10**12, "fs": 10**15, "as": 10**18}


def read_time(value: object, *, simulated: bool = False) -> tuple[int, Flag]:
    """A time of any kind.

    Args:
        simulated: whether its record is, so that no unit is concluded from its size.

    Returns:
        Its ns since the epoch, and what had to be concluded.

    Raises:
        RecordError: it is no time, or further from the epoch than 292 years.
    """
    found = attempt(None, _read, value, simulated)
    if found is None or not LIMITS[0] <= found[0] <= LIMITS[1]:
        raise RecordError(f"{shown(value)} is no time that can be stored", "give a datetime, or ns since the epoch")
    return found


def time_ns(record: np.void | Mapping[str, Any], name: str) -> int:
    """A time of a record as it is stored, ns since the epoch; 0 if it is absent.

    Args:
        record: a stored record of any version, or the fields given to `order` and `fill`.
        name: a field of the kind time.

    Raises:
        RecordError: the value is no time.
    """
    if isinstance(record, np.void):
        return int(record[name]) if name in (record.dtype.fields or {}) else 0
    try:
        return read_time(record.get(name), simulated=look_up("origin", record.get("origin")) == Origin.SIMULATED)[0]
    except RecordError as error:
        raise RecordError(f"field {name!r}: {error.what}", error.hint) from None


def _read(value: Any, simulated: bool) -> tuple[int, Flag] | None:
    if value is None:
        return 0, Flag(0)
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, str | bytes | bytearray):
        return _text(str.strip(value if isinstance(value, str) else bytes(value).decode("ascii")), simulated)
    if isinstance(value, datetime):
        return _datetime(value) if value == value else None  # pandas.NaT is a datetime
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else _datetime64(value)
    if isinstance(value, Decimal) and abs(value.adjusted()) > _LONGEST:
        return None  # as a fraction it could have a billion digits
    if isinstance(value, Rational):
        value = Fraction(int(value.numerator), int(value.denominator))  # numpy's own integers may overflow
    if isinstance(value, Fraction | Decimal):
        return _unit(Fraction(value), simulated) or _whole(Fraction(value))
    # A float has too few digits for ns of today.
    return _unit(Fraction(repr(float(value))), simulated) if isinstance(value, Real) else None


def _unit(number: Fraction, simulated: bool) -> tuple[int, Flag] | None:
    """What can only be s, ms or us, in ns; a fraction of a ns is cut off."""
    for factor in () if simulated else _FACTORS:
        if PRESENT[0] * SECOND <= number * factor < PRESENT[1] * SECOND:
            return int(number * factor), Flag.TIME_RESCALED
    return None


def _whole(number: Fraction) -> tuple[int, Flag] | None:
    return (int(number), Flag(0)) if number.denominator == 1 else None


def _text(text: str, simulated: bool) -> tuple[int, Flag] | None:
    if not text:
        return 0, Flag(0)
    if _NUMBER.fullmatch(text):
        return _unit(Fraction(text), simulated) or _whole(Fraction(text))
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return None
    whole, fraction, zone = found.groups()
    seconds, flag = _datetime(datetime.fromisoformat(whole + (zone or "")))
    return seconds + int((fraction or "").ljust(9, "0")), flag


def _datetime(value: datetime) -> tuple[int, Flag]:
    is_naive = value.utcoffset() is None
    since = (value.replace(tzinfo=UTC) if is_naive else value) - _EPOCH
    nanoseconds = int(getattr(value, "nanosecond", 0))  # of a pandas.Timestamp
    return since // _MICROSECOND * 1_000 + nanoseconds, Flag.TIME_ZONE_ASSUMED if is_naive else Flag(0)


def _datetime64(value: Any) -> tuple[int, Flag] | None:
    unit, count = np.datetime_data(value.dtype)
    if unit in ("Y", "M"):
        day = value.astype("datetime64[D]")
        return _datetime64(day) if day.astype(value.dtype) == value else None
    number = Fraction(int(value.astype(np.int64)) * count)
    ns = number * _UNITS[unit] * SECOND if unit in _UNITS else number * SECOND / _PARTS[unit]
    return int(ns), Flag(0) if ns == int(ns) else Flag.TIME_RESCALED
