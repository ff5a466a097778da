"""Each value that may be given, in the native core and in pure Python: the same bytes, the same flags."""

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuf.record.execution import OrderStatus, Side
from ringbuf.record.fields import BY_NAME, ENUMERATIONS, Given, Kind, names
from ringbuf.record.words import TABLES
from tests.unit.ring.both_recorders import FILL, Both, Text, needs_core

FIELDS = sorted(names(given=Given.CALL))
NUMBERS = names(Kind.NUMBER)
GIVEN_TEXTS = {name: BY_NAME[name].width for name in names(Kind.TEXT, Given.CALL)}


@pytest.fixture
def both() -> Iterator[Both]:
    ring = Both()
    yield ring
    ring.remove()


class Word(StrEnum):
    BUY = "buy"


WRONG = [Decimal(1), None, True, False, b"7", 1.0, "7", object(), Fraction(1, 3), [], float("nan"), float("-inf")]
WRONG_WORDS = ["", "nothing", 0, 255, -1, 1 << 70, Word.BUY, OrderStatus.NEW, Side.SELL, np.int8(1)]
EDGES = [1 << 53, (1 << 53) + 1, -(1 << 53), -(1 << 53) - 1, 1 << 70, np.float64(0.1), np.float32(0.1), -0.0]
EDGE_DECIMALS = [
    *(
        "0",
        "-0",
        "-0.0",
        "0.000",
        "5.",
        ".5",
        ".",
        "-",
        "",
        "+5",
        "--5",
        "1.2.3",
        "-.5",
        "1 5",
        " 5",
        "5\n",
        "1e5",
        "1_0",
    ),
    *("64000.5", "-0.1", "0.30000000000000004", "123456789012345", "999999999999999", "1000000000000000"),
    *("1000000000000001", "9007199254740992", "9007199254740993", "0.123456789012345", "0.1234567890123456"),
    *("1000000000000000000", "10000000000000000000", "100000000000000000000", "0000000000000000000000005"),
    *(
        "0.0000000000000000001",
        "0.000000000000000001",
        "1.000000000000000000",
        "12.00000000000000000",
        "0.100000000000000000",
    ),
    *(
        "8.41",
        "0.07",
        "1.7976931348623157e308",
        "inf",
        "nan",
        "0x10",
        "٣",
        "½",
        b"64000.5",
        b"1.x",
        b"\xff",
        Text("1.5"),
    ),
]
UNCLEAR = [946_684_799, 946_684_800, 1_700_000_000_000, 4_102_444_799_999_999, 4_102_444_800_000_000]
EDGE_INTEGERS = [
    *UNCLEAR,
    0,
    -1,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
    1 << 64,
    -(1 << 63),
    -(1 << 63) - 1,
    np.int64(5),
]
EDGE_TEXTS = ["", "a\0b", "\0", "\ud800", "12345678\0", "1234567\0", "1234567\0" * 2, Text("a")]


def edges(name: str) -> list[Any]:
    """Values of a field that are right, just not right any more, or wrong."""
    if name in ENUMERATIONS:
        return [*TABLES[name], *ENUMERATIONS[name], *WRONG_WORDS, *WRONG]
    if name in NUMBERS:
        return [*EDGES, *EDGE_DECIMALS, *WRONG]
    if name not in GIVEN_TEXTS:
        return [*EDGE_INTEGERS, *WRONG]
    width = GIVEN_TEXTS[name]
    return [*EDGE_TEXTS, *(each * count for each in "xé" for count in range(width // 2 - 1, width + 2)), *WRONG]


@needs_core
@pytest.mark.parametrize("name", FIELDS)
def test_both_recorders_store_each_value_as_the_same_bytes(both: Both, name: str) -> None:
    for method, others in (("order", {}), ("order", {"origin": "simulated"}), ("fill", FILL), ("fill", {})):
        for value in edges(name):
            both.check_same(method, others | {name: value})


def values(name: str) -> st.SearchStrategy[Any]:
    """Values of a field, mostly right ones."""
    if name in ENUMERATIONS:
        right: st.SearchStrategy[Any] = st.sampled_from([*TABLES[name], *ENUMERATIONS[name]])
    elif name in NUMBERS:
        right = st.floats() | st.integers(-(1 << 54), 1 << 54) | st.decimals(allow_nan=False).map(str)
    elif name in GIVEN_TEXTS:
        right = st.text(max_size=12)
    else:
        right = st.integers(0, 1 << 62)
    return st.sampled_from(range(10)).flatmap(lambda chance: right if chance else st.sampled_from(edges(name)))


@needs_core
def test_both_recorders_store_any_values_as_the_same_bytes(both: Both) -> None:
    @given(
        fields=st.fixed_dictionaries({}, optional={name: values(name) for name in FIELDS}),
        others=st.sampled_from([{}, FILL]),
        method=st.sampled_from(["order", "fill"]),
    )
    def check(fields: dict[str, Any], others: dict[str, Any], method: str) -> None:
        both.check_same(method, others | fields)

    check()
