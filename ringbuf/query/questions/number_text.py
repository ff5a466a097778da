"""The numbers of an answer: the exact decimal text of each, made of what the database sends.

The database sends the columns of f64 that stand next to each other as one text, `[0.5,nan,1e-7]`. If it had to write
each number exactly, to plan that would take longer than all the rest of a question.
"""

import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import dropwhile, groupby
from typing import Final

from ringbuf.errors import SinkError
from ringbuf.record.number import kept_text
from ringbuf.sinks.clickhouse.views.expression import ROUNDING
from ringbuf.trading.number import DECIMALS, KEPT, LEAST, MOST

FLOAT: Final = "Float64"
_NOTHING_KEPT: Final = b'"exact":""'


class NumberTexts:
    """Puts the texts of numbers into rows, all of one answer.

    No mark that is looked for in a row can be in one of its texts: quotes are escaped there.

    Attributes:
        selected: what the database is asked for, by column; the other columns of f64 are not asked for.
        names: all columns of f64.

    Args:
        types: of each column of `answer` its type in the database, in order.
        decimals: by column of f64, the other one that has as a decimal what the number in it counts as. From the first
            of these on, all columns are decimals.
    """

    def __init__(self, types: Mapping[str, str], decimals: Mapping[str, str]) -> None:
        groups = groupby(types, key=lambda name: types[name] == FLOAT)
        runs = [[*names] for is_float, names in groups if is_float]
        self.names = frozenset(name for run in runs for name in run)
        self.selected = {run[0]: f"toString([{', '.join(f'answer.{name}' for name in run)}])" for run in runs}
        self._runs = [(run, f'"{run[0]}":"['.encode(), _template(run)) for run in runs]
        self._decimals = decimals
        self._last = list(dropwhile(lambda name: name not in decimals.values(), types))
        self._first_decimal = f'"{self._last[0]}":'.encode() if self._last else b""

    def put_into(self, line: bytes) -> bytes:
        """A row as JSON, with the numbers as text; absent ones are null.

        Raises:
            SinkError: it is no such row.
        """
        try:
            return self._put_into(line)
        except (ValueError, KeyError) as error:
            raise SinkError(
                f"the database answers {line[:80]!r}, which is no row of this answer", "ask again"
            ) from error

    def _put_into(self, line: bytes) -> bytes:
        exact = "" if _NOTHING_KEPT in line else json.loads(line)["exact"]
        counted = self._counted(line) if self._first_decimal else {}
        pieces: list[bytes] = []
        place = 0
        for names, mark, template in self._runs:
            begin = line.index(mark, place)
            end = line.index(b']"', begin)
            texts = line[begin + len(mark) : end].split(b",")
            pieces += line[place:begin], template % (*_written(names, texts, exact, counted),)
            place = end + 2
        return b"".join((*pieces, line[place:]))

    def _counted(self, line: bytes) -> dict[str, bytes]:
        """What numbers of a row count as, of those that are countable."""
        parts = line[line.index(self._first_decimal) : -1].split(b",")
        told = dict(zip(self._last, (part.partition(b":")[2] for part in parts), strict=True))
        return {name: told[column] for name, column in self._decimals.items() if told[column] != b"null"}


def number_text(number: str, kept: str = "") -> str | None:
    """The whole decimal text of a f64; None if it is absent.

    Args:
        number: its shortest text.
        kept: the text that its record has in `exact`. It may be of another report, and counts if it is of this number.

    Returns:
        plain text without zeros that say nothing if the number is countable, else as it was given.
    """
    value = float(number)
    if math.isnan(value):
        return None
    text = kept if kept and abs(float(kept) - value) <= ROUNDING * abs(value) else number
    size = abs(value)
    if (size == 0 or LEAST <= size < MOST) and len(text.partition(".")[2]) <= DECIMALS:
        plain = f"{Decimal(text) if size else 0:f}"
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    return text


def _template(names: Sequence[str]) -> bytes:
    return b",".join(f'"{name}":%b'.encode() for name in names)


def _written(names: Sequence[str], texts: Sequence[bytes], exact: str, counted: Mapping[str, bytes]) -> Sequence[bytes]:
    if not exact and not counted:
        return [_usual(text) for text in texts]
    return [
        counted.get(name) or (_quoted(text.decode(), kept_text(exact, name)) if exact else _usual(text))
        for name, text in zip(names, texts, strict=True)
    ]


@lru_cache(KEPT)
def _usual(number: bytes) -> bytes:
    return _quoted(number.decode(), "")


def _quoted(number: str, kept: str) -> bytes:
    text = number_text(number, kept)
    return b"null" if text is None else f'"{text}"'.encode()
