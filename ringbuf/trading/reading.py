"""Reading the fields of a record as the database will have them, whatever kind of record and value it is."""

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import IntEnum
from functools import lru_cache
from itertools import repeat
from operator import gt
from typing import Any, Final, NamedTuple, Self, TypeVar, cast

import numpy as np

from ringbuf.errors import RecordError
from ringbuf.record.enumerations import Origin
from ringbuf.record.fields import BY_NAME, ENUMERATIONS, Kind, names
from ringbuf.record.number import EXACT, exact_number, read_number, without_room
from ringbuf.record.salvage import salvage
from ringbuf.record.salvage import text as kept_text
from ringbuf.record.timestamp import UNCLEAR, time_ns
from ringbuf.record.value import shown
from ringbuf.record.words import TABLES, look_up
from ringbuf.trading.number import KEPT

_Word = TypeVar("_Word", bound=IntEnum)

_WIDTHS: Final = {name: BY_NAME[name].width for name in names(Kind.TEXT)}
_MEMBERS: Final = {
    name: {given: kind(value) for given, value in (TABLES[name] | {each: each for each in kind} | {None: 0}).items()}
    for name, kind in ENUMERATIONS.items()
}
_EMPTY: Final = repeat("")
_STR: Final = frozenset({str})
_TEXT_OR_NONE: Final = frozenset({str, type(None)})
_KNOWN: Final[dict[str | None, Decimal | None]] = {None: None}
"""What texts of numbers count as, for those that no record needs to keep whole; they come again and again."""
_LATEST: Final = (1 << 63) - 1
_LONGEST: Final = 100


class Texts(NamedTuple):
    """Fields that are texts, to be read together; `least` is the smallest width."""

    names: tuple[str, ...]
    widths: tuple[int, ...]
    least: int

    @classmethod
    def of(cls, *names: str) -> Self:
        """Those with these names."""
        widths = tuple(_WIDTHS[name] for name in names)
        return cls(names, widths, min(widths))


class Words(NamedTuple):
    """Fields that are words, to be read together; `known` has what values that were given together mean."""

    names: tuple[str, ...]
    kinds: tuple[type[IntEnum], ...]
    known: dict[tuple[str | None, ...], list[Any]]

    @classmethod
    def of(cls, *names: str) -> Self:
        """Those with these names."""
        return cls(names, tuple(ENUMERATIONS[name] for name in names), {})


class Reading:
    """One record, field by field. Usual values are read on a short way; all others as the recorder takes them.

    Raises:
        RecordError: it is no record, or a value is none that its field can have.
    """

    __slots__ = ("_exact", "_get", "_is_stored", "_record", "_roomless", "origin")

    def __init__(self, record: np.void | Mapping[str, Any]) -> None:
        self._record: Any = record
        self._is_stored = False
        if type(record) is dict:
            self._get: Callable[..., Any] = record.get
        elif isinstance(record, np.void) and record.dtype.names is not None:
            self._is_stored = True
            self._get = dict(zip(record.dtype.names, record.item(), strict=True)).get
        elif isinstance(record, Mapping):
            self._get = record.get
        else:
            raise RecordError(f"{shown(record)} is no record", "give one of EXECUTION, or fields by name")
        self._exact = self._get(EXACT)
        self._roomless: frozenset[str] | None = None
        is_told = self._is_stored or self._get("origin") is not None
        self.origin = self.word("origin", Origin) if is_told else None

    def texts(self, fields: Texts) -> list[str]:
        """Texts; what is no UTF-8 in them is escaped."""
        found = list(map(self._get, fields.names, _EMPTY))
        if _STR.issuperset(map(type, found)):
            whole = "".join(found)
            fits = len(whole) <= fields.least or not any(map(gt, map(len, found), fields.widths))
            if fits and whole.isascii() and "\0" not in whole:
                return found
        return list(map(self.text, fields.names))

    def text(self, name: str) -> str:
        """A text, see `texts`."""
        value, width = self._get(name), _WIDTHS[name]
        if value is None:
            return ""
        if type(value) is str and len(value) <= width and value.isascii() and "\0" not in value:
            return value
        if not self._is_stored:
            value, _ = kept_text(value, width)
        return bytes.decode(value, errors="backslashreplace")

    def words(self, fields: Words) -> list[Any]:
        """A member of the enumeration of each field, see `word`."""
        values = tuple(map(self._get, fields.names))
        if not _TEXT_OR_NONE.issuperset(map(type, values)):
            return list(map(self.word, fields.names, fields.kinds))
        found = fields.known.get(values)
        if found is None:
            found = list(map(self.word, fields.names, fields.kinds))
            if len(fields.known) >= KEPT:
                fields.known.clear()
            fields.known[values] = found
        return found

    def word(self, name: str, kind: type[_Word]) -> _Word:
        """A member of the field's enumeration; the first one if it is absent."""
        value = self._get(name)
        given = type(value)
        if given is int or given is str or value is None or given is kind:
            found = _MEMBERS[name].get(value)
            if found is not None:
                return cast(_Word, found)
        number = look_up(name, value)
        if number is None:
            words = ", ".join(each.name.lower() for each in kind)
            raise RecordError(f"field {name!r} has no word {shown(value)}", f"its words are {words}")
        return kind(number)

    def numbers(self, names: Sequence[str]) -> list[Any]:
        """Numbers, see `number`."""
        if not self._exact:
            values = list(map(self._get, names))
            if _TEXT_OR_NONE.issuperset(map(type, values)):
                try:
                    return list(map(_KNOWN.__getitem__, values))
                except KeyError:
                    return list(map(self.number, names))
        return list(map(self.number, names))

    def number(self, name: str) -> Decimal | None:
        """A number, whole; None if it is absent or not finite."""
        if self._exact:
            return exact_number(self._record, name)
        value = self._get(name)
        if value is None:
            return None
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
                    _KNOWN[None] = None
                _KNOWN[value] = stored
            return stored
        if self._roomless is None:
            self._roomless = without_room(self._record)
        return stored if name in self._roomless else whole

    def time(self, name: str) -> int:
        """Ns since the epoch; 0 if it is absent."""
        value = self._get(name)
        if value is None:
            return 0
        if type(value) is int and (self._is_stored or UNCLEAR[1] <= value <= _LATEST):
            return value
        return time_ns(self._record, name)

    def integer(self, name: str) -> int:
        """A whole number; 0 if it is absent, or none that can be stored."""
        value = self._get(name)
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
        self._record, self._get, self._exact = row, row.get, row.get(EXACT)
        self._is_stored = self.is_whole = True
        self._roomless = None
        self.origin = self.word("origin", Origin)

    def texts(self, fields: Texts) -> list[str]:
        """Texts, as they are."""
        return [self._get(name) or "" for name in fields.names]

    def text(self, name: str) -> str:
        """A text, as it is."""
        return self._get(name) or ""

    def words(self, fields: Words) -> list[Any]:
        """A member of the enumeration of each field, see `word`."""
        return list(map(self.word, fields.names, fields.kinds))

    def word(self, name: str, kind: type[_Word]) -> _Word:
        """A member of the field's enumeration; the first one if it is absent or not known."""
        found = _MEMBERS[name].get(self._get(name))
        if found is None:
            self.is_whole = False
            return kind(0)
        return cast(_Word, found)


@lru_cache(KEPT)
def _of_float(value: float) -> Decimal | None:
    return Decimal(repr(value)) if math.isfinite(value) else None


@lru_cache(KEPT, typed=True)
def _of_text(value: str | Decimal | int) -> tuple[Decimal | None, Decimal | None]:
    """What the f64 of a number counts as, and the whole number if it says more."""
    found = read_number(value)
    return _of_float(found.stored), Decimal(found.whole) if found.whole else None
