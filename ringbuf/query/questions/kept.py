"""How positions went, from totals that are kept in the database and the few fills after them.

Totals count only if their fills are those that there are, by checksums (`ringbuf.sinks.clickhouse.profit_states`). If a
position's do not, earlier ones are tried; a position of which none do is left to `whole_fold.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final, NamedTuple, TypeAlias

from ringbuf.query.database import Database
from ringbuf.query.questions.course import WHOLE, Course, PositionKey, key_of
from ringbuf.query.questions.selection import Selection
from ringbuf.sinks.clickhouse import profit_states
from ringbuf.sinks.clickhouse.profit_states import HOUR, MODULUS, Fill, Position, Standing
from ringbuf.sinks.clickhouse.standings import NOW, Asked, Days, EndOfDay, Found, Moment, checksums, standings
from ringbuf.sinks.clickhouse.sums import DAY, MINUTE
from ringbuf.sinks.clickhouse.unique import MINUTE_NS
from ringbuf.sinks.clickhouse.views.time import NS
from ringbuf.trading.contract import Contract, contract_at
from ringbuf.trading.contract_table import Contracts
from ringbuf.trading.figures import basis
from ringbuf.trading.totals import UNTRADED, Totals, terms

MORE_FRESH: Final = 100_000
"""So many fills of a position, at most, come with earlier totals."""
MOST_AGAIN: Final = 200
"""Of no more positions earlier totals are tried."""
_FIRST_DAY: Final = -(10**6)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_END: Final = EndOfDay(None, "", 0)
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
    since_ns, until_ns = selection.since_ns, selection.until_ns
    end = NOW if until_ns is None else _before(until_ns)
    if since_ns is None:
        found = asking.ask([end], _days(selection) if by_day else None)
        opening: Standings = {}
    else:
        found = asking.ask([_before(since_ns), end], _days(selection) if by_day else None)
        opening = asking.whole(found, 0)
    closing = asking.whole(found, -1)
    if by_day:
        parts = _by_day(asking, selection, found, opening, closing)
    else:
        if since_ns is not None:
            asking.check(since_ns, {key: opening[key].checksum for key in asking.again if key in opening})
        parts = {key: {WHOLE: asking.totals(each)} for key, each in closing.items()}
    return asking.told(parts, opening)


class KnownFigures(NamedTuple):
    """What is known of positions in all.

    Attributes:
        figures: what an answer tells of a position, as JSON without its first brace.
        others: what is known of those that are not among them.
    """

    figures: Mapping[PositionKey, str]
    others: KnownCourses


def kept_figures(
    database: Database, contracts: Contracts, selection: Selection, is_plain: Callable[[PositionKey], bool]
) -> KnownFigures:
    """How positions went in all, and of most of them what an answer tells.

    Args:
        selection: without a period.
        is_plain: whether of a position what is kept is all that there is to tell.

    Raises:
        SinkError: the database cannot be asked, or refuses the question.
    """
    asking = _Asking(database, contracts, " AND ".join(selection.named()) or "true")
    found = asking.ask([NOW._replace(has_figures=True)], None)
    figures, others = {}, {}
    for position, each in found.standings[0].items():
        key, told = key_of(position), each.figures_of(asking.basis(position))
        if told and is_plain(key):
            figures[key] = told
        else:
            others[position] = each
    closing = asking.whole(found._replace(standings=[others]), -1)
    return KnownFigures(figures, asking.told({key: {WHOLE: asking.totals(each)} for key, each in closing.items()}, {}))


def _days(selection: Selection) -> Days:
    """Of which days the ends are asked for: not of that in which the period ends."""
    since_ns, until_ns = selection.since_ns, selection.until_ns
    return Days(
        None if since_ns is None else since_ns // NS // DAY, None if until_ns is None else (until_ns - 1) // NS // DAY
    )


def _by_day(
    asking: "_Asking", selection: Selection, found: Found, opening: Standings, closing: Standings
) -> dict[Position, dict[str, Totals]]:
    """The totals after each day: of days that are over those that are kept, then those of the last ones."""
    since_ns, until_ns = selection.since_ns, selection.until_ns
    latest = found.latest_minute
    last_minute = latest if until_ns is None else min(latest, (until_ns - 1) // MINUTE_NS)
    first, last = _FIRST_DAY if since_ns is None else since_ns // NS // DAY, last_minute * MINUTE // DAY
    parts, sums = {}, {}
    for key, each in closing.items():
        its, sums[key] = asking.ends(key, found, range(first, last))
        parts[key] = its | asking.ends_of_fresh(each, last)
    if since_ns is None or since_ns <= last * DAY * NS:
        asking.check(last * DAY * NS, {key: sums[key] for key in asking.again if key in sums})
    else:
        asking.check(since_ns, {key: opening[key].checksum for key in asking.again if key in opening})
    return parts


class _Asking:
    """Asks for totals, and keeps in mind of which positions none count.

    Args:
        where: a condition on the columns of positions.

    Attributes:
        again: the positions of which the last totals were asked for once more, so they may have other fills than what
            was told of them before.
    """

    def __init__(self, database: Database, contracts: Contracts, where: str) -> None:
        self._database, self._name = database, database.name
        self._contracts = contracts
        self._where = where
        self._of_instruments: dict[tuple[str, str], str] = {}
        self._bases: dict[tuple[str, str], str] = {}
        self._unknown: set[Position] = set()
        self.again: set[Position] = set()

    def ask(self, moments: Sequence[Moment], days: Days | None) -> Found:
        """The standings at moments, all as of the same fills."""
        self._moments = moments
        return standings(self._rows, self._name, moments, Asked(self._where), days, is_near=True)

    def whole(self, found: Found, number: int) -> Standings:
        """The standings of a moment that count, those of some positions asked for in other ways."""
        whole, left = self._whole(found.standings[number])
        if not left:
            return whole
        moment = self._moments[number]
        more = self._otherwise(moment, found.latest_minute, left)
        if number == 0:  # what comes after it goes on from the same fills
            told = found.standings[0]
            self._unknown |= {key for key, each in more.items() if each.checksum != told[key].checksum}
        else:
            self.again = set(left)
        return whole | more

    def ends(self, key: Position, found: Found, days: range) -> tuple[dict[str, Totals], int]:
        """The totals of a position after each of some days, and the checksum of its fills up to there."""
        ends, sums, told, checksum = found.ends.get(key, {}), found.sums.get(key, {}), {}, 0
        for day in sorted(each for each in sums if each < days.stop):
            checksum = (checksum + sums[day]) % MODULUS
            if day < days.start:
                continue
            totals, its_terms, its_checksum = ends.get(day, _NO_END)
            if totals is None or its_checksum != checksum or its_terms != self._terms(key):
                self._unknown.add(key)
            else:
                told[_text(day)] = totals
        return told, checksum

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

    def check(self, moment_ns: int, told: Mapping[Position, int]) -> None:
        """See to it that no fill before a moment came, or was changed, since it was asked for.

        Args:
            told: checksums of these fills, by position.
        """
        if told:
            now = checksums(self._rows, self._name, moment_ns - 1, profit_states.where(told.keys()))
            self._unknown |= {key for key, checksum in told.items() if now.get(key, 0) != checksum}

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

    def _otherwise(self, moment: Moment, latest_minute: int, left: set[Position]) -> Standings:
        """The standings of some positions, asked for in other ways."""
        if moment.minute is None:
            earlier = (latest_minute - 1, *_begins(latest_minute))
            ways = [moment._replace(is_sure=True), *(moment._replace(minute=each) for each in earlier)]
        else:
            minute = min(moment.minute, latest_minute)
            ways = [moment._replace(minute=each, is_fine=False) for each in (minute, *_begins(minute))]
        found: Standings = {}
        for way in ways if len(left) <= MOST_AGAIN else ():
            asked = Asked(profit_states.where(left), MORE_FRESH)
            more, left = self._whole(standings(self._rows, self._name, [way], asked).standings[0])
            found |= more
            if not left:
                break
        self._unknown |= left
        return found

    def _whole(self, found: Standings) -> tuple[Standings, set[Position]]:
        """The standings that count, and the positions of which they do not."""
        whole, left = {}, set()
        for each in found.values():
            if each.is_whole(self._terms(each.key)):
                whole[each.key] = each
            else:
                left.add(each.key)
        return whole, left

    def _rows(self, statement: str) -> list[list[Any]]:
        return [[*row.values()] for row in self._database.rows(statement)]

    def _contract(self, key: Position) -> Contract:
        return contract_at(self._contracts, key)

    def _terms(self, key: Position) -> str:
        instrument = key[0], key[2]
        if instrument not in self._of_instruments:
            self._of_instruments[instrument] = terms(self._contract(key))
        return self._of_instruments[instrument]

    def basis(self, key: Position) -> str:
        """What the figures of a position must be kept for."""
        instrument = key[0], key[2]
        if instrument not in self._bases:
            self._bases[instrument] = basis(self._contract(key))
        return self._bases[instrument]


def _before(moment_ns: int) -> Moment:
    return Moment(moment_ns - 1, moment_ns // MINUTE_NS, is_fine=True)


def _begins(minute: int) -> list[int]:
    """The beginnings of its hour and of its day, as minutes."""
    return [minute // size * size for size in (HOUR // MINUTE, DAY // MINUTE)]


def _day(fill: Fill) -> int:
    return fill.time_ns // (DAY * NS)


def _text(day: int) -> str:
    return f"{_EPOCH + timedelta(days=day):%Y-%m-%d}"
