"""What a recorder stores of each value, and which flags it sets: field, value, what is stored, flags."""

import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from ringbuf.record.execution import EXECUTION, Flag, Side
from ringbuf.ring.observer import Observer
from ringbuf.strategies import BoundRecorder, Recorder

pytestmark = pytest.mark.usefixtures("implementation")

NAME = "mm-btc"


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder.open(NAME, capacity=64) as opened:
        yield opened


@pytest.fixture
def bound(recorder: Recorder) -> BoundRecorder:
    return recorder.bind(exchange="deribit", account="A1", symbol="BTC-PERPETUAL", strategy="mm-btc")


def last_record() -> Any:
    with Observer.open(NAME) as observer:
        return observer.read(observer.head - 1).records[0]


LONG = "x" * 70
SHORTENED = b"x" * 55 + b"#c71bd109"  # of sha256sum, as all hashes here
TEXT_RULES = [
    ("order_id", "O" * 72, b"O" * 72, 0),
    ("client_order_id", "ü" * 32, ("ü" * 32).encode(), 0),
    ("client_order_id", LONG, SHORTENED, Flag.TEXT_SHORTENED),
    ("client_order_id", LONG.encode(), SHORTENED, Flag.TEXT_SHORTENED),
    ("client_order_id", "ü" * 33, ("ü" * 27).encode() + b"#4c281ee7", Flag.TEXT_SHORTENED),
    ("text", "a\0b", b"a\\0b", Flag.TEXT_INVALID),
    ("text", "a\0", b"a\\0", Flag.TEXT_INVALID),
    ("text", "\0" * 40, b"\\0" * 27 + b"\\#9bf43318", Flag.TEXT_INVALID | Flag.TEXT_SHORTENED),
    ("text", "a\ud800b", b"a\\ud800b", Flag.TEXT_INVALID),
    ("text", b"valid \xc3\xbc", b"valid \xc3\xbc", 0),
    ("text", b"a\xff\xfeb", b"a\xff\xfeb", Flag.TEXT_INVALID),
    ("order_id", 12345, b"12345", Flag.TEXT_INVALID),
    ("order_id", 1.5, b"1.5", Flag.TEXT_INVALID),
    ("order_id", True, b"True", Flag.TEXT_INVALID),
    ("order_id", ["a"], b"['a']", Flag.TEXT_INVALID),
    ("order_id", 10**5000, b"", Flag.TEXT_INVALID),
    ("order_id", np.str_("O-1"), b"O-1", 0),
]
NAN = math.nan
NUMBER_RULES = [
    ("price", 5, 5.0, 0),
    ("price", -(1 << 53), -float(1 << 53), 0),
    ("price", 10**400, NAN, Flag.NUMBER_INVALID),
    ("price", np.float64(0.1), 0.1, 0),
    ("price", np.float32(0.5), 0.5, 0),
    ("price", np.int32(7), 7.0, 0),
    ("price", Decimal("64000.50"), 64000.5, 0),
    ("price", Decimal("0.1"), 0.1, 0),
    ("price", Decimal("1e-400"), 0.0, Flag.NUMBER_INEXACT),
    ("price", Decimal("1e400"), NAN, Flag.NUMBER_INVALID),
    ("price", Decimal("NaN"), NAN, 0),
    ("price", Decimal("sNaN"), NAN, Flag.NUMBER_INVALID),
    ("price", Fraction(1, 4), 0.25, 0),
    ("price", Fraction(1, 3), 1 / 3, Flag.NUMBER_INEXACT),
    ("price", np.longdouble("0.1"), 0.1, Flag.NUMBER_INEXACT),
    ("price", np.float32(0.1), 0.10000000149011612, 0),
    ("price", "64000.5", 64000.5, 0),
    ("price", b"64000.5", 64000.5, 0),
    ("price", bytearray(b"64000.5"), 64000.5, 0),
    ("price", "-0.10", -0.1, 0),
    ("price", "+5", 5.0, 0),
    ("price", ".5", 0.5, 0),
    ("price", "5.", 5.0, 0),
    ("price", "-0", -0.0, 0),
    ("price", "00012.50", 12.5, 0),
    ("price", "1e-7", 1e-7, 0),
    ("price", "6.4E+4", 64000.0, 0),
    ("price", " 64000.5\r\n", 64000.5, 0),
    ("price", "1.000000000000000000", 1.0, 0),
    ("price", "1e-400", 0.0, Flag.NUMBER_INEXACT),
    ("price", "", NAN, 0),
    ("price", " ", NAN, 0),
    *(
        ("price", text, NAN, Flag.NUMBER_INVALID)
        for text in (
            "inf",
            "-Infinity",
            "nan",
            "0x10",
            "1_000",
            "1,5",
            "1 5",
            "٣",
            "--1",
            "1.2.3",
            ".",
            "1e",
            "e5",
            "½",
        )
    ),
    ("price", "1e400", NAN, Flag.NUMBER_INVALID),
    ("price", "a lot", NAN, Flag.NUMBER_INVALID),
    ("price", True, NAN, Flag.NUMBER_INVALID),
    ("price", np.True_, NAN, Flag.NUMBER_INVALID),
    ("price", 1j, NAN, Flag.NUMBER_INVALID),
    ("price", [], NAN, Flag.NUMBER_INVALID),
    ("price", math.inf, math.inf, 0),
    ("price", NAN, NAN, 0),
    ("commission", -0.0, -0.0, 0),
]
WORD_RULES = [
    ("liquidity", "MAKER", 1, 0),
    ("liquidity", "  Maker ", 1, 0),
    ("liquidity", 2, 2, 0),
    ("liquidity", np.uint8(2), 2, 0),
    ("liquidity", Side.SELL, 0, Flag.WORD_UNKNOWN),
    ("liquidity", "both", 0, Flag.WORD_UNKNOWN),
    ("liquidity", 200, 0, Flag.WORD_UNKNOWN),
    ("liquidity", True, 0, Flag.WORD_UNKNOWN),
    ("liquidity", 1.0, 0, Flag.WORD_UNKNOWN),
    ("liquidity", Decimal(1), 0, Flag.WORD_UNKNOWN),
    ("liquidity", [], 0, Flag.WORD_UNKNOWN),
    ("liquidity", "", 0, 0),
    ("exec_type", "", 0, 0),
    ("exec_type", "no type", 0, Flag.WORD_UNKNOWN),
]
INTEGER_RULES = [
    ("exchange_ns", (1 << 63) - 1, (1 << 63) - 1, 0),
    ("exchange_ns", -(1 << 63), -(1 << 63), 0),
    ("exchange_ns", 1 << 63, 0, Flag.TIME_INVALID),
    ("exchange_ns", -(1 << 63) - 1, 0, Flag.TIME_INVALID),
    ("received_ns", 10**5000, 0, Flag.TIME_INVALID),
    ("exchange_ns", np.int64(5), 5, 0),
    ("exchange_ns", 1.7e18, 0, Flag.TIME_INVALID),
    ("exchange_ns", "2024-01-01", 0, Flag.TIME_INVALID),
    ("exchange_ns", True, 0, Flag.TIME_INVALID),
    ("exchange_seq", (1 << 64) - 1, (1 << 64) - 1, 0),
    ("exchange_seq", 1 << 64, 0, Flag.NUMBER_INVALID),
    ("exchange_seq", -1, 0, Flag.NUMBER_INVALID),
    ("exchange_seq", "7", 7, 0),
    ("exchange_seq", b" 18446744073709551615", (1 << 64) - 1, 0),
    ("exchange_seq", "", 0, 0),
    *(("exchange_seq", text, 0, Flag.NUMBER_INVALID) for text in ("-1", "1.5", "1_0", "٣", "18446744073709551616")),
]


@pytest.mark.parametrize(
    ("name", "value", "stored", "flags"),
    [*TEXT_RULES, *NUMBER_RULES, *WORD_RULES, *INTEGER_RULES],
    ids=lambda value: str(value)[:24] if not isinstance(value, int) or value < 1 << 64 else "huge",
)
def test_every_value_is_recorded_and_what_was_changed_is_flagged(
    recorder: Recorder, bound: BoundRecorder, name: str, value: Any, stored: Any, flags: int
) -> None:
    assert bound.order(**{name: value, "order_status": "new"}) == 0
    record = last_record()
    expected = np.array([stored], EXECUTION.fields[name][0])[0]
    assert record[name].tobytes() == expected.tobytes()
    assert (record["flags"], recorder.producer.flagged) == (flags, 1 if flags else 0)
    assert (record["order_status"], record["symbol"]) == (2, b"BTC-PERPETUAL")
