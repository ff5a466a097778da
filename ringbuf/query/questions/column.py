"""Columns of an answer: how the database writes each, so that it is exact, and how Python reads it.

number      decimal text to the last digit; null if absent, or not countable
time        ns since the epoch; 0 if absent
count       an integer
flag        true or false
text        text
numbers     an object of decimal texts
"""

from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from ringbuf.sinks.clickhouse.table import plain
from ringbuf.sinks.clickhouse.views.columns import COUNT, EXACT, QUOTE, TIME
from ringbuf.sinks.clickhouse.views.expression import number_of, own_text_of

Row = dict[str, Any]


class Column(StrEnum):
    """What a column of an answer holds."""

    NUMBER = "number"
    TIME = "time"
    COUNT = "count"
    FLAG = "flag"
    TEXT = "text"
    NUMBERS = "numbers"


_FLOAT: Final = "Float64"
_OF_TYPE: Final = {
    _FLOAT: Column.NUMBER,
    **dict.fromkeys((EXACT, QUOTE, f"Nullable({EXACT})", f"Nullable({QUOTE})"), Column.NUMBER),
    f"Map(String, {EXACT})": Column.NUMBERS,
    TIME: Column.TIME,
    "Bool": Column.FLAG,
    **dict.fromkeys((COUNT, "UInt16"), Column.COUNT),
    "String": Column.TEXT,
}


def column_of(type_: str) -> Column:
    """What a column of a view holds, from its type there."""
    return _OF_TYPE[plain(type_)]


def written(name: str, type_: str, exact: str = "") -> str:
    """The expression by which the database writes a column of `answer`.

    Args:
        exact: another column, which has as a decimal what the number in this one counts as, if there is one.
    """
    source = f"answer.{name}"
    column = column_of(type_)
    if column is Column.TIME:
        source = f"toUnixTimestamp64Nano({source})"
    elif column is Column.NUMBERS:
        source = f"mapApply((key, number) -> (key, toString(number)), {source})"
    elif type_ == _FLOAT:
        source = _of_float(name, exact)
    elif column is Column.NUMBER:
        source = f"toString({source})"
    return f"{source} AS {name}"


def read(value: Any, column: Column) -> Any:
    """A value as Python has it: a number is a Decimal."""
    if column is Column.NUMBER and value is not None:
        return Decimal(value)
    if column is Column.NUMBERS:
        return {name: Decimal(number) for name, number in value.items()}
    return value


def _of_float(name: str, exact: str) -> str:
    """The whole decimal text of a f64: that in `exact` if it is of this number, else its shortest one."""
    text, number = own_text_of(name, "answer."), f"answer.{name}"
    plainly = f"ifNull(toString({number_of(number, text)}), {text})"
    if exact:
        plainly = f"ifNull(toString(answer.{exact}), {plainly})"
    return f"if(isNaN({number}), NULL, {plainly})"
