"""Messages of one's own, plain dicts or dataclasses, by a mapping of their names and words.

mapping = FieldMapping(
    fields={"id": "order_id", "coin": "symbol", "dir": "side", "px": "last_price", "sz": "last_quantity"},
    words={"side": {"B": "buy", "A": "sell"}},
    constants={"exec_type": "fill"},
)
adapter = MappingAdapter(pages, mapping, exchange="mine", account="A1", strategy="mm")
adapter.receive(message)
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum
from numbers import Number
from typing import Any, Final

import numpy as np

from ringbuf.errors import ConfigurationError, RecordError
from ringbuf.record.attempt import attempt
from ringbuf.record.enumerations import Side
from ringbuf.record.fields import BY_NAME, Field, Given, Kind
from ringbuf.record.salvage import salvage
from ringbuf.record.value import shown
from ringbuf.record.words import look_up
from ringbuf.strategies.adapters.adapter import Adapter, Target, Update
from ringbuf.strategies.adapters.message import CONTRADICTION, Message
from ringbuf.trading.number import EXACT

UNITS: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
SETTABLE: Final = {name: each for name, each in BY_NAME.items() if each.given in (Given.CALL, Given.BIND)}
QUANTITIES: Final = ("leaves_quantity", "cumulative_quantity", "quantity", "last_quantity")
NAMES: Final = frozenset({"order_id", "client_order_id", "trade_id", "report_id"})


@dataclass(frozen=True)
class FieldMapping:
    """What the fields and words of messages mean.

    Attributes:
        fields: field of EXECUTION by the message's name for it, or several fields; `a.b` is the value `b` in the value
            `a`. Where two names mean one field, the first one that is told counts. If none is `side`, and no constant,
            quantities have its sign: one below zero is a sell.
        words: by field of EXECUTION, its word for the message's. Others are looked up in their usual spellings.
        times: the unit of times that are numbers, `s`, `ms`, `us` or `ns`: of all, or by field.
        constants: what each message says without telling it.

    Raises:
        ConfigurationError: a field, word or unit does not exist, a constant cannot be stored, or no message could be
            understood by it.
    """

    fields: Mapping[str, str | Sequence[str]]
    words: Mapping[str, Mapping[Any, Any]] = field(default_factory=dict)
    times: str | Mapping[str, str] = "ns"
    constants: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        told = {*_named(self.fields), *self.constants}
        for name in told:
            _settable(name)
        for name, words in self.words.items():
            _check_words(_settable(name), words)
        if isinstance(self.times, str):
            _check_unit("times", self.times)
        else:
            for name, unit in self.times.items():
                if _settable(name).kind is not Kind.TIME:
                    raise ConfigurationError(
                        f"times: the field {name!r} is no time", "name one that is, as exchange_ns"
                    )
                _check_unit(name, unit)
        _, flags = salvage(self.constants)
        if flags:
            raise ConfigurationError(
                f"constants {shown(dict(self.constants))} cannot be stored: {flags.name}",
                "docs/FORMAT.md has the fields",
            )
        if not told & NAMES:
            raise ConfigurationError("no message could name its order or trade", "map order_id or client_order_id")
        if "last_quantity" in told and "exec_type" not in told:
            raise ConfigurationError(
                "last_quantity is mapped, and nothing says which messages are fills",
                "map exec_type, or give the constant exec_type = 'fill'",
            )

    def unit(self, name: str) -> int:
        """The ns of one unit of a time that is a number."""
        return UNITS[self.times if isinstance(self.times, str) else self.times.get(name, "ns")]

    def read(self, message: Any) -> list[Update]:
        """What a message says.

        Raises:
            RecordError: it has no names.
        """
        message = _as_mapping(message)
        if not (isinstance(message, Mapping) or is_dataclass(message) or hasattr(message, "_asdict")):
            raise RecordError(f"{shown(message)} has no fields", "give a dict, a dataclass, a named tuple or a row")
        told: dict[str, Any] = {}
        for name, wanted in self.fields.items():
            value = _found(message, name)
            if not _is_missing(value):
                for each in (wanted,) if isinstance(wanted, str) else wanted:
                    told.setdefault(each, value)
        reading = Message(told)
        for name, value in told.items():
            self._put(reading, SETTABLE[name], value)
        if "side" not in self.constants and "side" not in _named(self.fields):
            _put_side(reading)
        else:
            _drop_sign(reading, self.constants.get("side"))
        return [dict(self.constants) | reading.finished()]

    def _put(self, reading: Message, wanted: Field, value: Any) -> None:
        name = wanted.name
        match wanted.kind:
            case Kind.NUMBER:
                reading.put(**{name: reading.number(name)})
            case Kind.WORD:
                self._put_word(reading, name, value)
            case Kind.TIME:
                reading.put(**{name: reading.time(name, self.unit(name))})
            case Kind.TEXT:
                reading.put(**{name: reading.text(name)})
            case _:
                reading.put_sequence(name, value)

    def _put_word(self, reading: Message, name: str, value: Any) -> None:
        words = self.words.get(name, {})
        told = (attempt(None, words.get, each) for each in _spellings(value))  # some values have no hash
        found = next((each for each in told if each is not None), None)
        if found is None and words and isinstance(value, Number) and not isinstance(value, Enum):
            reading.put_aside(name, value)  # by accident it may be the number of a word of ours
        else:
            reading.put_word(name, value if found is None else found)


class MappingAdapter(Adapter):
    """Takes messages of one's own by a mapping.

    Args:
        target, exchange, account, strategy: as of `Adapter`.
        mapping: what the messages mean.
    """

    def __init__(self, target: Target, mapping: FieldMapping, *, exchange: str, account: str, strategy: str) -> None:
        super().__init__(target, exchange=exchange, account=account, strategy=strategy)
        self.mapping = mapping

    def receive(self, messages: Any, **given: Any) -> list[Any]:
        """Take a message, or any number of them in a list."""
        return self.deliver(self.mapping.read, _as_mapping(messages), **given)


def _settable(name: str) -> Field:
    found = SETTABLE.get(name)
    if found is None:
        close = get_close_matches(name, SETTABLE, 1)
        raise ConfigurationError(
            f"{name!r} is no field of a record that can be given" + (f" (did you mean {close[0]!r}?)" if close else ""),
            f"the fields are {', '.join(SETTABLE)}",
        )
    return found


def _check_words(wanted: Field, words: Mapping[Any, Any]) -> None:
    if wanted.words is None:
        raise ConfigurationError(f"words: the field {wanted.name!r} has no words", "name one that has, as side")
    for word in words.values():
        if look_up(wanted.name, word) is None:
            known = ", ".join(each.name.lower() for each in wanted.words)
            raise ConfigurationError(f"words: {wanted.name!r} has no word {shown(word)}", f"its words are {known}")


def _check_unit(name: str, unit: str) -> None:
    if unit not in UNITS:
        raise ConfigurationError(f"{name} are in {shown(unit)}, which is no unit", f"give one of {', '.join(UNITS)}")


def _found(message: Any, name: str) -> Any:
    """The value of a name, or of a path of names."""
    value = _value(message, name)
    if value is None and "." in name:
        value = message
        for part in name.split("."):
            value = _value(value, part)
    return value


def _value(message: Any, name: str) -> Any:
    return message.get(name) if isinstance(message, Mapping) else getattr(message, name, None)


def _as_mapping(message: Any) -> Any:
    """A row of a database or of pandas, which iterates its values, as the mapping that it is; all else as it is."""
    is_row = hasattr(type(message), "keys") and not isinstance(message, Mapping)
    return attempt(message, _values_of, message) if is_row else message


def _values_of(row: Any) -> dict[Any, Any] | list[Any]:
    """Its values by their names; of a column of messages those."""
    names = row.keys()
    found = {name: row[name] for name in names}
    return list(found.values()) if all(isinstance(each, Mapping) for each in found.values()) else found


def _is_missing(value: Any) -> bool:
    """Whether it is None, an empty text, or what numpy and pandas have for no value: NaN, NaT and NA."""
    if value is None or isinstance(value, str):
        return not value
    return attempt(type(value).__name__ == "NAType", _is_not_itself, value)


def _is_not_itself(value: Any) -> bool:
    return bool(value != value)  # of NA that has no truth value


def _named(fields: Mapping[str, str | Sequence[str]]) -> set[str]:
    return {each for wanted in fields.values() for each in ((wanted,) if isinstance(wanted, str) else wanted)}


def _spellings(value: Any) -> Iterator[Any]:
    """A value as a key of words: as it is, as a file of text has it, and of a member its value and its name."""
    if isinstance(value, Enum):
        yield value
        yield from _spellings(value.value)
        value = value.name
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float | Decimal):
        value = attempt(value, _without_fraction, value)
    if isinstance(value, str | int | float | Decimal):
        text = str(value).strip()
        yield value
        yield text
        yield text.lower()


def _without_fraction(number: float | Decimal) -> float | Decimal | int:
    """A whole number as a file of text has it."""
    whole = int(number)
    return whole if whole == number else number


def _put_side(reading: Message) -> None:
    """Set the side by the sign of the quantities, which lose it."""
    for name in QUANTITIES:
        number = reading.number(name)
        if number:
            reading.put(**{name: EXACT.abs(number), "side": "sell" if number < 0 else "buy"})


def _drop_sign(reading: Message, constant: Any) -> None:
    """A quantity below zero is that of a sale, which the side tells; else they contradict each other."""
    side = reading.update.get("side", constant)
    for name in QUANTITIES:
        number = reading.number(name)
        if number is not None and number < 0:
            reading.put(**{name: EXACT.abs(number)})
            if look_up("side", side) != Side.SELL:
                reading.note(f"{CONTRADICTION}{side} of {name} {number}")
