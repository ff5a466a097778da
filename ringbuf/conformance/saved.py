"""Messages that a user saved: JSON, CSV or lines of text.

JSON is one value, or a value a line. A list in it is as many messages, as in all adapters; its numbers keep their
digits. Of CSV each row is a message, with the names of the first row; an empty cell tells nothing. Anything else is
text of which each line is a message, as logs of FIX are.
"""

import csv
import io
import itertools
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from ringbuf.errors import ConfigurationError


class Saved(NamedTuple):
    """A message.

    Attributes:
        number: of its line, or its place where the file is one list; from 1.
    """

    number: int
    message: Any


def read_messages(text: str, name: str) -> list[Saved]:
    """All messages of a file.

    A line of JSON that cannot be read is a message of text, which an adapter refuses, so it is listed with the others.

    Args:
        text: what is in it.
        name: of the file; one that ends in `.csv` is CSV.

    Raises:
        ConfigurationError: there is no message in it, or it is CSV that cannot be read, or has more cells than names.
    """
    start = text.lstrip()[:1]
    if name.lower().endswith(".csv"):
        found = list(_rows(text, name))
    elif start and start in "[{":
        found = list(_json(text))
    else:
        found = [Saved(number, line) for number, line in _lines(text)]
    if not found:
        raise ConfigurationError(f"{name} has no messages", "save some: JSON, a message a line, or CSV with names")
    return found


def _json(text: str) -> Iterator[Saved]:
    try:
        whole = _loaded(text)
    except ValueError:
        for number, line in _lines(text):
            for each in _listed(_loaded_line(line)):
                yield Saved(number, each)
    else:
        yield from itertools.starmap(Saved, enumerate(_listed(whole), 1))


def _loaded(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def _loaded_line(line: str) -> Any:
    try:
        return _loaded(line)
    except ValueError:
        return line


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _rows(text: str, name: str) -> Iterator[Saved]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        for row in reader:
            if None in row:
                raise ConfigurationError(
                    f"{name}, line {reader.line_num}: more cells than the first row has names",
                    "put quotes around commas",
                )
            yield Saved(reader.line_num, {key: value for key, value in row.items() if value})
    except csv.Error as error:
        raise ConfigurationError(f"{name}, line {reader.line_num}: {error}", "look for a quote that is open") from error


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), 1):  # `splitlines` would split JSON at U+2028, too
        if line.strip():
            yield number, line
