"""Rows in the format RowBinaryWithNamesAndTypes: the server reads it with the least work, and every value exactly.

The format is described at https://clickhouse.com/docs/interfaces/formats/RowBinary.
"""

import re
import struct
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, localcontext
from typing import Any, Final

from ringbuf.trading.number import EXACT

Encode = Callable[[Any], bytes]

_PACKED: Final = {
    "Bool": "?",
    "UInt8": "B",
    "UInt16": "<H",
    "UInt32": "<I",
    "UInt64": "<Q",
    "Int64": "<q",
    "Float64": "<d",
    "DateTime64(9, 'UTC')": "<q",
}
_DECIMAL: Final = re.compile(r"Decimal\(76, (\d+)\)")
_DECIMAL_BYTES: Final = 32
_AROUND: Final = re.compile(r"(Nullable|Array|Tuple|LowCardinality)\((.*)\)")


def header(types: Mapping[str, str]) -> bytes:
    """What stands before the rows.

    Args:
        types: of the columns by name, as the server writes them.
    """
    return _varint(len(types)) + b"".join(map(text_of, (*types, *types.values())))


def body(types: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """The rows.

    Args:
        rows: by column a text, a number, a Decimal, a list or None; a time is ns since the epoch.

    Raises:
        ValueError: a Decimal has more digits behind the point than its column.
    """
    columns = [(name, _encoder(type_)) for name, type_ in types.items()]
    with localcontext(EXACT):
        return b"".join(encode(row[name]) for row in rows for name, encode in columns)


def default(type_: str) -> Any:
    """What a column of a type has in a row that does not give it."""
    if found := _AROUND.fullmatch(type_):
        around, inner = found.groups()
        return {"Nullable": None, "Array": ()}[around] if around != "LowCardinality" else default(inner)
    return "" if type_ == "String" else 0


def _encoder(type_: str) -> Encode:
    """What makes the bytes of a value of a type."""
    if type_ in _PACKED:
        return struct.Struct(_PACKED[type_]).pack
    if type_ == "String":
        return text_of
    if decimal := _DECIMAL.fullmatch(type_):
        return _decimal_of(int(decimal[1]))
    if found := _AROUND.fullmatch(type_):
        around, inner = found.groups()
        return _AROUND_ANOTHER[around](inner)
    raise ValueError(f"no encoding is known of {type_}")


def _varint(number: int) -> bytes:
    """A length as LEB128."""
    low = bytes([number % 128])
    return low if number < 128 else bytes([low[0] | 128]) + _varint(number // 128)


def text_of(value: str) -> bytes:
    """A text."""
    data = value.encode(errors="surrogatepass")
    return _varint(len(data)) + data


def _decimal_of(decimals: int) -> Encode:
    def encode(value: Decimal | int) -> bytes:
        scaled = Decimal(value).scaleb(decimals)
        if scaled != (whole := int(scaled)):
            raise ValueError(f"{value} has more than {decimals} digits behind the point")
        return whole.to_bytes(_DECIMAL_BYTES, "little", signed=True)

    return encode


def _nullable_of(inner: str) -> Encode:
    encode = _encoder(inner)
    return lambda value: b"\1" if value is None else b"\0" + encode(value)


def _array_of(inner: str) -> Encode:
    encode = _encoder(inner)
    return lambda values: _varint(len(values)) + b"".join(map(encode, values))


def _tuple_of(inner: str) -> Encode:
    encoders = [_encoder(each) for each in inner.split(", ")]
    return lambda values: b"".join(encode(value) for encode, value in zip(encoders, values, strict=True))


_AROUND_ANOTHER: Final = {
    "Nullable": _nullable_of,
    "Array": _array_of,
    "Tuple": _tuple_of,
    "LowCardinality": _encoder,
}
