"""Moments as people give them."""

import pytest

from ringbuf.errors import ConfigurationError
from ringbuf.query.questions.moment import moment_text, read_moment

NOW_NS = 1_782_907_200_000_000_007
NOON_NS = 1_782_907_200_000_000_000
"""2026-07-01T12:00:00Z."""


@pytest.mark.parametrize(
    ("text", "ago_ns"),
    [
        ("90s", 90 * 10**9),
        ("15m", 15 * 60 * 10**9),
        ("1h", 3_600 * 10**9),
        ("2d", 2 * 86_400 * 10**9),
        ("1w", 7 * 86_400 * 10**9),
        ("1.5h", 5_400 * 10**9),
        ("0.000000001s", 1),
        (" 0s ", 0),
    ],
)
def test_a_duration_is_counted_back_from_now(text: str, ago_ns: int) -> None:
    assert read_moment(text, NOW_NS) == NOW_NS - ago_ns


@pytest.mark.parametrize(
    ("text", "moment_ns"),
    [
        ("2026-07-01T12:00:00Z", NOON_NS),
        ("2026-07-01T12:00:00", NOON_NS),
        ("2026-07-01 12:00:00.123456789", NOON_NS + 123_456_789),
        ("2026-07-01T14:00:00+02:00", NOON_NS),
        ("2026-07-01T14:00+0200", NOON_NS),
        ("2026-07-01T12:00", NOON_NS),
        ("2026-07-01T12", NOON_NS),
        ("2026-07-01 14+02", NOON_NS),
        ("2026-07-01 14:00:00+02", NOON_NS),
        ("2026-07-01", NOON_NS - 12 * 3_600 * 10**9),
        ("2026-07-01+02:00", NOON_NS - 14 * 3_600 * 10**9),
        ("1960-01-01", -315_619_200 * 10**9),
        (str(NOW_NS), NOW_NS),
        ("1782907200", NOON_NS),
        ("1782907200000", NOON_NS),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(text: str, moment_ns: int) -> None:
    assert read_moment(text, NOW_NS) == moment_ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h",
        "-1h",
        "1y",
        "1h30m",
        "60",
        "0",
        "yesterday",
        "2026-13-01",
        "2026-07-01T25:00",
        "2026-07-01-12",
        "12:00",
        "nan",
        "1e9",
        "\uff11h",
    ],
)
def test_what_is_neither_is_an_error_that_shows_it(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no time and no duration") as raised:
        read_moment(text, NOW_NS)
    assert repr(text) in str(raised.value)
    assert "90s" in raised.value.hint


@pytest.mark.parametrize("text", ["999999999999w", "30000w", "18500w", "130000d"])
def test_what_is_longer_ago_than_any_record_can_be_is_an_error_that_says_so(text: str) -> None:
    """As 64 bits, 30,000 weeks ago would be in the year 2036, and `--since` would leave out everything."""
    with pytest.raises(ConfigurationError, match=rf"'{text}' is a time that no record can have; give one from 1678"):
        read_moment(text, NOW_NS)


@pytest.mark.parametrize("moment_ns", [0, 1, -1, NOW_NS, 2**63 - 1, -(2**63) + 1])
def test_a_moment_is_written_with_every_nanosecond(moment_ns: int) -> None:
    text = moment_text(moment_ns)
    assert read_moment(text, 0) == moment_ns
