"""Columns of an answer: how the database writes each, so that it is exact, and how Python reads it.

number      decimal text to the last digit; null if absent, or a decimal that is not countable
time        ns since the epoch; 0 if absent
count       an integer
flag        true or false
text        text
numbers     an object of decimal texts
"""

from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from ringbuf.query.questions.number_text import FLOAT
from ringbuf.sinks.clickhouse.table import plain
from ringbuf.sinks.clickhouse.views.columns import COUNT, EXACT, QUOTE, TIME
from ringbuf.sinks.clickhouse.views.expression import decimal_text

Row = dict[str, Any]


class Column(StrEnum):
    """What a column of an answer holds."""

    NUMBER = "number"
    TIME = "time"
    COUNT = "count"
    FLAG = "flag"
    TEXT = "text"
    NUMBERS = "numbers"


_OF_TYPE: Final = {
    FLOAT: Column.NUMBER,
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


def written(name: str, type_: str) -> str:
    """The expression by which the database writes a column of `answer` that is no f64."""
    source = f"answer.{name}"
    column = column_of(type_)
    if column is Column.TIME:
        return f"toUnixTimestamp64Nano({source})"
    if column is Column.NUMBERS:
        return f"mapApply((key, number) -> (key, {decimal_text('number')}), {source})"
    return decimal_text(source) if column is Column.NUMBER else source


def read(value: Any, column: Column) -> Any:
    """A value as Python has it: a number is a Decimal."""
    if column is Column.NUMBER and value is not None:
        return Decimal(value)
    if column is Column.NUMBERS:
        return {name: Decimal(number) for name, number in value.items()}
    return value
