"""One value into one field: unchanged, or a clear refusal."""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuf.errors import RecordError
from ringbuf.record.execution import EXECUTION, ExecType, Side
from ringbuf.record.schema import Schema
from ringbuf.record.value import blank, encode
from ringbuf.ring.observer import Observer
from ringbuf.ring.producer import Producer

EVERYTHING = Schema.define(
    "everything",
    [
        *((code, code) for code in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")),
        ("text", "S8"),
        ("raw", "V4"),
        ("flag", "?"),
        ("venue", "u1"),
        ("at_ns", "i8"),
    ],
    words={"venue": {0: "unknown", 1: "LMAX", 2: "deribit"}},
)


def stored(name: str, value: object) -> Any:
    """Encode a value, store it and read it back."""
    record = blank(EVERYTHING)
    record[name] = encode(EVERYTHING, name, value)
    return record[name][0].item()


def test_in_a_blank_record_everything_is_absent() -> None:
    record = blank(EVERYTHING)[0]
    assert math.isnan(record["f4"]) and math.isnan(record["f8"])
    assert all(not record[name].tobytes().strip(b"\0") for name in EVERYTHING.names if name not in ("f4", "f8"))


@pytest.mark.parametrize("name", [name for name in EVERYTHING.names if name not in ("f4", "f8")])
def test_none_is_stored_as_absent(name: str) -> None:
    record = np.full(1, 255, "u1").repeat(EVERYTHING.record_size).view(EVERYTHING.dtype)
    record[name] = encode(EVERYTHING, name, None)
    assert not record[name].tobytes().strip(b"\0")


def test_none_is_stored_as_nan_in_floats() -> None:
    assert math.isnan(stored("f4", None)) and math.isnan(stored("f8", None))


@pytest.mark.parametrize("code", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_integers_are_stored_up_to_their_limits_and_refused_beyond(code: str) -> None:
    limits = np.iinfo(code)
    for value in (limits.min, 0, 1, limits.max):
        assert stored(code, value) == value
        assert stored(code, np.dtype(code).type(value)) == value
    for value in (limits.min - 1, limits.max + 1, 1 << 70, 10**5000):
        with pytest.raises(RecordError, match=repr(code)):
            encode(EVERYTHING, code, value)


@given(st.floats())
def test_every_f64_is_stored_to_the_bit(value: float) -> None:
    assert np.float64(stored("f8", value)).tobytes() == np.float64(value).tobytes()


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**6), max_value=10**6))
def test_every_decimal_of_up_to_15_digits_is_stored_and_given_back_by_its_shortest_text(value: Decimal) -> None:
    assert Decimal(repr(stored("f8", value))) == value


@pytest.mark.parametrize(
    "value",
    [
        Decimal("0.12345678901234567890"),
        Decimal("1e400"),
        Decimal("1e-400"),
        Decimal("sNaN"),
        Fraction(1, 3),
        (1 << 53) + 1,
        np.int64((1 << 53) + 1),
        10**400,
        10**5000,
        np.longdouble("1e4000"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_f64_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(RecordError, match="'f8'"):
        encode(EVERYTHING, "f8", value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, 7.0),
        (1 << 60, 2.0**60),
        (Decimal("-0.1"), -0.1),
        (Decimal("Infinity"), math.inf),
        (Fraction(3, 4), 0.75),
        (np.float32(0.5), 0.5),
        (np.int16(-3), -3.0),
        (math.inf, math.inf),
    ],
)
def test_numbers_of_any_kind_that_f64_holds_are_stored(value: object, expected: float) -> None:
    assert stored("f8", value) == expected


def test_a_float_is_rounded_to_the_precision_of_an_f4_field_but_never_to_infinity() -> None:
    assert stored("f4", 0.1) == np.float32(0.1)
    assert stored("f4", Decimal("0.1")) == np.float32(0.1)
    assert stored("f4", math.inf) == math.inf
    for value in (1e300, -1e300, 10**39, Decimal("1e39"), Decimal("0.123456789"), (1 << 24) + 1):
        with pytest.raises(RecordError, match="'f4'"):
            encode(EVERYTHING, "f4", value)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_text_is_stored_whole_or_refused(value: str) -> None:
    if len(value.encode()) <= 8:
        assert stored("text", value) == value.encode()
    else:
        with pytest.raises(RecordError, match=r"holds 8 bytes"):
            encode(EVERYTHING, "text", value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", "a\0b"),
        ("text", "ab\0"),
        ("text", b"ab\0"),
        ("text", "\ud800"),
        ("text", 5),
        ("text", bytearray(b"a")),
        ("raw", b"123"),
        ("raw", b"12345"),
        ("raw", "1234"),
        ("flag", 1),
        ("flag", "yes"),
        ("f8", True),
        ("f8", "1.5"),
        ("f8", 1j),
        ("f8", [1.0]),
        ("i8", True),
        ("i8", 1.0),
        ("i8", "1"),
        ("at_ns", 1.7e18),
        ("venue", "nyse"),
        ("venue", 1.0),
        ("venue", 256),
        ("nothing", 1),
    ],
)
def test_a_value_of_another_kind_is_refused(name: str, value: object) -> None:
    with pytest.raises(RecordError, match=repr(name)):
        encode(EVERYTHING, name, value)


@pytest.mark.parametrize("value", ["LMAX", "lmax", "Lmax", 1])
def test_a_word_is_found_however_it_is_capitalized(value: object) -> None:
    assert stored("venue", value) == 1


def test_a_number_without_a_word_is_stored_as_it_is() -> None:
    assert stored("venue", 200) == 200


def test_words_that_differ_in_case_alone_are_told_apart() -> None:
    schema = Schema.define("cases", [("side", "u1")], words={"side": {1: "A", 2: "a"}})
    assert [encode(schema, "side", word) for word in ("A", "a")] == [1, 2]


def test_bytes_and_flags_are_stored() -> None:
    assert stored("raw", b"\0ab\0") == b"\0ab\0"
    assert stored("flag", True) is True
    assert stored("flag", np.True_) is True
    assert stored("text", b"\xff\xfe") == b"\xff\xfe"


def test_members_of_enumerations_are_stored() -> None:
    assert encode(EXECUTION, "side", Side.SELL) == 2
    assert encode(EXECUTION, "exec_type", ExecType.FUNDING) == 13


def test_an_error_is_one_short_line_whatever_the_value() -> None:
    for value in ("x" * 1_000_000, "a\nb" * 100, 10**5000, b"y" * 1_000_000):
        with pytest.raises(RecordError) as caught:
            encode(EVERYTHING, "flag", value)
        assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)


# Through a producer


def test_what_is_refused_is_counted_and_nothing_is_appended() -> None:
    with Producer.open("everything", EVERYTHING, capacity=4) as producer:
        for fields in ({"text": "much too long"}, {"nothing": 1}, {"session": 1}, {"seq": 1}):
            with pytest.raises(RecordError):
                producer.append(**fields)
        with pytest.raises(RecordError, match="not both"):
            producer.append(blank(EVERYTHING), text="a")
        for other in ([1, 2], blank(EXECUTION), np.zeros(2, EVERYTHING.dtype), "text", 5):
            with pytest.raises(RecordError, match="append takes one record"):
                producer.append(other)
        assert (producer.head, producer.rejected, producer.dropped) == (0, 10, 0)


def test_arrays_that_cannot_be_appended_are_counted_by_their_records() -> None:
    with Producer.open("everything", EVERYTHING, capacity=4) as producer:
        several: list[Any] = [np.zeros(3, EXECUTION.dtype), np.zeros((1, 2), EVERYTHING.dtype), [1, 2], None]
        for wrong in several:
            with pytest.raises(RecordError, match="extend takes"):
                producer.extend(wrong)
        assert (producer.head, producer.rejected) == (0, 3 + 2 + 2 + 1)
        assert producer.append(text="still") == 0


def test_captured_ns_is_stamped_unless_given() -> None:
    stamped = Schema.define("stamped", [("captured_ns", "i8"), ("price", "f8")])
    with Producer.open("stamped", stamped, capacity=8) as producer, Observer.open("stamped") as observer:
        producer.append(price=1.0)
        producer.append(price=2.0, captured_ns=77)
        given = np.zeros(2, stamped.dtype)
        given["captured_ns"] = [0, 88]
        producer.extend(given)
        slot = producer.claim()
        assert slot is not None
        slot["captured_ns"] = 99
        producer.commit()
        times = observer.read(0).records["captured_ns"].tolist()
    assert times[1] == 77 and times[3:] == [88, 99]
    assert 1_700_000_000 * 10**9 < times[0] <= times[2]


def test_a_field_called_captured_that_is_no_time_is_left_alone() -> None:
    other = Schema.define("other", [("captured_ns", "f8")])
    with Producer.open("other", other, capacity=2) as producer, Observer.open("other") as observer:
        producer.append()
        assert math.isnan(observer.read(0).records["captured_ns"][0])


def test_text_of_the_full_width_and_every_other_field_comes_back() -> None:
    values = {"i1": -128, "u8": (1 << 64) - 1, "f4": 0.5, "f8": -0.1, "text": "12345678", "raw": b"\0\1\2\0"}
    with Producer.open("everything", EVERYTHING, capacity=2) as producer, Observer.open("everything") as observer:
        producer.append(**values, flag=True, venue="LMAX", at_ns=-1)
        record = observer.read(0).records[0]
    assert {name: record[name].item() for name in values} == values | {"text": b"12345678"}
    assert (record["flag"], record["venue"], record["at_ns"]) == (True, 1, -1)
