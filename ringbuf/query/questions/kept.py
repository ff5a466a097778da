"""How positions went, from totals that are kept in the database and the few fills after them.

Totals count only if their fills are those that there are, by checksums (`ringbuf.sinks.clickhouse.profit_states`). If a
position's do not, earlier ones are tried; a position of which none do is left to `whole_fold.py`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any, Final, NamedTuple, TypeAlias

from ringbuf.query.database import Database
from ringbuf.query.questions.course import WHOLE, Course, key_of
from ringbuf.query.questions.selection import Selection
from ringbuf.sinks.clickhouse import profit_states, standings
from ringbuf.sinks.clickhouse.profit_states import HOUR, MODULUS, Asked, Fill, Position, Standing
from ringbuf.sinks.clickhouse.standings import (
    Ask,
    EndOfDay,
    checksums_of_days,
    ends_of_days,
    standings_at,
    standings_now,
)
from ringbuf.sinks.clickhouse.sums import DAY, MINUTE
from ringbuf.sinks.clickhouse.unique import MINUTE_NS
from ringbuf.sinks.clickhouse.views.time import NS
from ringbuf.trading.contract import Contract, contract_at
from ringbuf.trading.contract_table import Contracts
from ringbuf.trading.totals import UNTRADED, Totals, terms

MORE_FRESH: Final = 100_000
"""So many fills of a position, at most, come with earlier totals."""
MOST_AGAIN: Final = 200
"""Of no more positions earlier totals are tried."""
_FIRST_DAY: Final = -(10**6)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_END: Final = EndOfDay(None, "", 0)
Way: TypeAlias = Callable[[Ask, str, Asked], list[Standing]]
Days: TypeAlias = tuple[dict[Position, dict[int, EndOfDay]], dict[Position, dict[int, int]]]
Standings: TypeAlias = dict[Position, Standing]


class KnownCourses(NamedTuple):
    """What is known from totals that are kept.

    Attributes:
        courses: in the order of their keys.
        unknown: the positions of which no totals count.
    """

    courses: Sequence[Course]
    unknown: set[Position]


def kept(database: Database, contracts: Contracts, selection: Selection, *, by_day: bool) -> KnownCourses:
    """How positions went that have fills before the end of a period.

    Raises:
        SinkError: the database cannot be asked, or refuses the question.
    """
    asking = _Asking(database, contracts, " AND ".join(selection.named()) or "true")
    if not by_day and selection.since_ns is None and selection.until_ns is None:
        return asking.told({key: {WHOLE: asking.totals(each)} for key, each in asking.now().items()}, {})
    latest_minute = asking.latest_minute()
    opening: Standings = {}
    if selection.since_ns is not None:
        opening = asking.at(selection.since_ns, latest_minute)
    if by_day:
        return _by_day(asking, selection, opening, latest_minute)
    closing = _closing(asking, selection, latest_minute)
    if selection.since_ns is not None:
        asking.check(selection.since_ns, {key: each.checksum for key, each in opening.items()})
    return asking.told({key: {WHOLE: asking.totals(each)} for key, each in closing.items()}, opening)


def _closing(asking: "_Asking", selection: Selection, latest_minute: int) -> Standings:
    if selection.until_ns is None:
        return asking.now()
    return asking.at(selection.until_ns, latest_minute)


def _by_day(asking: "_Asking", selection: Selection, opening: Standings, latest_minute: int) -> KnownCourses:
    """The totals after each day: of days that are over those that are kept, then those of the last ones."""
    since_ns, until_ns = selection.since_ns, selection.until_ns
    last_minute = latest_minute if until_ns is None else min(latest_minute, (until_ns - 1) // MINUTE_NS)
    first, last = _FIRST_DAY if since_ns is None else since_ns // NS // DAY, last_minute * MINUTE // DAY
    ends, sums = asking.days(first, last, since_ns) if first < last else ({}, {})
    closing = _closing(asking, selection, latest_minute)
    checksums = {key: each.checksum for key, each in opening.items()}
    parts: dict[Position, dict[str, Totals]] = {}
    for key, each in closing.items():
        its, checksums[key] = asking.ends(key, checksums.get(key, 0), ends.get(key, {}), sums.get(key, {}))
        parts[key] = its | asking.ends_of_fresh(each, last)
    asking.check(max(last * DAY * NS, since_ns or last * DAY * NS), checksums)
    return asking.told(parts, opening)


class _Asking:
    """Asks for totals, and keeps in mind of which positions none count.

    Args:
        where: a condition on the columns of positions.
    """

    def __init__(self, database: Database, contracts: Contracts, where: str) -> None:
        self._database, self._name = database, database.name
        self._contracts = contracts
        self._where = where
        self._unknown: set[Position] = set()

    def latest_minute(self) -> int:
        """The minute of the last fill that is in some totals."""
        ((minute,),) = self._rows(f"SELECT toString(max(last_ns)) AS ns FROM {profit_states.latest(self._name)}")
        return int(minute or 0) // MINUTE_NS

    def now(self) -> Standings:
        """The totals as they are now."""
        found, left = self._whole(standings_now(self._rows, self._name, Asked(where=self._where)))
        if not left:
            return found
        minute = self.latest_minute()
        sure = [partial(standings_now, is_sure=True)]
        return found | self._otherwise(None, [*sure, *map(_at, (minute - 1, *_before(minute)))], left)

    def at(self, moment_ns: int, latest_minute: int) -> Standings:
        """The totals before a moment."""
        minute, last = min(moment_ns // MINUTE_NS, latest_minute), str(moment_ns - 1)
        found, left = self._whole(standings_at(self._rows, self._name, minute, Asked(last, self._where)))
        return found | self._otherwise(last, [*map(_at, _before(minute))], left) if left else found

    def days(self, first: int, until: int, since_ns: int | None) -> Days:
        """The totals at the ends of days, from one to before another, and checksums of the fills of each day.

        Args:
            since_ns: only the fills from then on.
        """
        ends = ends_of_days(self._rows, self._name, first, until, self._where)
        return ends, checksums_of_days(self._rows, self._name, first, until, since_ns, self._where)

    def ends(
        self, key: Position, checksum: int, ends: Mapping[int, EndOfDay], sums: Mapping[int, int]
    ) -> tuple[dict[str, Totals], int]:
        """The totals of a position after each day, and the checksum of its fills up to there.

        Args:
            checksum: of the fills before.
        """
        found = {}
        for day in sorted(sums):
            checksum = (checksum + sums[day]) % MODULUS
            totals, its_terms, its_checksum = ends.get(day, _NO_END)
            if totals is None or its_checksum != checksum or its_terms != terms(self._contract(key)):
                self._unknown.add(key)
            else:
                found[_text(day)] = totals
        return found, checksum

    def totals(self, standing: Standing) -> Totals:
        """The totals with the fresh fills."""
        if not standing.fresh:
            return standing.totals
        return standing.totals.after(self._contract(standing.key), (each.traded for each in standing.fresh))

    def ends_of_fresh(self, standing: Standing, last: int) -> dict[str, Totals]:
        """The totals after the last day of those that are kept, and after each day of fresh fills."""
        totals, contract = standing.totals, self._contract(standing.key)
        first = _day(standing.fresh[0]) if standing.fresh else last
        found = {_text(min(first, last)): totals}
        for day, some in groupby(standing.fresh, key=_day):
            totals = totals.after(contract, (each.traded for each in some))
            found[_text(day)] = totals
        return found

    def check(self, moment_ns: int, checksums: Mapping[Position, int]) -> None:
        """See to it that no fill before a moment came, or was changed, since it was asked for.

        Args:
            checksums: of these fills, by position.
        """
        now = standings.checksums(self._rows, self._name, Asked(str(moment_ns - 1), self._where))
        self._unknown |= {key for key in now.keys() | checksums.keys() if now.get(key, 0) != checksums.get(key, 0)}

    def told(self, parts: Mapping[Position, Mapping[str, Totals]], opening: Standings) -> KnownCourses:
        """The courses that come of totals after each part."""
        courses = []
        for key in sorted(parts.keys() - self._unknown, key=key_of):
            first = last = self.totals(opening[key]) if key in opening else UNTRADED
            its = []
            for part, totals in sorted(parts[key].items()):
                if totals.fills > last.fills:  # others are of before the period, or nothing happened in them
                    its.append((part, totals))
                    last = totals
            courses.append(Course(key_of(key), first, its))
        return KnownCourses(courses, self._unknown)

    def _otherwise(self, last: str | None, ways: Sequence[Way], left: set[Position]) -> Standings:
        """The standings of some positions, asked for in other ways."""
        found: Standings = {}
        for way in ways if len(left) <= MOST_AGAIN else ():
            asked = Asked(last, profit_states.where(left), MORE_FRESH)
            more, left = self._whole(way(self._rows, self._name, asked))
            found |= more
            if not left:
                break
        self._unknown |= left
        return found

    def _whole(self, found: Iterable[Standing]) -> tuple[Standings, set[Position]]:
        """The standings that count, and the positions of which they do not."""
        whole, left = {}, set()
        for each in found:
            if each.is_whole(terms(self._contract(each.key))):
                whole[each.key] = each
            else:
                left.add(each.key)
        return whole, left

    def _rows(self, statement: str) -> list[list[Any]]:
        return [[*row.values()] for row in self._database.rows(statement)]

    def _contract(self, key: Position) -> Contract:
        return contract_at(self._contracts, key)


def _at(minute: int) -> Way:
    return lambda ask, database, asked: standings_at(ask, database, minute, asked)


def _before(minute: int) -> list[int]:
    """Beginnings of an hour and of a day, as minutes."""
    return [minute // size * size for size in (HOUR // MINUTE, DAY // MINUTE)]


def _day(fill: Fill) -> int:
    return fill.place.time_ns // (DAY * NS)


def _text(day: int) -> str:
    return f"{_EPOCH + timedelta(days=day):%Y-%m-%d}"
