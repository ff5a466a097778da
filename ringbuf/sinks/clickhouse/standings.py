"""Asking for standings: for each position the totals that are kept, the fills after them, and whether that is all.

It takes two statements. The first one asks for totals, and for the closed buckets and open minutes that all fills are
in; the second one for the checksums of these buckets, and for the fills of these minutes. One statement for both would
be planned for three times as long. What changes between the two shows in the checksums, like everything else.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from ringbuf.sinks.clickhouse import sums
from ringbuf.sinks.clickhouse.profit_states import (
    CHECKSUM,
    COUNTS,
    DAMAGED,
    HOUR,
    LAST,
    MODULUS,
    PLACE,
    TIME,
    TRADED,
    Asked,
    Fill,
    Place,
    Position,
    Standing,
    latest,
    position_of,
    table,
    totals_of,
    traded,
)
from ringbuf.sinks.clickhouse.sums import DAY, MINUTE, Period
from ringbuf.sinks.clickhouse.table import literal, quoted
from ringbuf.sinks.clickhouse.unique import MINUTE_NS
from ringbuf.sinks.clickhouse.views.positions import KEY
from ringbuf.sinks.clickhouse.views.time import NS, since_epoch
from ringbuf.trading.totals import UNTRADED, Totals

Ask: TypeAlias = Callable[[str], Iterable[Sequence[Any]]]
"""Runs a question and gives its rows."""

MOST_BUCKETS: Final = 2_000
"""So many are named in a statement; more are found by it."""
MARGIN_NS: Final = 2 * NS
"""So long before the totals a fill may have been inserted that is not in them."""
_KEY: Final = ", ".join(KEY)
_FILL: Final = ", ".join((*PLACE, CHECKSUM, *TRADED))
_PAID: Final = "Array(Tuple(Nullable(String), String))"
_FILLS: Final = f"Array(Tuple(Int64, UInt64, Int64, UInt64, UInt64, UInt64, String, Nullable(String), {_PAID}))"
_TOLD: Final = ("totals", "terms", "toString(checksum)", *(f"toString({name})" for name in LAST))


_NO_PLACE: Final = ("0", "0", "0", "0", "0")


class EndOfDay(NamedTuple):
    """Totals after the last fill of a day; None if they cannot be read. Their checksum is that of all fills so far."""

    totals: Totals | None
    terms: str
    checksum: int


class _Base(NamedTuple):
    """The answer to the first statement.

    Attributes:
        kept: by position totals, terms, checksum and place.
        closed: the closed buckets, as what stands in IN.
        minutes: the open minutes, likewise.
        last_ns: of the last fill that is in any totals; `version`, when the latest of them were inserted.
    """

    kept: dict[Position, list[str]]
    closed: str
    minutes: str
    last_ns: int
    version: int


def standings_now(
    ask: Ask, database: str, asked: Asked, *, first: int | None = None, is_sure: bool = False
) -> list[Standing]:
    """The latest totals of positions, and the fills after them.

    Args:
        first: a minute since the epoch: the totals have the fills of earlier ones, unless they are late; if not given,
            that of the last fill that is in any.
        is_sure: whether each fill is compared with the last one in the totals of its position. If not, those are
            looked at that were inserted after the totals, or shortly before: that is planned sooner, and finds nearly
            always the same. If it does not, the position is not whole.
    """
    kept = f"SELECT {_array(*KEY, *_TOLD)} AS told FROM {latest(database)} AND {asked.where}"
    base = _base(ask, database, kept, Period(last=asked.last))
    since = first if first is not None else base.last_ns // MINUTE_NS
    of_minutes = f"minute >= {since}"
    if not is_sure:
        is_fresh = f"{of_minutes} AND version > {max(0, base.version - MARGIN_NS)}"
        return _standings(ask, database, base, asked, _Fresh(of_minutes, _fills(database), is_fresh))
    its = f"SELECT {_KEY}, {', '.join(LAST)}, true AS is_kept FROM {latest(database)} AND {asked.where}"

    def source(condition: str) -> str:
        fills = f"SELECT * FROM {_fills(database)(condition)}"
        return f"({fills}) AS fill ANY LEFT JOIN ({its}) AS kept USING ({_KEY})"

    is_fresh = f"{of_minutes} AND (NOT ifNull(is_kept, false) OR ({', '.join(PLACE)}) > ({', '.join(LAST)}))"
    return _standings(ask, database, base, asked, _Fresh(of_minutes, source, is_fresh))


def standings_at(ask: Ask, database: str, minute: int, asked: Asked) -> list[Standing]:
    """Totals of positions as they were at the beginning of a minute, and the fills from then on."""
    begin = minute * MINUTE
    hour, day = (begin // span * span for span in (HOUR, DAY))
    its = " OR ".join(
        (
            f"(span = {MINUTE} AND begin >= {hour} AND begin < {begin})",
            f"(span = {HOUR} AND begin >= {day} AND begin < {hour})",
            f"(span = {DAY} AND begin < {day})",
        )
    )
    last = f"argMax({_array(*_TOLD)}, begin)"
    kept = (
        f"SELECT arrayConcat({_array(*KEY)}, {last}) AS told"
        f" FROM {table(database)} FINAL WHERE ({its}) AND {asked.where} GROUP BY {_KEY}"
    )
    is_fresh = f"minute >= {minute}"
    base = _base(ask, database, kept, Period(last=asked.last))
    return _standings(ask, database, base, asked, _Fresh(is_fresh, _fills(database), is_fresh))


def checksums(ask: Ask, database: str, asked: Asked) -> dict[Position, int]:
    """The checksum of the fills of each position."""
    base = _base(ask, database, "", Period(last=asked.last))
    found = _standings(ask, database, base, asked, _Fresh("false", _fills(database), "false"))
    return {each.key: each.checksum for each in found}


def ends_of_days(ask: Ask, database: str, first: int, until: int, where: str) -> dict[Position, dict[int, EndOfDay]]:
    """By position and day the totals after the last fill of the day, of days from one to before another.

    Args:
        first, until: days since the epoch.
        where: a condition on the columns of positions.
    """
    statement = f"""
SELECT {_KEY}, groupArray((toString(begin), totals, terms, toString(checksum))) AS its_days
FROM {table(database)} FINAL
WHERE span = {DAY} AND begin >= {first * DAY} AND begin < {until * DAY} AND {where}
GROUP BY {_KEY}"""
    return {
        position_of(row): {
            int(begin) // DAY: EndOfDay(totals_of(text), terms, int(checksum))
            for begin, text, terms, checksum in row[len(KEY)]
        }
        for row in ask(statement)
    }


def checksums_of_days(
    ask: Ask, database: str, first: int, until: int, since_ns: int | None, where: str
) -> dict[Position, dict[int, int]]:
    """By position and day the checksum of the fills of the day.

    Args:
        since_ns: ns since the epoch; only fills from then on count.
    """
    period = Period(str(first * DAY * NS if since_ns is None else since_ns), str(until * DAY * NS - 1))
    base = _base(ask, database, "", period, DAY)
    columns = f"{_KEY}, toString({since_epoch(DAY, 'second')}) AS its_day"
    fills = f"{COUNTS} AND minute IN ({base.minutes}) AND {period.has(TIME, TIME)} AND {where}"
    statement = f"""
SELECT {columns}, toString(sum(checksum)) AS found
FROM (
    SELECT {_KEY}, begin AS second, checksum
    FROM {quoted(database)}.fill_sums FINAL WHERE (span, begin) IN ({base.closed}) AND {where}
    UNION ALL
    SELECT {_KEY}, minute * {MINUTE}, {CHECKSUM} FROM {_fills(database)(fills)}
)
GROUP BY {_KEY}, its_day"""
    found: dict[Position, dict[int, int]] = {}
    for row in ask(statement):
        day, checksum = row[len(KEY) :]
        found.setdefault(position_of(row), {})[int(day)] = int(checksum)
    return found


def _base(ask: Ask, database: str, kept: str, period: Period, longest: int = sums.SPANS[-1]) -> _Base:
    parts = sums.parts(database, period, longest)
    selected = (
        f"SELECT {_array('span', 'begin', 'toUInt8(is_whole)')} AS told FROM ({parts}) LIMIT {MOST_BUCKETS + 1}",
        f"SELECT {_array('ifNull(max(last_ns), 0)', 'ifNull(max(version), 0)')} AS told FROM {latest(database)}",
        kept,
    )
    rows = [told for (told,) in ask(" UNION ALL ".join(f"SELECT told FROM ({each})" for each in selected if each))]
    ((last_ns, version),) = (row for row in rows if len(row) == 2)
    buckets = [row for row in rows if len(row) == 3]
    if len(buckets) > MOST_BUCKETS:
        closed, minutes = sums.whole_buckets(database, period, longest), sums.open_minutes(database, period)
    else:
        closed = ", ".join(f"({span}, {begin})" for span, begin, is_whole in buckets if is_whole == "1")
        minutes = ", ".join(str(int(begin) // MINUTE) for _, begin, is_whole in buckets if is_whole == "0")
    its = {position_of(row): row[len(KEY) :] for row in rows if len(row) > 3}
    return _Base(its, closed or "(0, 1)", minutes or str(sums.FIRST_MINUTE), int(last_ns), int(version))


class _Fresh(NamedTuple):
    """Which fills are fresh.

    Attributes:
        of_minutes: the minutes in which they may be, as a condition.
        source: what stands behind FROM with these minutes.
        condition: true of them.
    """

    of_minutes: str
    source: Callable[[str], str]
    condition: str


def _standings(ask: Ask, database: str, base: _Base, asked: Asked, fresh: _Fresh) -> list[Standing]:
    is_open = f"minute IN ({base.minutes})"
    up_to = "true" if asked.last is None else f"minute <= intDiv({asked.last}, {MINUTE_NS}) AND {TIME} <= {asked.last}"
    chosen = f"{COUNTS} AND ({is_open} OR {fresh.of_minutes}) AND {up_to}"
    statement = f"""
SELECT {_KEY}, toString(sum(checksum)) AS found, toUInt64(0) AS later, CAST([], {literal(_FILLS)}) AS fresh
FROM {quoted(database)}.fill_sums FINAL WHERE (span, begin) IN ({base.closed}) AND {asked.where}
GROUP BY {_KEY}
UNION ALL
SELECT {_KEY}, toString(sumIf({CHECKSUM}, {is_open})), countIf({fresh.condition}),
    groupArrayIf({asked.most})(({_FILL}), {fresh.condition})
FROM {fresh.source(f"{chosen} AND {asked.where}")}
GROUP BY {_KEY}"""
    found: dict[Position, tuple[int, int, list[Any]]] = {}
    for row in ask(statement):
        key, (checksum, later, fills) = position_of(row), row[len(KEY) :]
        known = found.get(key, (0, 0, []))
        found[key] = (known[0] + int(checksum)) % MODULUS, known[1] + int(later), known[2] + fills
    return [_standing(key, base.kept.get(key), *found.get(key, (0, 0, []))) for key in found.keys() | base.kept.keys()]


def _standing(key: Position, kept: Sequence[str] | None, checksum: int, later: int, rows: Iterable[Any]) -> Standing:
    text, terms, its_checksum, *place = kept or ("", "", "0", *_NO_PLACE)
    totals = totals_of(text) if text else UNTRADED
    if totals is None:
        totals, terms = UNTRADED, DAMAGED
    last = Place(*map(int, place)) if totals.fills else None
    fills = sorted((_fill(row) for row in rows), key=_place)
    fresh = [each for each in fills if last is None or each.place > last]
    later -= len(fills) - len(fresh)
    return Standing(key, checksum, totals, terms, int(its_checksum), later, fresh)


def _fill(row: Sequence[Any]) -> Fill:
    *place, checksum, quantity, price, paid = row
    return Fill(Place(*map(int, place)), int(checksum), traded(quantity, price, paid))


def _place(fill: Fill) -> Place:
    return fill.place


def _fills(database: str) -> Callable[[str], str]:
    """What stands behind FROM to select fills of which a condition is true."""
    return lambda condition: f"{quoted(database)}.unique_fills FINAL WHERE {condition}"


def _array(*columns: str) -> str:
    return f"[{', '.join(f'toString({each})' for each in columns)}]"
