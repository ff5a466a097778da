"""Which rows are asked for."""

import pytest

from ringbuf.errors import ConfigurationError
from ringbuf.query.questions.selection import Selection


@pytest.mark.parametrize(
    ("symbol", "condition"),
    [
        (["BTC-PERPETUAL"], "(symbol IN ('BTC-PERPETUAL'))"),
        (["BTC*"], "(symbol LIKE 'BTC%')"),
        (["BTC_?SDT"], r"(symbol LIKE 'BTC\\__SDT')"),
        ([r"50%\*"], r"(symbol LIKE '50\\%\\\\%')"),
        (["a", "b*", "c"], "(symbol IN ('a', 'c') OR symbol LIKE 'b%')"),
        (["o'clock"], r"(symbol IN ('o\'clock'))"),
    ],
)
def test_a_name_is_compared_and_a_pattern_matched(symbol: list[str], condition: str) -> None:
    assert list(Selection(symbol=symbol).conditions()) == [condition]


def test_nothing_asked_for_is_everything() -> None:
    assert list(Selection().conditions()) == []


def test_a_period_that_is_empty_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match=r"from 1970-01-01 00:00:00.000000005 to 1970-01-01 00:00:00.000000005"
    ):
        Selection(since_ns=5, until_ns=5)


@pytest.mark.parametrize("since_ns", [2**63, -(2**63), -9_223_372_036_000_000_001, 10**30])
def test_a_moment_that_no_record_can_have_is_refused(since_ns: int) -> None:
    with pytest.raises(ConfigurationError, match=f"since_ns {since_ns} is a time that no record can have"):
        Selection(since_ns=since_ns)
    with pytest.raises(ConfigurationError, match=f"until_ns {since_ns} is a time that no record can have"):
        Selection(until_ns=since_ns)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"account 'A\\udcff' cannot be asked for; write it in UTF-8"):
        Selection(account=["A\udcff"])


def test_a_text_where_patterns_are_due_is_refused() -> None:
    """Taken as a sequence, `BTC*` would be four patterns, and the last of them matches everything."""
    with pytest.raises(ConfigurationError, match=r"symbol is the text 'BTC\*'; give a list of patterns"):
        Selection(symbol="BTC*")
