"""The bytes of rows are those that the database itself makes of them."""

import math
import struct
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringbuf.sinks.clickhouse import row_binary
from tests.clickhouse.databases import ON_SERVER, Database

TYPES = {
    "a text": "String",
    "word": "LowCardinality(String)",
    "flag": "Bool",
    "tiny": "UInt8",
    "small": "UInt16",
    "medium": "UInt32",
    "large": "UInt64",
    "signed": "Int64",
    "time": "DateTime64(9, 'UTC')",
    "float": "Float64",
    "exact": "Decimal(76, 38)",
    "product": "Nullable(Decimal(76, 52))",
    "names": "Array(String)",
    "records": "Array(Tuple(UInt64, UInt64))",
}
WHOLE = st.integers(0, (1 << 64) - 1)


def decimals(places: int) -> st.SearchStrategy[Decimal]:
    return st.integers(1 - 10**76, 10**76 - 1).map(lambda number: scaled(number, places))


def scaled(number: int, places: int) -> Decimal:
    """A Decimal of all digits, whatever the context."""
    sign, digits = int(number < 0), tuple(map(int, str(abs(number))))
    return Decimal((sign, digits, -places))


ROWS = st.fixed_dictionaries(
    {
        "a text": st.text(max_size=300),
        "word": st.sampled_from(["", "filled", "žluť"]),
        "flag": st.booleans(),
        "tiny": st.integers(0, 255),
        "small": st.integers(0, 65_535),
        "medium": st.integers(0, (1 << 32) - 1),
        "large": WHOLE,
        "signed": st.integers(-(1 << 63), (1 << 63) - 1),
        "time": st.integers(-(1 << 63), (1 << 63) - 1),
        "float": st.floats(allow_nan=False) | st.just(-0.0),
        "exact": decimals(38),
        "product": st.none() | decimals(52),
        "names": st.lists(st.text(max_size=5), max_size=200),
        "records": st.lists(st.tuples(WHOLE, WHOLE), max_size=5),
    }
)


@ON_SERVER
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=ROWS)
def test_a_row_has_the_bytes_that_the_database_gives_for_it(views: Database, row: dict[str, Any]) -> None:
    assert views.read_back(TYPES, [row]) == row_binary.header(TYPES) + row_binary.body(TYPES, [row])


def test_rows_of_both_engines_are_those_that_were_inserted(views: Database) -> None:
    types = {"name": "String", "number": "Float64", "exact": "Decimal(76, 38)"}
    rows = [{"name": str(each), "number": math.nan, "exact": Decimal(each) / 8} for each in range(300)]
    assert views.read_back(types, rows) == row_binary.header(types) + row_binary.body(types, rows)


def test_the_layout_is_that_of_the_documentation() -> None:
    assert row_binary.header({"a": "UInt16", "b": "String"}) == b"\x02\x01a\x01b\x06UInt16\x06String"
    types = {"a": "UInt16", "b": "Nullable(String)", "c": "Array(Bool)", "d": "Decimal(76, 2)", "e": "Float64"}
    row = {"a": 258, "b": "ž", "c": [True, False], "d": Decimal("-0.01"), "e": 1.5}
    expected = b"\x02\x01" + b"\x00\x02\xc5\xbe" + b"\x02\x01\x00" + b"\xff" * 32 + struct.pack("<d", 1.5)
    assert row_binary.body(types, [row]) == expected
    assert row_binary.body({"b": "Nullable(String)"}, [{"b": None}]) == b"\x01"
    assert row_binary.body({"b": "String"}, [{"b": "x" * 200}])[:2] == b"\xc8\x01"


def test_a_number_of_more_digits_than_its_column_has_is_not_rounded_in_silence() -> None:
    with pytest.raises(ValueError, match=r"0\.001 has more than 2 digits behind the point"):
        row_binary.body({"d": "Decimal(76, 2)"}, [{"d": Decimal("0.001")}])


def test_a_type_without_an_encoding_is_named() -> None:
    with pytest.raises(ValueError, match="no encoding is known of Point"):
        row_binary.body({"d": "Point"}, [{"d": 1}])
