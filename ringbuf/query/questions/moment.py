"""Moments as people give them: a time, or how long ago."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from ringbuf.errors import ConfigurationError, RecordError
from ringbuf.record.timestamp import LIMITS, PRESENT, SECOND, read_time

_AGO: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(s|m|h|d|w)")
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DAY: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_WHOLE: Final = re.compile(f"({_DAY})(?:[T ]([0-9]{{2}})(?::([0-9]{{2}}))?)?(Z|[+-][0-9]{{2}}(?::?[0-9]{{2}})?)?")
_HOUR_OR_ZONE: Final = re.compile(f"{_DAY}-[0-9]{{2}}")
_NUMBER: Final = re.compile(r"[+-]?[0-9.]+")
_FIRST_NS: Final = -(-LIMITS[0] // SECOND) * SECOND
"""The database reads the seconds of a text first, and has no room for those before."""
_KNOWN: Final = "from 1678 to 2261"


def read_moment(text: str, now_ns: int) -> int:
    """A moment, in ns since the epoch.

    Args:
        text: how long ago (`90s`, `15m`, `1.5h`, `2d`, `1w`), or a time: ISO 8601, of which seconds, minutes and
            hours may be left out, UTC where no zone is given; or a number that can only be s, ms, us or ns of a
            time from 2000 to 2100.
        now_ns: what a duration is counted back from.

    Raises:
        ConfigurationError: it is neither, or so long ago that no record can have that time.
    """
    stripped = text.strip()
    if found := _AGO.fullmatch(stripped):
        return check_moment(now_ns - int(Decimal(found[1]) * _UNITS[found[2]] * SECOND), repr(text))
    whole = None if _HOUR_OR_ZONE.fullmatch(stripped) else _WHOLE.fullmatch(stripped)
    if whole is not None:
        day, hour, minute, zone = whole.groups()
        stripped = f"{day}T{hour or '00'}:{minute or '00'}:00{zone or ''}"
    try:
        moment, _ = read_time(stripped)
    except RecordError:
        moment = None
    if (
        moment is None
        or not stripped
        or (_NUMBER.fullmatch(stripped) and not PRESENT[0] * SECOND <= moment < PRESENT[1] * SECOND)
    ):
        raise ConfigurationError(
            f"{text!r} is no time and no duration",
            f"say how long ago, as 90s, 15m, 1h or 2d, or a time in ISO 8601 {_KNOWN}",
        )
    return moment


def check_moment(moment_ns: int, called: str) -> int:
    """The moment, if the database knows such times: it would read another one as a wrong time, without a word.

    Args:
        called: what a message calls it.

    Raises:
        ConfigurationError: it is further from the epoch than 292 years.
    """
    if not _FIRST_NS <= moment_ns <= LIMITS[1]:
        raise ConfigurationError(f"{called} is a time that no record can have", f"give one {_KNOWN}")
    return moment_ns


def moment_text(moment_ns: int) -> str:
    """A moment as the database reads it, UTC."""
    seconds, nanoseconds = divmod(moment_ns, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{nanoseconds:09d}"
