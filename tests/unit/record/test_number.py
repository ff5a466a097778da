"""Numbers of every kind: what is stored of them, and what they count as."""

import math
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringbuf.errors import RecordError
from ringbuf.record.execution import EXECUTION, Flag
from ringbuf.record.fields import BY_NAME, FIELDS, Kind, names
from ringbuf.record.number import IMPORTANCE, exact_number, pack, read_number
from ringbuf.record.salvage import salvage
from ringbuf.record.value import blank
from tests.model.values import ANYTHING, Disguised, hostile

TOKENS = "1234567.123456789012345678"
"""An amount of a token with 18 decimals."""

PLAIN_DECIMAL = st.from_regex(r"\A-?[0-9]{1,12}(\.[0-9]{1,25})?\Z")


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ((1 << 53) + 1, "9007199254740993"),
        (1 << 60, "1152921504606846976"),
        (np.int64((1 << 53) + 1), "9007199254740993"),
        (-(10**21) - 1, "-1000000000000000000001"),
        (Decimal("0.12345678901234567890"), "0.1234567890123456789"),
        ("0.12345678901234567890", "0.1234567890123456789"),
        ("-0.12345678901234567890", "-0.1234567890123456789"),
        ("+000.12345678901234567890", "0.1234567890123456789"),
        (b"12345678901234567890", "12345678901234567890"),
        ("1.2345678901234567890e-2", "0.01234567890123456789"),
        ("1234567890123456789012e3", "1234567890123456789012000"),
        (Fraction(10**20 + 1, 8), "12500000000000000000.125"),
        (Decimal.from_float(0.1), "0.1000000000000000055511151231257827021181583404541015625"),
        (Decimal("1e205") + 0, ""),  # the shortest text of its f64
        (Decimal("1." + "1" * 150), "1." + "1" * 150),
        # what an f64 holds
        *((value, "") for value in (0.1, np.float64(0.1), np.float32(0.1), 7, 1 << 53, "0.1", b"-5", Decimal("1e22"))),
        *((value, "") for value in ("9007199254740992", "0.10000000000000000000000", Fraction(1, 10), Fraction(1, 4))),
        *((value, "") for value in (None, "", math.nan, math.inf, Decimal("NaN"), Decimal("-Infinity"))),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_number_that_no_f64_holds_is_kept_whole(value: Any, kept: str) -> None:
    found = read_number(value)
    assert (found.whole, found.inexact) == (kept, False)


@pytest.mark.parametrize(
    "value",
    [
        Fraction(1, 3),
        np.longdouble("0.1"),
        Decimal("1e-330"),
        Decimal("1e-999999999"),
        "1e-99999999999999999999999",
        Decimal("1." + "1" * 250),
        "1." + "1" * 100_000,
        10**300 + 1,
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_number_with_too_many_digits_is_the_nearest_f64_and_said_to_be(value: Any) -> None:
    found = read_number(value)
    assert (found.whole, found.inexact) == ("", True)
    assert found.stored == float(value)


@pytest.mark.parametrize("value", ["1e400", Decimal("1e400"), Decimal("1e999999999"), 10**400, "9" * 400], ids=type)
def test_a_number_beyond_the_largest_f64_is_refused(value: Any) -> None:
    with pytest.raises(RecordError, match="is no number that can be stored"):
        read_number(value)


@given(PLAIN_DECIMAL)
def test_decimal_text_counts_as_what_it_says(text: str) -> None:
    found = read_number(text)
    assert found.stored == float(text) and not found.inexact
    assert Decimal(found.whole or repr(found.stored)) == Decimal(text)
    assert (found.whole == "") == (Decimal(repr(float(text))) == Decimal(text))
    assert read_number(text.encode()) == read_number(Decimal(text)) == found


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
@example(Decimal("1.2345678901234567891e-250"))
def test_a_decimal_counts_as_what_it_is_under_any_context_of_the_caller(value: Decimal) -> None:
    with localcontext(Context(prec=3)):
        found = read_number(value)
    assert Decimal(found.whole or repr(found.stored)) == value or found.inexact
    if found.inexact:
        assert len(f"{abs(value):f}") > 206
    else:
        assert "E" not in found.whole and (("." not in found.whole) or found.whole[-1] not in "0.")


@given(st.text() | st.text("0123456789+-.eE_ xinfa"))
def test_any_text_is_the_number_it_says_or_refused(text: str) -> None:
    try:
        found = read_number(text)
    except RecordError:
        return
    if math.isnan(found.stored):
        assert not text.strip()
    else:
        assert Decimal(found.whole or repr(found.stored)) == Decimal(text) or found.inexact
        assert text.isascii() and "_" not in text and "n" not in text.lower()


@given(ANYTHING)
def test_any_value_is_a_number_or_refused(value: Any) -> None:
    for read in (read_number, lambda given: exact_number({"price": given, "quantity": given}, "price")):
        try:
            read(value)
        except RecordError:
            continue


def test_an_object_whose_methods_raise_is_refused() -> None:
    messages = []
    for error in (ValueError, RuntimeError, MemoryError, RecursionError):
        for value in (*hostile(error), Disguised()):
            others = {"price": TOKENS, "quantity": value, "origin": value, "exact": value}
            for record in ({"price": value}, others):
                try:
                    exact_number(record, "price")
                except RecordError as refused:
                    messages.append(str(refused))
    assert messages and all(len(message) < 300 for message in messages)


# The field `exact`


def test_every_number_has_a_code_of_its_own() -> None:
    codes = [each.code for each in FIELDS if each.kind is Kind.NUMBER]
    assert len(set(codes)) == len(codes) and all(len(code) == 1 and code.isalpha() for code in codes)
    assert {each.kind for each in FIELDS if each.code} == {Kind.NUMBER}
    assert all(
        BY_NAME[name].code.islower() == BY_NAME[name].of_fill for name in names(Kind.NUMBER) if name != "venue_position"
    )


def test_seven_amounts_of_18_decimals_are_kept_whole() -> None:
    seven = IMPORTANCE[:7]
    text, left_out = pack(dict.fromkeys(seven, TOKENS))
    assert text == ";".join(f"{BY_NAME[name].code}={TOKENS}" for name in seven).encode()
    assert left_out == frozenset() and len(text) <= 208


def test_the_most_important_numbers_are_kept_and_the_others_are_flagged() -> None:
    given = dict.fromkeys(names(Kind.NUMBER), TOKENS)
    stored, flags = salvage(given)
    assert flags == Flag.NUMBER_INEXACT
    assert [part[:1] for part in stored["exact"].split(b";")] == [
        BY_NAME[name].code.encode() for name in IMPORTANCE[:7]
    ]
    for name in names(Kind.NUMBER):
        is_kept = name in IMPORTANCE[:7]
        assert exact_number(given, name) == (Decimal(TOKENS) if is_kept else Decimal(repr(float(TOKENS))))


def test_a_smaller_number_may_have_room_where_a_larger_one_had_none() -> None:
    digits = "1." + "1" * 97
    text, left_out = pack({"last_quantity": digits, "last_price": digits, "quantity": digits, "price": "7"})
    assert text == f"q={digits};p={digits};P=7".encode()
    assert left_out == {"quantity"}


@given(st.dictionaries(st.sampled_from(names(Kind.NUMBER)), PLAIN_DECIMAL | st.floats() | st.decimals() | ANYTHING))
def test_given_fields_and_the_record_made_of_them_count_the_same(fields: dict[str, Any]) -> None:
    stored, flags = salvage(fields)
    record = blank(EXECUTION)[0]
    for name, value in stored.items():
        record[name] = value
    for name in names(Kind.NUMBER):
        counted = exact_number(record, name)
        try:
            assert exact_number(fields, name) == counted
        except RecordError:
            assert counted is None and flags & Flag.NUMBER_INVALID
        row = {each: record[each].item() for each in EXECUTION.names}
        assert exact_number(row | {"exact": row["exact"].decode()}, name) == counted


@pytest.mark.parametrize(
    ("exact", "counted"),
    [
        (b"", "0.5"),
        (b"q=0.50000000000000000001", "0.50000000000000000001"),
        (b"p=1;q=-2;f=3", "-2"),
        (b"q=7;q=8", "7"),
        (b"Q=7", "0.5"),
        (b"qq=7", "0.5"),
        (b"q=7;", "7"),
        *((text, "0.5") for text in (b"q=", b"q=1e5", b"q=+1", b"q=.5", b"q=5.", b"q=nan", b"q= 1", b"xq=1", b"q=1 ")),
        (b"\xff;q=7", "0.5"),
        ("é;q=7".encode(), "7"),
        (b"q=7\n", "0.5"),
        ("q=\u0663".encode(), "0.5"),
    ],
)
def test_a_part_that_is_no_plain_number_does_not_count(exact: bytes, counted: str) -> None:
    record = blank(EXECUTION)[0]
    record["last_quantity"], record["exact"] = 0.5, exact
    assert exact_number(record, "last_quantity") == Decimal(counted)


def test_a_record_without_the_field_has_no_such_number() -> None:
    record = np.zeros(1, [("last_quantity", "<f8")])[0]
    assert exact_number(record, "arrival_price") is None
    assert exact_number(record, "last_quantity") == 0
    assert exact_number({}, "last_quantity") is None


def test_what_is_not_finite_does_not_count() -> None:
    for value in (math.nan, math.inf, -math.inf, np.float64("inf"), Decimal("Infinity"), None, ""):
        assert exact_number({"price": value}, "price") is None


def test_an_error_names_the_field() -> None:
    with pytest.raises(
        RecordError, match=r"field 'price': '1,5' is no number .*; give a float, Decimal or decimal text"
    ):
        exact_number({"price": "1,5"}, "price")
