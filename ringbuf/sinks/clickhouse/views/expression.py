"""Expressions that the views share: exact numbers, absent values, lists of names."""

from collections.abc import Iterable, Mapping
from typing import Final

from ringbuf.record.execution import EXECUTION
from ringbuf.record.number import exact_part
from ringbuf.sinks.clickhouse.table import literal
from ringbuf.trading.number import DECIMALS, LEAST, MOST

INSTRUMENT: Final = "exchange, account, symbol, simulated"
EPOCH: Final = "toDateTime64(0, 9, 'UTC')"
NO_TIME: Final = "toDateTime(0, 'UTC')"
"""What a column of times is compared with; a shard cannot read the constant 0 of a DateTime64 (server 26.7)."""
SO_FAR: Final = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
ROUNDING: Final = 1e-15
"""How far the database's reading of a decimal text may be from the nearest f64, as a part of it."""
ZERO: Final = f"toDecimal256(0, {DECIMALS})"
_NARROW: Final = "Decimal(38, 18)"


def text_of(name: str, source: str = "") -> str:
    """The whole decimal text of a number: that in `exact`, else the shortest one of its f64."""
    kept = f"extract({source}exact, {literal(exact_part(name))})"
    return f"if({source}exact = '' OR {kept} = '', toString({source}{name}), {kept})"


def own_text_of(name: str, source: str = "") -> str:
    """The same where `exact` may be of another report than the number: it counts only if it is of this number."""
    kept, number = text_of(name, source), f"{source}{name}"
    return f"if(abs(toFloat64OrZero({kept}) - {number}) <= {ROUNDING} * abs({number}), {kept}, toString({number}))"


def number_of(name: str, text: str) -> str:
    """A number as a decimal with `DECIMALS` decimals; NULL if it is not countable."""
    size = f"abs({name})"
    countable = f"({name} = 0 OR ({size} >= {LEAST} AND {size} < {MOST})) AND {decimals_of(text)} <= {DECIMALS}"
    return f"if({countable}, toDecimal256OrNull({text}, {DECIMALS}), NULL)"


def decimal_text(number: str) -> str:
    """The exact text of a decimal of 256 bits; NULL if it is.

    What fits into 128 bits is written as such: the server needs 0.1 us for that, and 4 us for all 256.
    """
    narrow = f"accurateCastOrNull({number}, '{_NARROW}')"  # cuts what it has no place for
    return f"if({narrow} = {number}, assumeNotNull(toString({narrow})), toString({number}))"


def decimals_of(text: str) -> str:
    """How many decimals a plain decimal text has; one with an exponent is that of a f64, and no longer than fits."""
    return f"length(splitByChar('.', {text})[2])"


def listed(words: Iterable[str]) -> str:
    """Texts for IN."""
    return ", ".join(literal(word) for word in words)


def replaced(value: str, by: Mapping[str, str], otherwise: str) -> str:
    """A word for a word."""
    return f"transform({value}, [{listed(by)}], [{listed(by.values())}], {otherwise})"


def absent(name: str) -> str:
    """What a column of EXECUTION holds if the value was not given."""
    if name in EXECUTION.words:
        return "'unknown'"
    if EXECUTION.is_time(name):
        return EPOCH
    return {"S": "''", "f": "nan"}.get(EXECUTION.dtype[name].kind, "0")


def is_absent(value: str, name: str) -> str:
    """Whether a value of a column of EXECUTION is absent."""
    return f"isNaN({value})" if absent(name) == "nan" else f"{value} = {absent(name)}"
