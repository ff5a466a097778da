"""Messages that a user saved: JSON, CSV or lines of text.

JSON is one value, or any number of them, a line each or not. A list in it is as many messages, as in all adapters; its
numbers keep their digits. Of CSV each row is a message, with the names of the first row; an empty cell tells nothing.
Anything else is text of which each line is a message, as logs of FIX are.
"""

import csv
import gzip
import io
import itertools
import json
import re
import zlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

from ringbuf.errors import ConfigurationError

_PACKED: Final = b"\x1f\x8b"
_DECODER: Final = json.JSONDecoder(parse_float=Decimal)
_BETWEEN: Final = re.compile(r"[\s,]*")


class Saved(NamedTuple):
    """A message.

    Attributes:
        number: of its line, or its place where the file is one list; from 1.
    """

    number: int
    message: Any


def text_of(content: bytes, name: str) -> str:
    """What is in a file, which may be packed with gzip. What is no UTF-8 is escaped; lines may end in any way.

    Raises:
        ConfigurationError: it cannot be unpacked.
    """
    if content.startswith(_PACKED):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ConfigurationError(f"{name} cannot be unpacked: {error}", "look whether it was cut") from error
    return content.decode("utf-8-sig", errors="backslashreplace").replace("\r\n", "\n").replace("\r", "\n")


def read_messages(text: str, name: str) -> list[Saved]:
    """All messages of a file.

    A line of JSON that cannot be read is a message of text, which an adapter refuses, so it is listed with the others.

    Args:
        text: what is in it.
        name: of the file; one that ends in `.csv` is CSV.

    Raises:
        ConfigurationError: there is no message in it, or it is CSV that cannot be read, or has more cells than names.
    """
    found = list(_rows(text, name) if name.lower().endswith(".csv") else _whole(text))
    if not found:
        raise ConfigurationError(f"{name} has no messages", "save some: JSON, a message a line, or CSV with names")
    return found


def _whole(text: str) -> Iterator[Saved]:
    """The messages of one value of JSON, or of several."""
    try:
        found = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return _values(text)
    return itertools.starmap(Saved, enumerate(_listed(found), 1))


def _values(text: str) -> Iterator[Saved]:
    """Values of JSON one after another; what begins none is a message of text, up to the end of its line."""
    at, number = 0, 1
    while True:
        gap = _BETWEEN.match(text, at)
        assert gap is not None, "it may be empty"
        number += text.count("\n", at, gap.end())
        if gap.end() == len(text):
            return
        value, at = _value_at(text, gap.end())
        for each in _listed(value):
            yield Saved(number, each)
        number += text.count("\n", gap.end(), at)


def _value_at(text: str, begin: int) -> tuple[Any, int]:
    """The value that begins here, else the rest of the line; and where that ends."""
    if text[begin] in "[{":
        try:
            return _DECODER.raw_decode(text, begin)
        except (ValueError, RecursionError):
            pass  # as a line that was cut
    end = text.find("\n", begin)
    end = len(text) if end < 0 else end
    return text[begin:end], end


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
