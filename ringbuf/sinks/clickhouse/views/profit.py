"""The view `profit_by_day`: what positions earned each day, from the totals that the writer keeps."""

from typing import Final

from ringbuf.sinks.clickhouse import profit_states
from ringbuf.sinks.clickhouse.sums import DAY, Period, summed
from ringbuf.sinks.clickhouse.views.columns import EXACT, QUOTE
from ringbuf.sinks.clickhouse.views.positions import KEY, added
from ringbuf.sinks.clickhouse.views.time import NS, day_of, since_epoch

_DAY_NS: Final = DAY * NS
_KEY: Final = ", ".join(KEY)
_SUMMED: Final = ("fills", "unpriced", "fills_hash", "bought_quantity", "sold_quantity", "commissions")
_NO_TOTALS: Final = {"kept": "toUInt64(0)", "earned": f"CAST(NULL, 'Nullable({QUOTE})')", "currency": "''"}
_NO_FILLS: Final = {
    **dict.fromkeys(_SUMMED, "toUInt64(0)"),
    **dict.fromkeys(("bought_quantity", "sold_quantity"), f"CAST(0, '{EXACT}')"),
    "commissions": f"CAST(map(), 'Map(String, {EXACT})')",
}


def profit_by_day(database: str, first_ns: str, last_ns: str) -> str:
    """What positions earned on each day (UTC) on which they have fills; each day is a whole one.

    - quantity: what was held at the end of the day, signed
    - realised: what was earned by closing, by average cost, in `currency`, without commissions and funding; rounded to
      52 decimals. NULL until the writer has folded all fills up to the end of the day
    - commissions: paid that day, by currency
    - fills, unpriced: how many there are, and how many of them have no price that counts

    Totals count if they are of the fills that there are, and so does the difference of two such. A day without fills
    that count has no totals and changes none, so it is left out first. What was earned before the first day is a row of
    the day before it.

    Args:
        first_ns, last_ns: expressions of ns since the epoch: a moment of the first day, and one of the last.
    """
    first, last = (since_epoch(_DAY_NS, each) for each in (first_ns, last_ns))
    day_before = f"({first} - 1)"
    by_key = f"OVER (PARTITION BY {_KEY} ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    before = f"lagInFrame(whole, 1, CAST(0, 'Nullable({QUOTE})')) {by_key}"
    return f"""
SELECT
    {day_of(f"number * {DAY}")} AS day, {_KEY}, currency, held AS quantity,
    whole - before AS realised, commissions, fills, unpriced
FROM (
    SELECT *, {before} AS before, sum(bought_quantity - sold_quantity) {by_key} AS held
    FROM (
        SELECT *, if(kept = sum(fills_hash) {by_key}, earned, NULL) AS whole
        FROM (
            SELECT
                number, {_KEY}, {added(_SUMMED)}, max(part.kept) AS kept, max(part.earned) AS earned,
                max(part.currency) AS currency
            FROM ({_fills_of_days(database, first, last, day_before)}
                UNION ALL {_totals_of_days(database, first, last, day_before)}
            ) AS part
            GROUP BY number, {_KEY}
            HAVING sum(part.fills) > 0
        )
    )
)
WHERE number > {day_before}"""


def _fills_of_days(database: str, first: str, last: str, day_before: str) -> str:
    """Sums of fills by day, and those of all days before the first one; days are those since the epoch."""
    none = ", ".join(f"{value} AS {name}" for name, value in _NO_TOTALS.items())
    columns = f"{_KEY}, {', '.join(_SUMMED)}, {none}"
    begin, end = f"toInt128({first}) * {_DAY_NS}", f"toInt128({last} + 1) * {_DAY_NS}"
    earlier, period = Period(last=f"({begin} - 1)"), Period(f"({begin})", f"({end} - 1)")
    return f"""
                SELECT {day_before} AS number, {columns} FROM ({summed(database, earlier)}
                )
                UNION ALL
                SELECT {since_epoch(DAY, "begin")} AS number, {columns} FROM ({summed(database, period, DAY)}
                )"""


def _totals_of_days(database: str, first: str, last: str, day_before: str) -> str:
    """Totals at the ends of days, and the last ones of the days before."""
    none = ", ".join(f"{value} AS {name}" for name, value in _NO_FILLS.items())
    of_days = f"{profit_states.table(database)} AS its FINAL WHERE span = {DAY}"
    since, until = f"toInt64({first}) * {DAY}", f"toInt64({last}) * {DAY}"
    latest = "argMax((its.fills_hash, realised, its.currency), begin)"
    return f"""
                SELECT {day_before} AS number, {_KEY}, {none}, latest.1 AS kept, latest.2 AS earned,
                    latest.3 AS currency
                FROM (SELECT {_KEY}, {latest} AS latest FROM {of_days} AND begin < {since} GROUP BY {_KEY})
                UNION ALL
                SELECT intDiv(begin, {DAY}) AS number, {_KEY}, {none}, its.fills_hash AS kept, realised AS earned,
                    its.currency AS currency
                FROM {of_days} AND begin >= {since} AND begin <= {until}"""
