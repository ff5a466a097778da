"""Which rows are asked for: names, as patterns, and a period."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ringbuf.errors import ConfigurationError
from ringbuf.query.questions.moment import check_moment, moment_text
from ringbuf.record.salvage import stored_text
from ringbuf.sinks.clickhouse.table import literal
from ringbuf.sinks.clickhouse.views.expression import listed
from ringbuf.sinks.clickhouse.views.time import before, from_on

NAMES: Final = ("exchange", "account", "symbol", "strategy")
_WILD: Final = frozenset("*?")
_LIKE: Final = str.maketrans({"%": r"\%", "_": r"\_", "\\": r"\\", "*": "%", "?": "_"})


@dataclass(frozen=True)
class Selection:
    """Rows that are asked for.

    Attributes:
        exchange, account, symbol, strategy: patterns of which one must match; none: whatever it is. In a pattern `*`
            stands for any text and `?` for any one character.
        since_ns: from when on, ns since the epoch; None: from the beginning.
        until_ns: before when; None: without an end.

    Raises:
        ConfigurationError: the period has no beginning before its end, or a pattern cannot be written in UTF-8, or one
            stands where a list of them is due, or no record can have a time of it.
    """

    exchange: Sequence[str] = ()
    account: Sequence[str] = ()
    symbol: Sequence[str] = ()
    strategy: Sequence[str] = ()
    since_ns: int | None = None
    until_ns: int | None = None

    def __post_init__(self) -> None:
        """Check it."""
        for name in ("since_ns", "until_ns"):
            if (given := getattr(self, name)) is not None:
                check_moment(given, f"{name} {given}")
        if self.since_ns is not None and self.until_ns is not None and self.since_ns >= self.until_ns:
            raise ConfigurationError(
                f"the period from {moment_text(self.since_ns)} to {moment_text(self.until_ns)} is empty",
                "give an end that is after the beginning",
            )
        for name in NAMES:
            patterns = getattr(self, name)
            if isinstance(patterns, str):  # else each of its letters would be a pattern
                raise ConfigurationError(f"{name} is the text {patterns!r}", "give a list of patterns")
            for pattern in patterns:
                check_text(name, pattern)

    def named(self, names: Iterable[str] = NAMES) -> Iterator[str]:
        """Conditions on names; each compares a column, so that it reaches the tables."""
        for name in names:
            if patterns := getattr(self, name):
                yield _matches(name, patterns)

    def conditions(self, source: str = "") -> Iterator[str]:
        """Conditions on names and time; as `of_instrument` and `others` have them."""
        yield from self.of_instrument()
        yield from self.others(source)

    def of_instrument(self) -> Iterator[str]:
        """Conditions on the names that orders and fills are sorted by."""
        return self.named(("exchange", "account", "symbol"))

    def others(self, source: str = "") -> Iterator[str]:
        """All other conditions on names and time.

        Args:
            source: what stands in front of columns of time.
        """
        yield from self.named(("strategy",))
        if self.since_ns is not None:
            yield from_on(moment(self.since_ns), source)
        if self.until_ns is not None:
            yield before(moment(self.until_ns), source)


def check_text(name: str, text: str) -> None:
    """Make sure that a text can be asked for.

    Raises:
        ConfigurationError: it cannot be written in UTF-8, as an argument in another encoding.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"{name} {text!r} cannot be asked for", "write it in UTF-8") from error


def where(conditions: Iterable[str]) -> str:
    """The clause of a statement that has these conditions, if there are any."""
    joined = " AND ".join(conditions)
    return f" WHERE {joined}" if joined else ""


def moment(moment_ns: int) -> str:
    """A moment in a statement."""
    return f"fromUnixTimestamp64Nano(toInt64({moment_ns}), 'UTC')"


def _matches(name: str, patterns: Sequence[str]) -> str:
    whole = [stored_text(name, pattern) for pattern in patterns if _WILD.isdisjoint(pattern)]
    wild = [pattern for pattern in patterns if not _WILD.isdisjoint(pattern)]
    conditions = [f"{name} IN ({listed(whole)})"] if whole else []
    conditions += [f"{name} LIKE {literal(pattern.translate(_LIKE))}" for pattern in wild]
    return f"({' OR '.join(conditions)})"
