"""The values of venues' messages: what is absent in them, their times and numbers, and what is no value of a field."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from ringbuf.errors import RecordError
from ringbuf.record.execution import Flag
from ringbuf.record.fields import Kind, names
from ringbuf.record.salvage import salvage
from ringbuf.record.timestamp import UNCLEAR
from ringbuf.record.value import shown
from ringbuf.strategies.adapters.adapter import Update
from ringbuf.strategies.adapters.message import unreadable

MICROSECONDS: Final = 10**14
NANOSECONDS: Final = 10**17
"""A time from here on is in µs, or in ns: in ms it would be of the year 5138."""
UNFIT: Final = Flag.NUMBER_INVALID | Flag.TIME_INVALID | Flag.WORD_UNKNOWN

_NUMBERS: Final = frozenset(names(Kind.NUMBER))
_TIMES: Final = frozenset(names(Kind.TIME))
_EXACT: Final = 1 << 53
_MAGNITUDE: Final = 300
_LATEST: Final = (1 << 63) - 1
_USUAL: Final = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?")


def decoded(message: object) -> Mapping[str, Any]:
    """A message of a venue: a mapping as it is, or its JSON text, of which the numbers keep all their digits, as text.

    Raises:
        RecordError: it is neither.
    """
    found = message
    if isinstance(message, str | bytes | bytearray):
        try:
            found = loaded(message)
        except ValueError as error:
            raise RecordError(f"{shown(message)} is no JSON", "give what the venue sent") from error
    if not isinstance(found, Mapping):
        raise RecordError(f"{shown(message)} is no message", "give one, as a mapping or as its text")
    return found


def loaded(text: str | bytes | bytearray) -> Any:
    """The value of JSON text, of which numbers with a fraction stay text. What is none raises `ValueError`."""
    return json.loads(text, parse_float=str)


def rows(found: object, where: str) -> list[Mapping[str, Any]]:
    """A list of mappings in a message; empty if it is absent.

    Raises:
        RecordError: it is something else.
    """
    if found is None:
        return []
    if isinstance(found, list | tuple) and all(isinstance(each, Mapping) for each in found):
        return list(found)
    raise RecordError(f"{where} is {shown(found)}, and no list of objects", f"a message has no rows in {where}")


def told(**fields: Any) -> Update:
    """The fields that are told: not those that are None or an empty text."""
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def names_of(
    row: Mapping[str, Any], sides: Mapping[str, str], *, symbol: str, side: str, order_id: str, client_order_id: str
) -> Update:
    """What messages about an order and about its fills tell alike.

    Args:
        row: of a message.
        sides: what the words of the venue mean.
        symbol, side, order_id, client_order_id: what the venue calls them.
    """
    return told(
        symbol=text(row.get(symbol)),
        side=word(sides, row.get(side)),
        order_id=identity(row.get(order_id)),
        client_order_id=text(row.get(client_order_id)),
    )


def word(words: Mapping[str, str], given: object) -> str | None:
    """What a word of the venue means; None if it is none of them."""
    return words.get(given) if isinstance(given, str) else None


def text(given: object) -> str | None:
    """An id or other text; a whole number is one too. None if it is absent."""
    if isinstance(given, str):
        return given or None
    if isinstance(given, Decimal) and given.is_finite() and given == given.to_integral_value():
        return f"{given:.0f}"
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else None


def identity(given: object) -> str | None:
    """An id of the venue; None where a number that is not positive says that there is none."""
    found = text(given)
    return None if found is None or found == "0" or found.startswith("-") else found


def liquidity(is_maker: object) -> str | None:
    """Who was first in the book."""
    return ("maker" if is_maker else "taker") if isinstance(is_maker, bool) else None


def sequence(trade_id: object) -> int | None:
    """The number of a trade of its instrument, by which trades of one time are in order."""
    found = identity(trade_id)
    return int(found) if found is not None and found.isdecimal() else None


def is_positive(given: object) -> bool:
    """Whether it is a number above zero."""
    found = decimal(given)
    return found is not None and found > 0


def nonzero(given: Any) -> Any:
    """A number as it was sent; None where zero says that there is none."""
    if type(given) is str and given.strip("0.")[:1].isdecimal():  # the usual ones are told on a short way
        return given
    return given if decimal(given) != 0 else None


def decimal(given: object) -> Decimal | None:
    """A number, exactly; of a float its shortest decimal text. None if it is absent or none."""
    if isinstance(given, bool) or not isinstance(given, str | int | float | Decimal):
        return None
    try:
        found = Decimal(repr(given) if isinstance(given, float) else given)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def time_ns(given: object) -> Any:
    """Ns since the epoch of a time in ms, µs or ns as a whole number or its text; None if it is absent or 0.

    What is no whole number is given back as it is, and the record says so.
    """
    if isinstance(given, bool) or given is None or given == "":
        return None
    try:
        number = int(given) if isinstance(given, str | int) else None
    except ValueError:
        number = None
    if number is None:
        return given
    if number < MICROSECONDS:
        return number * 1_000_000 if number > 0 else None
    return number * 1_000 if number < NANOSECONDS else number


def is_true(given: object) -> bool:
    """Whether a flag is set, as a bool or as text."""
    return given is True or (isinstance(given, str) and given.lower() == "true")


def finished(update: Update, **words: object) -> Update:
    """The update, in whose fields only such values are left that they can have; what else there was stands in its text.

    A value that its field cannot have would make the rules refuse all of the update.

    Args:
        words: the venue's word for each field, which is not known if the update has no such field.
    """
    odd = {name: given for name, given in words.items() if name not in update and given not in (None, "")}
    unfit = [name for name, value in update.items() if not _fits(name, value)]
    if odd or unfit:
        odd |= {name: update.pop(name) for name in unfit}
        notes = [unreadable(name, given) for name, given in odd.items()]
        update["text"] = "; ".join([*notes, *([update["text"]] if "text" in update else [])])
    return update


def refusal(names: Update, *, is_new: bool, code: object, why: object) -> Update:
    """The update of a request that the venue refused.

    Args:
        names: of its order, and what else the answer tells.
        is_new: whether it was for a new order.
        code, why: of the venue.
    """
    update = names | told(
        exec_type="rejected" if is_new else "cancel_rejected",
        order_status="rejected" if is_new else None,
        text=f"{text(code) or ''} {text(why) or ''}".strip(),
    )
    return finished(update)


def _fits(name: str, value: Any) -> bool:
    """Whether a field can have a value; the usual ones are told on a short way."""
    kind = type(value)
    if name in _NUMBERS:
        if kind is str:
            is_usual = _USUAL.fullmatch(value) is not None
        else:
            is_usual = kind is float or (kind is int and -_EXACT < value < _EXACT)
            is_usual = is_usual or (kind is Decimal and value.is_finite() and abs(value.adjusted()) < _MAGNITUDE)
    elif name in _TIMES:
        is_usual = kind is int and UNCLEAR[1] <= value <= _LATEST
    elif name == "exchange_seq":
        is_usual = kind is int and 0 <= value <= _LATEST
    else:
        is_usual = kind is str
    return is_usual or not salvage({name: value})[1] & UNFIT
