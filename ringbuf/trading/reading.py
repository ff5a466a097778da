"""Reading the fields of a record as the database will have them, whatever kind of record and value it is."""

import math
from collections.abc import Mapping
from decimal import Decimal
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final

import numpy as np

from ringbuf.errors import RecordError
from ringbuf.record.fields import BY_NAME, ENUMERATIONS, Kind, names
from ringbuf.record.number import EXACT, exact_number, read_number, without_room
from ringbuf.record.salvage import salvage
from ringbuf.record.salvage import text as kept_text
from ringbuf.record.timestamp import UNCLEAR, time_ns
from ringbuf.record.value import shown
from ringbuf.record.words import TABLES, look_up
from ringbuf.trading.number import KEPT

_WIDTHS: Final[dict[str, int]] = {name: BY_NAME[name].width for name in names(Kind.TEXT)}
_MEMBERS: Final[dict[str, dict[Any, IntEnum]]] = {
    name: {given: kind(value) for given, value in (TABLES[name] | {each: each for each in kind} | {None: 0}).items()}
    for name, kind in ENUMERATIONS.items()
}
_ABSENT: Final[dict[str, IntEnum]] = {name: members[None] for name, members in _MEMBERS.items()}
_KNOWN: Final[dict[str, Decimal | None]] = {}
"""What texts of numbers count as, for those that no record needs to keep whole; they come again and again."""
_EARLIEST: Final[int] = UNCLEAR[1]
_LATEST: Final[int] = (1 << 63) - 1
_LONGEST: Final = 100
_INFINITE: Final = Decimal("Infinity")


class Reading:
    """One record, field by field. Usual values are read on a short way; all others as the recorder takes them.

    Raises:
        RecordError: it is no record, or a value is none that its field can have.
    """

    __slots__ = ("_exact", "_fields", "_is_stored", "_record", "_roomless")

    def __init__(self, record: np.void | Mapping[str, Any]) -> None:
        self._record: Any = record
        self._is_stored = False
        if type(record) is dict:
            self._fields: dict[str, Any] = record
        elif isinstance(record, np.void) and record.dtype.names is not None:
            self._is_stored = True
            self._fields = dict(zip(record.dtype.names, record.item(), strict=True))
        elif isinstance(record, Mapping):
            self._fields = dict(record)
        else:
            raise RecordError(f"{shown(record)} is no record", "give one of EXECUTION, or fields by name")
        self._exact: Any = self._fields.get(EXACT)
        self._roomless: frozenset[str] | None = None

    @property
    def origin(self) -> IntEnum | None:
        """Where it came from; None if that is not told."""
        return self.word("origin") if self._is_stored or self._fields.get("origin") is not None else None

    def given(self, name: str) -> Any:
        """A value as it was given."""
        return self._fields.get(name)

    def text(self, name: str) -> str:
        """A text; what is no UTF-8 in it is escaped."""
        value = self._fields.get(name)
        if value is None:
            return ""
        width = _WIDTHS[name]
        if type(value) is str and len(value) <= width and value.isascii() and "\0" not in value:
            return value
        if not self._is_stored:
            value, _ = kept_text(value, width)
        return bytes.decode(value, errors="backslashreplace")

    def word(self, name: str) -> Any:
        """A member of the field's enumeration; the first one if it is absent."""
        value = self._fields.get(name)
        if value is None:
            return _ABSENT[name]
        if type(value) is str or type(value) is int or type(value) is ENUMERATIONS[name]:
            found = _MEMBERS[name].get(value)
            if found is not None:
                return found
        number = look_up(name, value)
        if number is None:
            words = ", ".join(each.name.lower() for each in ENUMERATIONS[name])
            raise RecordError(f"field {name!r} has no word {shown(value)}", f"its words are {words}")
        return ENUMERATIONS[name](number)

    def number(self, name: str) -> Decimal | None:
        """A number, whole; None if it is absent or not finite."""
        if self._exact:
            return exact_number(self._record, name)
        value = self._fields.get(name)
        if value is None:
            return None
        if type(value) is str:
            known = _KNOWN.get(value)
            return self._number(name, value) if known is None else known
        return self._number(name, value)

    def amount(self, name: str) -> Decimal | None:
        """A number, see `number`; infinite if it is told and not finite, since then nothing else is told."""
        value = self._fields.get(name)
        if value is None or value != value:
            return None
        number = self.number(name)
        return _INFINITE if number is None and math.isinf(read_number(value).stored) else number

    def _number(self, name: str, value: Any) -> Decimal | None:
        if type(value) is float:
            return _of_float(value) if value == value else None
        if not ((type(value) is str and len(value) < _LONGEST) or type(value) is Decimal or type(value) is int):
            return exact_number(self._record, name)
        try:
            stored, whole = _of_text(value)
        except RecordError:
            return exact_number(self._record, name)  # which says which field it is
        if whole is None:
            if type(value) is str:
                if len(_KNOWN) >= KEPT:
                    _KNOWN.clear()
                _KNOWN[value] = stored
            return stored
        if self._roomless is None:
            self._roomless = without_room(self._record)
        return stored if name in self._roomless else whole

    def time(self, name: str) -> int:
        """Ns since the epoch; 0 if it is absent."""
        value = self._fields.get(name)
        if value is None:
            return 0
        if type(value) is int and (self._is_stored or _EARLIEST <= value <= _LATEST):
            return value
        return time_ns(self._record, name)

    def integer(self, name: str) -> int:
        """A whole number; 0 if it is absent, or none that can be stored."""
        value = self._fields.get(name)
        if value is None:
            return 0
        return int(value if self._is_stored else salvage({name: value})[0][name])


class RowReading(Reading):
    """One row of the database: the values that a record stored, with texts and words as the table shows them.

    Attributes:
        is_whole: whether all words that were asked for are known; one of a later version counts as absent.
    """

    __slots__ = ("is_whole",)

    def __init__(self, row: Mapping[str, Any]) -> None:
        super().__init__(row)
        self._is_stored = self.is_whole = True

    def text(self, name: str) -> str:
        """A text, as it is."""
        return self._fields.get(name) or ""

    def word(self, name: str) -> Any:
        """A member of the field's enumeration; the first one if it is absent or not known."""
        found = _MEMBERS[name].get(self._fields.get(name))
        if found is None:
            self.is_whole = False
            return ENUMERATIONS[name](0)
        return found


@lru_cache(KEPT)
def _of_float(value: float) -> Decimal | None:
    return Decimal(repr(value)) if math.isfinite(value) else None


@lru_cache(KEPT, typed=True)
def _of_text(value: str | Decimal | int) -> tuple[Decimal | None, Decimal | None]:
    """What the f64 of a number counts as, and the whole number if it says more."""
    found = read_number(value)
    return _of_float(found.stored), Decimal(found.whole) if found.whole else None
