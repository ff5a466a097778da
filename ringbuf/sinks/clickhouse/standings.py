"""Asking for standings: for each position the totals that are kept, the fills after them, and whether that is all.

It takes two statements, for all moments of a question together. The first one asks for totals, and for the buckets that
are open; the second one for the checksums of closed buckets, and for fills. One statement for both would be planned for
three times as long. What changes between the two shows in the checksums, like everything else. And as the second one
sees each table as of one moment, what it tells of several moments is of the same fills.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from ringbuf.sinks.clickhouse import profit_states, taken
from ringbuf.sinks.clickhouse.profit_states import (
    CHECKSUM,
    COUNTS,
    HOUR,
    LAST,
    MODULUS,
    MOST_FRESH,
    PART,
    PLACE,
    TIME,
    TRADED,
    Fill,
    Position,
    Standing,
    latest,
    position_of,
    table,
    totals_of,
)
from ringbuf.sinks.clickhouse.sums import DAY, MINUTE, SPANS
from ringbuf.sinks.clickhouse.table import literal, quoted
from ringbuf.sinks.clickhouse.taken import Bucket, Taken
from ringbuf.sinks.clickhouse.unique import MINUTE_NS
from ringbuf.sinks.clickhouse.views.positions import KEY
from ringbuf.sinks.clickhouse.views.time import NS, since_epoch
from ringbuf.trading.totals import Totals

Ask: TypeAlias = Callable[[str], Iterable[Sequence[Any]]]
"""Runs a question and gives its rows."""

MOST_NAMED: Final = 20
"""So many positions may have totals from long before those of the others."""
MARGIN_NS: Final = 2 * NS
"""So long before the totals a fill may have been inserted that is not in them."""
_KEY: Final = ", ".join(KEY)
_FILL: Final = ", ".join((*PLACE, CHECKSUM, *TRADED))
_PAID: Final = "Array(Tuple(Nullable(String), String))"
_FILLS: Final = f"Array(Tuple(Int64, UInt64, Int64, UInt64, UInt64, UInt64, String, Nullable(String), {_PAID}))"
_TOLD: Final = ("totals", "terms", "fills_hash", *LAST)
_LAST_NS: Final = _TOLD.index("last_ns")
_VERSION: Final = len(_TOLD)
_NO_TOTALS: Final = ("", "", "0", *["0"] * len(LAST))
_NUMBERS: Final = len(PLACE) + 1
_DAY_MINUTES: Final = DAY // MINUTE
_new: Final = tuple.__new__
"""Makes a named tuple of a tuple, in a third of the time of its own call; for those of fills."""
# What a row of the first statement tells begins with one of these
_BUCKET: Final = "bucket"
_NEWEST: Final = "newest"
_END: Final = "end"


class Moment(NamedTuple):
    """Up to when fills count, and from which totals they go on.

    Attributes:
        last: ns since the epoch; only fills up to it count. None: all.
        minute: since the epoch: the totals before it, and all fills from then on. None: the latest totals, and the
            fills after them.
        first: with the latest totals: a minute; they have the fills of earlier ones, unless they are late. None: that
            of the last fill that is in any totals.
        is_sure: with the latest totals: whether each fill is compared with the last one in the totals of its position.
            If not, those are looked at that were inserted after the totals, or shortly before: that is planned sooner,
            and finds nearly always the same. If it does not, the position is not whole.
        is_fine: with the totals before a minute: whether those of its parts are taken, too.
        has_figures: with the latest totals: whether what an answer tells of them comes, too.
    """

    last: int | None = None
    minute: int | None = None
    first: int | None = None
    is_sure: bool = False
    is_fine: bool = False
    has_figures: bool = False


NOW: Final = Moment()
"""All fills, with the latest totals."""


class Days(NamedTuple):
    """Of which days the ends are asked for, since the epoch: from one to before another; None: without a limit."""

    first: int | None = None
    until: int | None = None


class Asked(NamedTuple):
    """Of which positions standings are asked for.

    Attributes:
        where: a condition on the columns of positions.
        most: so many fills of a position, at most, come with its totals.
    """

    where: str = "true"
    most: int = MOST_FRESH


class EndOfDay(NamedTuple):
    """Totals after the last fill of a day; None if they cannot be read. Their checksum is that of all fills so far."""

    totals: Totals | None
    terms: str
    checksum: int


class Found(NamedTuple):
    """The answer.

    Attributes:
        standings: of each moment, in their order.
        ends: by position and day the totals after the last fill of the day, if days were asked for.
        sums: by position and day the checksum of the fills of the day, likewise.
        latest_minute: the minute of the last fill that is in any totals, since the epoch.
    """

    standings: Sequence[dict[Position, Standing]]
    ends: Mapping[Position, Mapping[int, EndOfDay]]
    sums: Mapping[Position, Mapping[int, int]]
    latest_minute: int


def standings(
    ask: Ask, database: str, moments: Sequence[Moment], asked: Asked, days: Days | None = None, *, is_near: bool = False
) -> Found:
    """The standings at one moment, or at two in their order.

    Args:
        days: of which days the ends are asked for, too.
        is_near: whether totals are taken before the minute of the last fill that is in any, if a moment's is later.
    """
    base = _base(ask, database, moments, asked, days)
    latest_minute = base.last_ns // MINUTE_NS
    if is_near and any(each.minute is not None and each.minute > latest_minute for each in moments):
        moments = [
            each if each.minute is None else each._replace(minute=min(each.minute, latest_minute)) for each in moments
        ]
        base = _base(ask, database, moments, asked, days)
    question = _Question(database, base, moments, asked, days is not None)
    checksums: dict[Position, dict[int, int]] = defaultdict(dict)
    fresh: list[dict[Position, tuple[int, list[Any]]]] = [{} for _ in moments]
    for row in ask(question.statement()):
        key, (place, checksum, later, fills) = position_of(row), row[len(KEY) :]
        if int(later):
            fresh[int(place)][key] = int(later), fills
        else:
            its = checksums[key]
            its[int(place)] = its.get(int(place), 0) + int(checksum)
    found = [
        _standings(
            base.kept[number], fresh[number], {key: question.sum_up_to(number, its) for key, its in checksums.items()}
        )
        for number in range(len(moments))
    ]
    sums = {key: _by_day(its) for key, its in checksums.items()} if days is not None else {}
    return Found(found, base.ends, sums, latest_minute)


def checksums(ask: Ask, database: str, last: int, where: str) -> dict[Position, int]:
    """The checksum of the fills of each position up to a time, ns since the epoch."""
    moment = Moment(last, minute=last // MINUTE_NS + 1)  # there are none of a later minute
    (found,) = standings(ask, database, [moment], Asked(where)).standings
    return {key: each.checksum for key, each in found.items()}


class _Base(NamedTuple):
    """The answer to the first statement.

    Attributes:
        kept: of each moment by position: totals, terms, checksum and place; of the latest version and figures, too.
        open: all open buckets; `longest`, all of the longest span.
        last_ns: of the last fill that is in any totals; `version`, when the latest of them were inserted.
    """

    kept: Sequence[dict[Position, Sequence[str]]]
    ends: dict[Position, dict[int, EndOfDay]]
    open: set[Bucket]
    longest: set[Bucket]
    last_ns: int
    version: int


def _base(ask: Ask, database: str, moments: Sequence[Moment], asked: Asked, days: Days | None) -> _Base:
    buckets = taken.open_or_longest(database)
    newest = ("ifNull(max(last_ns), 0)", "ifNull(max(version), 0)")
    all_latest = next((n for n, each in enumerate(moments) if each.minute is None and asked.where == "true"), None)
    selected = [
        f"SELECT {_array(_BUCKET, 'span', 'begin', 'toUInt8(is_closed)')} AS told FROM ({buckets})",
        *([f"SELECT {_array(_NEWEST, *newest)} FROM {latest(database)}"] if all_latest is None else []),
        *(_kept(database, number, each, asked.where) for number, each in enumerate(moments)),
        *([] if days is None else [_ends(database, days, asked.where)]),
    ]
    rows: dict[str, list[Sequence[str]]] = defaultdict(list)
    for ((label, *its),) in ask(" UNION ALL ".join(selected)):
        rows[label].append(its)
    open_, longest = set(), set()
    for span, begin, is_closed in rows[_BUCKET]:
        bucket = Bucket(int(span), int(begin))
        if is_closed == "0":
            open_.add(bucket)
        if bucket.span == SPANS[-1]:
            longest.add(bucket)
    kept = [{position_of(row): row[len(KEY) :] for row in rows[str(number)]} for number in range(len(moments))]
    ends: dict[Position, dict[int, EndOfDay]] = defaultdict(dict)
    for row in rows[_END]:
        begin, text, terms, checksum = row[len(KEY) :]
        ends[position_of(row)][int(begin) // DAY] = EndOfDay(totals_of(text), terms, int(checksum))
    if all_latest is None:
        ((last_ns, version),) = (map(int, row) for row in rows[_NEWEST])
    else:  # planned sooner
        last_ns, version = (
            max((int(told[place]) for told in kept[all_latest].values()), default=0) for place in (_LAST_NS, _VERSION)
        )
    return _Base(kept, ends, open_, longest, last_ns, version)


def _kept(database: str, number: int, moment: Moment, where: str) -> str:
    """Selects the totals of a moment."""
    if moment.minute is None:
        told = (*KEY, *_TOLD, "version", *(["figures"] if moment.has_figures else []))
        return f"SELECT {_array(str(number), *told)} FROM {latest(database)} AND {where}"
    begin, end = moment.minute * MINUTE, (moment.minute + 1) * MINUTE - 1
    hour, day = (begin // span * span for span in (HOUR, DAY))
    its = " OR ".join(
        (
            f"(span = {MINUTE} AND begin >= {hour} AND begin < {begin})",
            f"(span = {HOUR} AND begin >= {day} AND begin < {hour})",
            f"(span = {DAY} AND begin < {day})",
            *([f"(span = {PART} AND begin BETWEEN {begin} AND {end} AND last_ns <= {moment.last})"] * moment.is_fine),
        )
    )
    last = f"argMax([{', '.join(f'toString({each})' for each in _TOLD)}], begin)"
    return (
        f"SELECT arrayConcat({_array(str(number), *KEY)}, {last})"
        f" FROM {table(database)} FINAL WHERE ({its}) AND {where} GROUP BY {_KEY}"
    )


def _ends(database: str, days: Days, where: str) -> str:
    """Selects the totals at the ends of days."""
    limits = [
        *([] if days.first is None else [f"begin >= {days.first * DAY}"]),
        *([] if days.until is None else [f"begin < {days.until * DAY}"]),
    ]
    conditions = " AND ".join((f"span = {DAY}", *limits, where))
    told = _array(_END, *KEY, "begin", "totals", "terms", "fills_hash")
    return f"SELECT {told} FROM {table(database)} FINAL WHERE {conditions}"


class _Question:
    """The second statement.

    Its rows tell, for a position, the checksum of the fills of a *slot*: of a day, if days are asked for, and of what
    is before the first of two moments or after it. Or they tell what is fresh for the moment of that number.
    """

    def __init__(self, database: str, base: _Base, moments: Sequence[Moment], asked: Asked, has_days: bool) -> None:
        self._database, self._moments, self._asked, self._has_days = database, moments, asked, has_days
        *earlier, last = (each.last for each in moments)
        self._cuts = [each + 1 for each in earlier if each is not None]
        self._last = last
        span = DAY if has_days else SPANS[-1]
        self._taken: Taken = taken.taken(database, base.open, base.longest, self._cuts, last, span)
        self._base = base

    def statement(self) -> str:
        """The statement."""
        return "\nUNION ALL\n".join(
            (self._of_buckets(), self._of_minutes(), *(self._fresh(number) for number in range(len(self._moments))))
        )

    def sum_up_to(self, number: int, its: Mapping[int, int]) -> int:
        """The checksum of the fills up to a moment, from that of each slot."""
        is_last = number == len(self._moments) - 1
        return sum(checksum for slot, checksum in its.items() if is_last or not slot % 2) % MODULUS

    def _of_buckets(self) -> str:
        slot = self._slot(since_epoch(DAY, "begin"), *(f"begin >= {-(-each // NS)}" for each in self._cuts))
        nothing = f"toUInt64(0) AS later, CAST([], {literal(_FILLS)}) AS fresh"
        return f"""
SELECT {_KEY}, {slot} AS place, toString(sum(fills_hash)) AS found, {nothing}
FROM {quoted(self._database)}.fill_sums FINAL WHERE (span, begin) IN ({self._taken.closed}) AND {self._asked.where}
GROUP BY {_KEY}, place"""

    def _of_minutes(self) -> str:
        slot = self._slot(since_epoch(_DAY_MINUTES, "minute"), *(f"{TIME} >= {each}" for each in self._cuts))
        conditions = f"minute IN ({self._taken.minutes}) AND {_up_to(self._last)} AND {self._asked.where}"
        return f"""
SELECT {_KEY}, {slot} AS place, toString(sum({CHECKSUM})), toUInt64(0), []
FROM {quoted(self._database)}.unique_fills FINAL WHERE {COUNTS} AND {conditions}
GROUP BY {_KEY}, place"""

    def _fresh(self, number: int) -> str:
        moment = self._moments[number]
        first = moment.minute if moment.minute is not None else moment.first
        first = self._base.last_ns // MINUTE_NS if first is None else first
        conditions = f"{COUNTS} AND minute >= {first} AND {_up_to(moment.last)} AND {self._asked.where}"
        if moment.is_fine and moment.last is not None:
            conditions += f" AND {_after_most(self._base.kept[number], first, moment.last)}"
        source = f"{quoted(self._database)}.unique_fills FINAL WHERE {conditions}"
        if moment.minute is None and not moment.is_sure:
            source += f" AND version > {max(0, self._base.version - MARGIN_NS)}"
        elif moment.minute is None:
            its = f"SELECT {_KEY}, {', '.join(LAST)}, true AS is_kept FROM {latest(self._database)}"
            source = (
                f"(SELECT * FROM {source}) AS fill ANY LEFT JOIN ({its} AND {self._asked.where}) AS kept USING ({_KEY})"
                f" WHERE NOT ifNull(is_kept, false) OR ({', '.join(PLACE)}) > ({', '.join(LAST)})"
            )
        return f"""
SELECT {_KEY}, toInt64({number}), '', count(), groupArray({self._asked.most})(({_FILL}))
FROM {source}
GROUP BY {_KEY}"""

    def _slot(self, day: str, *is_after: str) -> str:
        return f"toInt64({' + '.join([f'{day} * 2'] * self._has_days + [f'({each})' for each in is_after]) or '0'})"


def _after_most(kept: Mapping[Position, Sequence[str]], minute: int, last: int) -> str:
    """A condition that leaves out fills which are in the totals of most positions; all those of a few others come.

    Args:
        minute: fills of this minute and later are asked for, up to `last`, in ns; positions have them about as often.
    """
    begin = minute * MINUTE_NS
    times = sorted((max(int(told[_LAST_NS]), begin), key) for key, told in kept.items())
    if not times:
        return "true"

    def sent(few: int) -> int:
        return few * (last - begin) + (len(times) - few) * (last - times[few][0])

    few = min(range(min(len(times), MOST_NAMED + 1)), key=sent)
    others = f"{TIME} >= {times[few][0]}"
    return f"({others} OR {profit_states.where([key for _, key in times[:few]])})" if few else others


def _standings(
    kept: Mapping[Position, Sequence[str]],
    fresh: Mapping[Position, tuple[int, list[Any]]],
    checksums: Mapping[Position, int],
) -> dict[Position, Standing]:
    return {
        key: _standing(key, kept.get(key, _NO_TOTALS), checksums.get(key, 0), *fresh.get(key, (0, ())))
        for key in kept.keys() | fresh.keys() | checksums.keys()
    }


def _standing(key: Position, kept: Sequence[str], checksum: int, later: int, rows: Sequence[Any]) -> Standing:
    text, terms, its_checksum, *rest = kept
    fresh: Sequence[Fill] = ()
    if rows:
        last = tuple(map(int, rest[: len(LAST)])) if text else ()
        fills = sorted(map(_fill, rows))
        fresh = [each for each in fills if each[: len(last)] > last] if last else fills
        later -= len(fills) - len(fresh)
    return Standing(key, checksum, text, terms, int(its_checksum), later, fresh, "".join(rest[len(LAST) + 1 :]))


def _fill(row: list[Any]) -> Fill:
    if type(row[0]) is not int:
        row[:_NUMBERS] = map(int, row[:_NUMBERS])
    return _new(Fill, row)


def _by_day(its: Mapping[int, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for slot, checksum in its.items():
        found[slot // 2] = (found.get(slot // 2, 0) + checksum) % MODULUS
    return found


def _up_to(last: int | None) -> str:
    return "true" if last is None else f"minute <= {last // MINUTE_NS} AND {TIME} <= {last}"


def _array(label: str, *columns: str) -> str:
    return f"[{', '.join((literal(label), *(f'toString({each})' for each in columns)))}]"
