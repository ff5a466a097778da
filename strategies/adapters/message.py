"""A message of which any value may be odd: it is read key by key, and what is no value of a field is noted instead.

A number, id or word that its field cannot have would make the rules refuse the whole update, and with it a fill. So it
is left out of its field and kept in the update's text, as far as there is room.
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from numbers import Number
from typing import Any, Final
from uuid import UUID

from ringbuf.record.attempt import attempt
from ringbuf.record.fields import BY_NAME
from ringbuf.record.number import exact_number
from ringbuf.record.salvage import salvage
from ringbuf.record.timestamp import PRESENT, read_time
from ringbuf.record.value import shown
from ringbuf.record.words import TABLES, look_up
from ringbuf.strategies.adapters.adapter import Update
from ringbuf.trading.number import EXACT

ROOM: Final = BY_NAME["text"].width
UNREADABLE: Final = "unreadable: "
"""Begins a note of a value that is none of its field."""
CONTRADICTION: Final = "contradiction: "
"""Begins a note of values that cannot all be right."""
MILLISECOND: Final = 1_000_000

_MILLISECONDS: Final = PRESENT[0] * 1_000, PRESENT[1] * 1_000
_UNITS: Final = tuple((PRESENT[0] * each, PRESENT[1] * each) for each in (1, 10**6, 10**9))
"""Numbers that can only be s, us or ns of a time from 2000 to 2100."""


class Message:
    """One message, and the update that is made of it.

    Attributes:
        update: the fields that are told.
    """

    def __init__(self, message: Mapping[str, Any]) -> None:
        self._message = message
        self.update: Update = {}
        self._read: dict[str, Decimal | None] = {}
        self._notes: list[str] = []

    def get(self, key: str) -> Any:
        """A value as it is; None if it is absent or an empty text."""
        value = self._message.get(key)
        return None if isinstance(value, str) and not value.strip() else value

    def number(self, key: str) -> Decimal | None:
        """A number, exactly; of a float its shortest decimal text. None if it is absent, not finite or no number."""
        if key not in self._read:
            self._read[key] = self.number_of(key, self.get(key))
        return self._read[key]

    def number_of(self, key: str, value: Any) -> Decimal | None:
        """The number that a value is; noted under the key if it is none."""
        kind = type(value)
        if value is None or (kind is float and value != value) or (kind is Decimal and value.is_nan()):
            return None
        if kind is float and math.isfinite(value):
            return Decimal(repr(value))
        if kind is int:
            return Decimal(value)
        found = attempt(None, exact_number, {"price": value}, "price")
        if found is None:
            self.put_aside(key, value)
        return found

    def text(self, key: str) -> str | None:
        """An id or other text; a whole number is one too, and a UUID."""
        value = self.get(key)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, UUID):
            return str(value)
        number = None if isinstance(value, bool) else attempt(None, _whole, value)
        if number is None or (isinstance(value, float) and abs(value) >= 1 << 53):  # its last digits are lost
            self.put_aside(key, value)
        return None if number is None else str(number)

    def time(self, key: str, unit_ns: int = MILLISECOND) -> Any:
        """A time as its field takes it: ns since the epoch of a number, which is in ms unless another unit is given.

        What can be no ms, but s, us or ns of today, is left to the record, which says so in its flags.
        """
        value = self.get(key)
        if type(value) is int and _MILLISECONDS[0] <= value < _MILLISECONDS[1] and unit_ns == MILLISECOND:
            return value * unit_ns
        is_number = _is_number(value) if isinstance(value, str) else isinstance(value, Number)
        number = self.number_of(key, value) if is_number else None
        if number is not None:
            if unit_ns == MILLISECOND and any(low <= number < high for low, high in _UNITS):
                return int(number)
            found: Any = int(EXACT.multiply(number, unit_ns)) or None
        else:
            found = value
        if found is not None and attempt(None, read_time, found) is None:
            self.put_aside(key, value)
            return None
        return found

    def put(self, **fields: Any) -> None:
        """Set fields that are told: not those that are None. Numbers become plain decimal text, as venues send them."""
        for name, value in fields.items():
            if value is not None:
                self.update[name] = plain(value) if type(value) is Decimal else value

    def put_word(self, field: str, value: object) -> None:
        """Set a field that has words; what is none of its words is noted."""
        found = TABLES[field].get(value) if type(value) is str else None
        if found is None:
            found = look_up(field, value)
        if found is None:
            self.put_aside(field, value)
        elif found:
            self.update[field] = value

    def put_sequence(self, field: str, value: object) -> None:
        """Set a whole number from 0 to below 2^64, or its digits; what is none is noted."""
        if salvage({field: value})[1]:
            self.put_aside(field, value)
        else:
            self.put(**{field: value})

    def put_aside(self, key: str, value: object) -> None:
        """Note a value that is none of its field."""
        if value is not None:
            self.note(unreadable(key, value))

    def note(self, text: str) -> None:
        """Keep something that no field says."""
        if text not in self._notes:
            self._notes.append(text)

    def finished(self, *texts: str | None) -> Update:
        """The update with its text: what was noted, and further texts of less weight as far as there is room."""
        kept = "; ".join(self._notes)
        for text in texts:
            if text and (not kept or len(f"{kept}; {text}".encode(errors="replace")) <= ROOM):
                kept = f"{kept}; {text}" if kept else text
        self.put(text=kept or None)
        return self.update


def unreadable(key: str, value: object) -> str:
    """The note of a value that is none of its field."""
    return f"{UNREADABLE}{key} {value if isinstance(value, str) else shown(value)}"


def plain(number: Decimal) -> str:
    """Decimal text without an exponent, and without zeros that say nothing."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _whole(value: Any) -> int | None:
    """A whole number of any kind; what is none, or no number, raises."""
    number = int(value)
    return number if number == value else None


def _is_number(text: str) -> bool:
    return text.lstrip("+-").replace(".", "", 1).isdecimal()
