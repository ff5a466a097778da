"""Times of every kind, to ns since the epoch; what had to be concluded is flagged, what is no time is refused."""

import math
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringbuf.errors import RecordError
from ringbuf.record.execution import EXECUTION, Flag, Origin
from ringbuf.record.timestamp import PRESENT, SECOND, read_time, time_ns

NOON = 1_704_110_400  # 2024-01-01 12:00 UTC, in seconds
NS = NOON * SECOND
BERLIN = timezone(timedelta(hours=1))
naive = datetime.fromisoformat
RESCALED, ASSUMED = Flag.TIME_RESCALED, Flag.TIME_ZONE_ASSUMED


@pytest.mark.parametrize(
    ("value", "ns", "flags"),
    [
        (None, 0, 0),
        (0, 0, 0),
        (NS + 1, NS + 1, 0),
        (np.int64(NS), NS, 0),
        (5, 5, 0),
        (-NS, -NS, 0),
        (-NOON, -NOON, 0),
        # s, ms, us
        (NOON, NS, RESCALED),
        (NOON * 1_000 + 7, NS + 7_000_000, RESCALED),
        (NOON * 1_000_000 + 7, NS + 7_000, RESCALED),
        (np.int64(NOON), NS, RESCALED),
        (NOON + 0.25, NS + 250_000_000, RESCALED),
        (NOON * 1_000.0, NS, RESCALED),
        (1616663618.1234, 1_616_663_618_123_400_000, RESCALED),
        (np.float64(NOON), NS, RESCALED),
        (Decimal(NOON) + Decimal("0.123456789"), NS + 123_456_789, RESCALED),
        (Fraction(NOON * 3 + 1, 3), NS + 333_333_333, RESCALED),
        (Decimal(NS), NS, 0),
        # their limits
        (PRESENT[0] - 1, PRESENT[0] - 1, 0),
        (PRESENT[0], PRESENT[0] * SECOND, RESCALED),
        (PRESENT[1] - 1, (PRESENT[1] - 1) * SECOND, RESCALED),
        (PRESENT[1], PRESENT[1], 0),
        (PRESENT[0] * 1_000 - 1, PRESENT[0] * 1_000 - 1, 0),
        (PRESENT[1] * 1_000_000 - 1, PRESENT[1] * SECOND - 1_000, RESCALED),
        (PRESENT[1] * 1_000_000, PRESENT[1] * 1_000_000, 0),
        # datetimes
        (datetime(2024, 1, 1, 12, tzinfo=UTC), NS, 0),
        (datetime(2024, 1, 1, 13, 0, 0, 7, tzinfo=BERLIN), NS + 7_000, 0),
        (naive("2024-01-01T12:00"), NS, ASSUMED),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), -1_000, 0),
        (np.datetime64("2024-01-01T12:00:00.123456789"), NS + 123_456_789, 0),
        (np.datetime64("2024-01-01T12"), NS, 0),
        (np.datetime64("2024-01-01"), NS - 43_200 * SECOND, 0),
        (np.datetime64("2024-01"), NS - 43_200 * SECOND, 0),
        (np.datetime64("1971"), 365 * 86_400 * SECOND, 0),
        (np.datetime64(NOON // 7, ("s", 7)), NOON // 7 * 7 * SECOND, 0),
        (np.datetime64(10**15, "ps"), 10**12, 0),
        (np.datetime64(10**15 + 1_999, "ps"), 10**12 + 1, RESCALED),
        # text
        ("", 0, 0),
        (" ", 0, 0),
        (str(NS + 1), NS + 1, 0),
        (b"1704110400000", NS, RESCALED),
        ("1704110400.5", NS + 500_000_000, RESCALED),
        ("2024-01-01T12:00:00Z", NS, 0),
        ("2024-01-01T12:00:00.123456789Z", NS + 123_456_789, 0),
        ("2024-01-01 13:00:00.5+01:00", NS + 500_000_000, 0),
        ("2024-01-01T13:00:00+0100", NS, 0),
        ("2024-01-01 11:00:00.5-01", NS + 500_000_000, 0),
        ("2024-01-01T12:00:00", NS, ASSUMED),
        (bytearray(b"2024-01-01T12:00:00Z"), NS, 0),
    ],
    ids=repr,
)
def test_a_time_is_ns_since_the_epoch(value: Any, ns: int, flags: int) -> None:
    assert read_time(value) == (ns, flags)


class Unwilling(tzinfo):
    def utcoffset(self, _: datetime | None) -> timedelta:
        raise RuntimeError("on purpose")

    dst = utcoffset

    def tzname(self, _: datetime | None) -> str:
        raise RuntimeError("on purpose")


@pytest.mark.parametrize(
    "value",
    [
        True,
        np.True_,
        math.nan,
        math.inf,
        np.float64("nan"),
        1.7e18,
        12.5,
        Decimal("12.5"),
        Decimal("NaN"),
        Decimal("1e999999999"),
        Decimal("1e-999999999"),
        np.datetime64("NaT"),
        np.datetime64("NaT", "ns"),
        np.datetime64(1 << 62, "s"),
        np.datetime64(1 << 62, "Y"),
        datetime(9999, 1, 1, tzinfo=UTC),
        datetime(2024, 1, 1, tzinfo=Unwilling()),
        date(2024, 1, 1),
        timedelta(1),
        1 << 63,
        -(1 << 63) - 1,
        10**5000,
        "2024-01-01",
        "12:00:00",
        "2024-01-01T25:00:00Z",
        "2024-13-01T12:00:00Z",
        "2024-01-01T12:00:60Z",
        "2024-01-01T12:00:00.1234567890Z",
        "now",
        "1_704_110_400",
        "0x10",
        "1e9",
        "1" * 400,
        "٣",
        b"\xff",
        [],
        pytest.param(object(), id="object"),  # its repr differs between the processes of a parallel run
        1j,
    ],
    ids=lambda value: repr(value)[:40] if not isinstance(value, int) or value < 1 << 64 else "huge",
)
def test_what_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(RecordError, match="is no time that can be stored; give a datetime"):
        read_time(value)


def test_no_unit_is_concluded_of_a_simulated_record() -> None:
    for number in (NOON, NOON * 1_000, NOON * 1_000_000, NS):
        assert read_time(number, simulated=True) == (number, 0)
    assert read_time("1704110400", simulated=True) == (NOON, 0)
    with pytest.raises(RecordError):
        read_time(NOON + 0.5, simulated=True)


def test_a_pandas_timestamp_keeps_its_nanoseconds() -> None:
    pandas = pytest.importorskip("pandas")
    text = "2024-01-01T12:00:00.123456789"
    assert read_time(pandas.Timestamp(text)) == (NS + 123_456_789, ASSUMED)
    assert read_time(pandas.Timestamp(text, tz="UTC")) == (NS + 123_456_789, 0)
    assert read_time(pandas.Timestamp("2024-01-01T13:00:00.000000001", tz="Europe/Berlin")) == (NS + 1, 0)
    assert read_time(pandas.Timestamp("2024-01-01T12:00:00", tz="UTC").as_unit("s")) == (NS, 0)
    assert read_time(pandas.Timestamp("1969-12-31T23:59:59.999999999", tz="UTC")) == (-1, 0)
    with pytest.raises(RecordError):
        read_time(pandas.NaT)


def test_the_time_of_a_record_is_the_one_that_is_stored() -> None:
    record = np.zeros(1, EXECUTION.dtype)[0]
    record["exchange_ns"] = 7
    assert time_ns(record, "exchange_ns") == 7
    assert time_ns(record[["exchange_ns"]], "market_ns") == 0
    assert time_ns({}, "exchange_ns") == 0
    assert time_ns({"exchange_ns": NOON}, "exchange_ns") == NS
    assert time_ns({"exchange_ns": NOON, "origin": "live"}, "exchange_ns") == NS
    for origin in ("simulated", "Simulated", Origin.SIMULATED, 4):
        assert time_ns({"exchange_ns": NOON, "origin": origin}, "exchange_ns") == NOON
    with pytest.raises(RecordError, match="field 'exchange_ns': 'now' is no time"):
        time_ns({"exchange_ns": "now"}, "exchange_ns")


@given(st.datetimes(min_value=naive("1678-01-01"), max_value=naive("2262-01-01")))
@example(naive("1969-12-31T23:59:59.999999"))
def test_a_datetime_a_datetime64_and_their_text_are_the_same_time(value: datetime) -> None:
    ns, flags = read_time(value)
    assert flags == ASSUMED
    assert read_time(np.datetime64(value)) == (ns, 0)
    assert read_time(value.replace(tzinfo=UTC)) == (ns, 0)
    assert read_time(value.isoformat(timespec="microseconds") + "Z") == (ns, 0)
    assert datetime.fromtimestamp(0, UTC) + timedelta(microseconds=ns / 1_000) - value.replace(tzinfo=UTC) < timedelta(
        milliseconds=1
    )


@given(st.integers(PRESENT[0] * SECOND, PRESENT[1] * SECOND - 1), st.sampled_from([10**9, 10**6, 10**3]))
def test_any_time_from_2000_to_2100_comes_back_from_each_unit(ns: int, unit: int) -> None:
    assert read_time(ns) == (ns, 0)
    assert read_time(ns // unit) == (ns // unit * unit, RESCALED)
    assert read_time(str(ns // unit)) == (ns // unit * unit, RESCALED)
