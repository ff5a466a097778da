"""The layer of sums: fills added up by position and bucket of time, so that a question has few rows to add.

    buckets      spans of time in which fills count, and whether each of them is closed
    fill_sums    the sums of closed buckets, by position

A bucket of one minute is summed from its fills, a longer one from those that it is made of. Whoever inserts a fill
marks its buckets as open, *after* the fill is there. So a bucket that is closed has all fills that were acknowledged,
and a question takes the longest closed buckets of its period, and the fills themselves of minutes that are not closed.

Of the rows about one bucket that with the highest version counts. A version is the server's time in ns: when it was
marked, or before its fills were read to be summed. So a bucket to which a fill was added while it was being summed
stays open. The sums of a bucket replace those before them all at once: positions that are gone come in as removed.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from ringbuf.sinks.clickhouse.derived_table import FEW_ROWS, DerivedTable, Statements
from ringbuf.sinks.clickhouse.table import quoted
from ringbuf.sinks.clickhouse.views.columns import of_execution
from ringbuf.sinks.clickhouse.views.positions import KEY, NOTHING, SUM_COLUMNS, SUMMED, added, sums_of_fills
from ringbuf.sinks.clickhouse.views.time import NS, time_of

MINUTE: Final = 60
DAY: Final = 86_400
SPANS: Final = (MINUTE, 600, 3_600, 21_600, DAY, 30 * DAY)
"""How long buckets are, in seconds; each is a part of the next. They are counted from the epoch."""
GRACE_NS: Final = 15 * NS
"""How long after its end a bucket is left open, for the last fills to come."""
MOST_AT_ONCE: Final = 200
"""So many buckets are summed at once."""
PARTS: Final = {longer: shorter for shorter, longer in pairwise(SPANS)}
"""By span that of the buckets which it is summed from."""
_WHOLE_SPAN: Final = {shorter: longer for longer, shorter in PARTS.items()}
_KEY: Final = ", ".join(KEY)
_SUMS: Final = ", ".join(SUM_COLUMNS)
FIRST_MINUTE: Final = -(10**9)
"""Since the epoch, before every time there is."""
_BEGIN: Final = f"toInt128(begin) * {NS}"
_END: Final = f"(toInt128(begin + span) * {NS} - 1)"  # the last ones end behind an Int64
_PLACE: Final = {"span": "UInt32", "begin": "Int64"}
TABLES: Final = {
    "fill_sums": DerivedTable(
        {**_PLACE, **of_execution(KEY), **SUM_COLUMNS, "version": "UInt64", "is_removed": "UInt8"},
        "ReplacingMergeTree(version, is_removed)",
        f"span, begin, {_KEY}",
        {"span": "0", "begin": "0"},
        granularity=FEW_ROWS,
    ),
    "buckets": DerivedTable(
        {**_PLACE, "whole_span": "UInt32", "whole_begin": "Int64", "is_closed": "Bool", "version": "UInt64"},
        "ReplacingMergeTree(version)",
        "span, begin",
        {"span": "0", "begin": "0", "is_closed": "false"},
        shard_by=(),
    ),
}
"""The tables of the layer, by name."""


class Over(NamedTuple):
    """Buckets that are to be closed.

    Attributes:
        begins: when they begin, in seconds since the epoch.
        version: from before their fills are read.
    """

    span: int
    begins: Sequence[int]
    version: int


class Period:
    """What a question asks for, as expressions of ns since the epoch.

    Attributes:
        first: the first ns, or None.
        last: the last ns, or None.
    """

    def __init__(self, first: str | None = None, last: str | None = None) -> None:
        self.first = first
        self.last = last

    def has(self, begin: str, end: str) -> str:
        """Whether all is in it from one ns to another, with both."""
        return _all((self.first, f"{begin} >= {self.first}"), (self.last, f"{end} <= {self.last}"))

    def meets(self, begin: str, end: str) -> str:
        """Whether some of that is in it."""
        return _all((self.first, f"{end} >= {self.first}"), (self.last, f"{begin} <= {self.last}"))


def _all(*limits: tuple[str | None, str]) -> str:
    return " AND ".join(condition for limit, condition in limits if limit is not None) or "true"


def summed(database: str, period: Period | None = None, longest: int = SPANS[-1]) -> str:
    """Rows of sums, some for each position and `begin`, of the fills of a period that are not simulated.

    Args:
        longest: the longest buckets that are taken.
    """
    period = period or Period()
    time = f"toUnixTimestamp64Nano({time_of()})"
    return f"""
    SELECT begin, {_KEY}, {_SUMS}
    FROM {_table(database, "fill_sums")} FINAL
    WHERE (span, begin) IN ({whole_buckets(database, period, longest)})
    UNION ALL
    SELECT minute * {MINUTE} AS begin, {_KEY}, {_of_fills(SUM_COLUMNS)}
    FROM {_table(database, "unique_fills")} FINAL
    WHERE NOT simulated AND minute IN ({open_minutes(database, period)}) AND {period.has(time, time)}
    GROUP BY begin, {_KEY}"""


def summed_up_to_now(database: str, others: Mapping[str, str]) -> str:
    """The same of all fills, without `begin`; written apart, since a question is planned as long as it has columns.

    Args:
        others: further columns, and what is in them.
    """
    names = [name for name in SUMMED if name in SUM_COLUMNS]
    buckets, more = (
        f"{_table(database, 'buckets')} FINAL",
        ", ".join(f"{value} AS {name}" for name, value in others.items()),
    )
    return f"""
    SELECT {_KEY}, {", ".join(names)}, {more}
    FROM {_table(database, "fill_sums")} FINAL
    WHERE (span, begin) IN (
        SELECT span, begin FROM {buckets}
        WHERE is_closed AND (whole_span, whole_begin) NOT IN (SELECT span, begin FROM {buckets} WHERE is_closed)
    )
    UNION ALL
    SELECT {_KEY}, {_of_fills(names)}, {more}
    FROM {_table(database, "unique_fills")} FINAL
    WHERE NOT simulated AND minute IN (
        SELECT intDiv(begin, {MINUTE}) FROM {buckets} WHERE span = {MINUTE} AND NOT is_closed
    )
    GROUP BY {_KEY}"""


def _of_fills(names: Iterable[str]) -> str:
    expressions = sums_of_fills()
    return ", ".join(f"{expressions[name]} AS {name}" for name in names)


def whole_buckets(database: str, period: Period, longest: int = SPANS[-1]) -> str:
    """Selects span and begin of the longest closed buckets of a period."""
    buckets = _buckets(database, period)
    in_longer = f"(whole_span, whole_begin) IN (SELECT span, begin FROM {buckets} WHERE is_whole)"
    return f"""
        SELECT span, begin FROM {buckets}
        WHERE is_whole AND span <= {longest} AND (span = {longest} OR NOT {in_longer})"""


def open_minutes(database: str, period: Period) -> str:
    """Selects the minutes since the epoch of which the fills of a period are in no closed bucket of it."""
    buckets = _buckets(database, period)
    return (
        f"SELECT intDiv(begin, {MINUTE}) FROM {buckets} WHERE span = {MINUTE} AND NOT is_whole"
        f" AND {period.meets(_BEGIN, _END)}"
    )


def parts(database: str, period: Period, longest: int = SPANS[-1]) -> str:
    """Selects the same in one statement that is planned sooner: span, begin, and whether it is a closed bucket."""
    buckets = _buckets(database, period)
    longer = f"SELECT span, begin FROM {buckets} WHERE span > {MINUTE} AND is_whole"
    return f"""
    SELECT span, begin, is_whole FROM {buckets}
    WHERE span BETWEEN {MINUTE} AND {longest} AND (is_whole OR (span = {MINUTE} AND {period.meets(_BEGIN, _END)}))
        AND (span = {longest} OR (whole_span, whole_begin) NOT IN ({longer}))"""


def _buckets(database: str, period: Period) -> str:
    """The buckets, and whether each of them is closed and in a period."""
    is_whole = f"is_closed AND {period.has(_BEGIN, _END)} AS is_whole"
    return f"(SELECT *, {is_whole} FROM {_table(database, 'buckets')} FINAL)"


def latest_minute(database: str, count: int, conditions: Sequence[str]) -> str:
    """A minute since the epoch as an expression: so many fills, at least, count in it or later.

    It is looked for in the latest minutes, in the tens of minutes of the latest hours, in the hours of the latest days,
    and in all days.

    Args:
        conditions: on the columns of positions; only such fills.
    """
    buckets = _table(database, "buckets")
    newest = f"(SELECT maxOrDefault(begin) FROM {buckets} WHERE span = {MINUTE})"
    looked_at = " OR ".join(
        f"(span = {span} AND begin >= {newest} - {back})"
        for span, back in ((MINUTE, 600), (600, 7_200), (3_600, 3 * DAY))
    )
    closed = f"SELECT span, begin FROM {buckets} FINAL WHERE is_closed AND ({looked_at} OR span = {DAY})"
    prewhere = " AND ".join((f"(span, begin) IN ({closed})", *conditions))
    return f"""ifNull((
    SELECT maxOrNull(intDiv(begin, {MINUTE})) FROM (
        SELECT begin, sum(of_bucket) OVER (PARTITION BY span ORDER BY begin DESC ROWS UNBOUNDED PRECEDING) AS so_far
        FROM (
            SELECT span, begin, sum(fills + ignored) AS of_bucket FROM {_table(database, "fill_sums")} FINAL
            PREWHERE {prewhere}
            GROUP BY span, begin
        )
    )
    WHERE so_far >= {count}
), {FIRST_MINUTE})"""


class Sums:
    """The layer of one database."""

    def __init__(self, statements: Statements) -> None:
        self._database, self._ask, self._run = statements.database, statements.ask, statements.run
        self._run_at_each, self._now = statements.run_at_each, statements.layout.now

    def mark(self, minutes: Iterable[int]) -> None:
        """Mark all buckets of some minutes, counted from the epoch, as open; after fills of theirs were inserted."""
        if rows := sorted({(span, minute * MINUTE // span * span) for minute in minutes for span in SPANS}):
            self._run_at_each(_note(self._database, rows, is_closed=False, version=self._after("buckets")))

    def due(self) -> Over | None:
        """Some buckets of one span that are over, and of which every part is closed; None if there are none."""
        buckets = f"{_table(self._database, 'buckets')} FINAL"
        is_over = f"toInt128(begin + span) * {NS} + {GRACE_NS} < {self._now} AND version < {self._now}"
        rows = self._ask(
            f"SELECT DISTINCT toString({self._now}), toString(span), toString(begin) FROM {buckets}"
            f" WHERE span != 0 AND NOT is_closed AND {is_over} AND (span, begin) NOT IN"
            f" (SELECT whole_span, whole_begin FROM {buckets} WHERE NOT is_closed)"
            f" ORDER BY span, begin LIMIT {MOST_AT_ONCE}"
        )
        found = [tuple(map(int, row)) for row in rows]
        if not found:
            return None
        version, span, _ = found[0]
        return Over(span, [begin for _, its_span, begin in found if its_span == span], version)

    def sum_up(self, over: Over) -> None:
        """Sum buckets; nothing takes these sums yet."""
        self._run(_summing(self._database, over))

    def close(self, over: Over) -> None:
        """Close buckets that were summed."""
        rows = [(over.span, begin) for begin in over.begins]
        self._run_at_each(_note(self._database, rows, is_closed=True, version=str(over.version)))

    def _after(self, *tables: str) -> str:
        """A version greater than every one in some tables, as an expression: clocks go back."""
        found = (f"(SELECT toInt64(max(version)) + 1 FROM {_table(self._database, each)})" for each in tables)
        return f"greatest({self._now}, {', '.join(found)})"

    def reopen(self) -> None:
        """Mark all buckets as open, those of fills of which no bucket is known too; sums that are left go."""
        whole = f"transform(span, {[*_WHOLE_SPAN]}, {[*_WHOLE_SPAN.values()]}, 0)"
        self._run_at_each(
            f"INSERT INTO {_table(self._database, 'buckets')}"
            " (span, begin, whole_span, whole_begin, is_closed, version)"
            f" SELECT DISTINCT span, second - positiveModulo(second, span) AS begin, {whole} AS whole_span,"
            " if(whole_span = 0, 0, second - positiveModulo(second, greatest(whole_span, 1))), false,"
            f" {self._after(*TABLES)}"
            f" FROM (SELECT DISTINCT minute * {MINUTE} AS second FROM {_table(self._database, 'unique_fills')} FINAL"
            " WHERE version != 0 UNION DISTINCT"
            f" SELECT begin FROM {_table(self._database, 'buckets')} WHERE span = {MINUTE})"
            f" ARRAY JOIN {[*SPANS]} AS span"
        )


def _summing(database: str, over: Over) -> str:
    """The statement that sums buckets."""
    sums, span = _table(database, "fill_sums"), over.span
    listed = ", ".join(map(str, over.begins))
    nothing = ", ".join(f"{value} AS {name}" for name, value in NOTHING.items())
    return f"""
INSERT INTO {sums} (span, begin, {_KEY}, {_SUMS}, version, is_removed)
SELECT {span}, part.begin, {_KEY}, {added(SUM_COLUMNS)}, {over.version}, sum(part.fills) + sum(part.ignored) = 0
FROM (
    {_parts(database, span, over.begins)}
    UNION ALL
    SELECT begin, {_KEY}, {nothing} FROM {sums} FINAL WHERE span = {span} AND begin IN ({listed})
) AS part
GROUP BY part.begin, {_KEY}"""


def _parts(database: str, span: int, begins: Sequence[int]) -> str:
    """What buckets of a span are summed from."""
    if span == MINUTE:
        minutes = ", ".join(str(begin // MINUTE) for begin in begins)
        return f"""
    SELECT minute * {MINUTE} AS begin, {_KEY}, {_of_fills(SUM_COLUMNS)}
    FROM {_table(database, "unique_fills")} FINAL
    WHERE NOT simulated AND minute IN ({minutes})
    GROUP BY begin, {_KEY}"""
    first = f"(its.begin - positiveModulo(its.begin, {span}))"
    listed = ", ".join(map(str, begins))
    return f"""
    SELECT {first} AS begin, {_KEY}, {_SUMS}
    FROM {_table(database, "fill_sums")} AS its FINAL
    WHERE span = {PARTS[span]} AND {first} IN ({listed})"""


def _note(database: str, buckets: Sequence[tuple[int, int]], *, is_closed: bool, version: str) -> str:
    rows = []
    for span, begin in buckets:
        whole = _WHOLE_SPAN.get(span, 0)
        rows.append(f"({span}, {begin}, {whole}, {begin // whole * whole if whole else 0})")
    return (
        f"INSERT INTO {_table(database, 'buckets')} (span, begin, whole_span, whole_begin, is_closed, version)"
        f" SELECT each.1, each.2, each.3, each.4, {str(is_closed).lower()}, {version}"
        f" FROM (SELECT arrayJoin([{', '.join(rows)}]) AS each)"
    )


def _table(database: str, name: str) -> str:
    return f"{quoted(database)}.{name}"
