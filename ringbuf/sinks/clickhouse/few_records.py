"""Few records as rows of what the columns hold, so that the server has nothing to compute.

The server plans every function in the expressions of a table's columns anew for each insert, however few its rows are.
So of few records words and texts are made here, as those expressions (`table.py`) would make them. What is unusual, a
value that has no word or a text that is no UTF-8, is left to the server.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ringbuf.record.schema import Schema
from ringbuf.sinks.clickhouse import table
from ringbuf.sinks.clickhouse.row_binary import header, text_of

FEW: Final = 100
"""So few records: of more the server computes faster than this is done here."""


class _Field(NamedTuple):
    """Where a field is in the bytes of a record, and what makes the bytes of its column of them; None: they are."""

    begin: int
    end: int
    encode: Callable[[bytes], bytes] | None


class FewRecords:
    """Records of one schema.

    Args:
        found: the types of the table's columns, by name.
    """

    def __init__(self, schema: Schema, database: str, found: Mapping[str, str]) -> None:
        self._size = schema.record_size
        self._fields = [*_fields(schema)]
        names = ", ".join(map(table.quoted, schema.names))
        self.into = f"INSERT INTO {table.table_name(schema, database)} ({names})"
        self.header = header({name: found[name] for name in schema.names})

    def rows(self, body: Sequence[memoryview]) -> bytes | None:
        """These records as rows; None if the server has to make them."""
        data = b"".join(body)
        if len(data) % self._size:
            return None
        try:
            return b"".join(
                data[begin + each.begin : begin + each.end]
                if each.encode is None
                else each.encode(data[begin + each.begin : begin + each.end])
                for begin in range(0, len(data), self._size)
                for each in self._fields
            )
        except (KeyError, UnicodeDecodeError):
            return None


def fits(schema: Schema, found: Mapping[str, str]) -> bool:
    """Whether columns of these types are as the schema's are, but for dictionaries of texts."""
    return all(
        name in found and table.plain(found[name]) == table.plain(table.column_type(schema, name))
        for name in schema.names
    )


def _fields(schema: Schema) -> Iterator[_Field]:
    for name in schema.names:
        dtype, begin = schema.fields[name]
        encode: Callable[[bytes], bytes] | None = None
        if name in schema.words:
            words = {0: "unknown", **schema.words[name]}
            encode = {bytes([int(value)]): text_of(word) for value, word in words.items()}.__getitem__
        elif dtype.kind == "S":
            encode = _text
        elif dtype.kind == "b":
            encode = _bool
        yield _Field(begin, begin + dtype.itemsize, encode)


def _text(raw: bytes) -> bytes:
    return text_of(raw.rstrip(b"\0").decode())


def _bool(raw: bytes) -> bytes:
    return b"\1" if any(raw) else b"\0"
