"""Columns of a row that comes from several records: of each the first value that is told."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from ringbuf.record.fields import BY_NAME, ENUMERATIONS, Kind

Row: TypeAlias = Mapping[str, Any]
"""A row of the database by column: numbers are floats, texts and words are texts, times are ns since the epoch.

Absent: NaN or None, an empty text, `unknown`, 0. A word may be its number, too.
"""

OF_RECORD: Final = ("session", "seq", "captured_ns", "received_ns", "origin")
"""What a fill or an order has from one record, even if it is absent there."""
KEY: Final = ("exchange", "account", "symbol")
_CURRENCY: Final = "_currency"

_WORDS: Final = {name: {value: kind(value).name.lower() for value in kind} for name, kind in ENUMERATIONS.items()}
_ABSENT: Final = {Kind.NUMBER: math.nan, Kind.TEXT: "", Kind.WORD: "unknown"}
ABSENT: Final = {name: _ABSENT.get(each.kind, 0) for name, each in BY_NAME.items()}
"""What a column holds if the value was not given."""


def value_of(row: Row, name: str) -> Any:
    """A value in its usual form."""
    value = row.get(name)
    if value is None:
        return ABSENT[name]
    words = _WORDS.get(name)
    return value if words is None else words.get(value, value)


def is_told(row: Row, name: str) -> bool:
    """Whether a value was given."""
    return value_of(row, name) not in (ABSENT[name], None) and row[name] == row[name]


class Columns:
    """Columns of which each has the first value that is told; a currency is that of the commission it came with."""

    def __init__(self, names: Iterable[str]) -> None:
        self._columns = [
            (name, name.removesuffix(_CURRENCY), ABSENT[name], ABSENT[name.removesuffix(_CURRENCY)], _WORDS.get(name))
            for name in names
        ]

    def first_told(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Of each column the first value."""
        found = {}
        for name, told_by, absent, untold, words in self._columns:
            for row in rows:
                told = row.get(told_by)
                if told is None or told == untold or told != told or (words is not None and not told):
                    continue
                value = told if told_by is name else row.get(name)
                found[name] = absent if value is None else value if words is None else words.get(value, value)
                break
            else:
                found[name] = absent
        return found


def flags_of(rows: Iterable[Row]) -> int:
    """All flags of all records."""
    flags = 0
    for each in rows:
        flags |= each.get("flags") or 0
    return flags
