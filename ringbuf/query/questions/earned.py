"""What did the positions earn? Their courses, by the rules of `ringbuf.trading.profit`, with what was paid for them.

Most courses come from totals that are kept (`kept.py`), those of which none count from all fills (`whole_fold.py`).
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from heapq import merge
from operator import attrgetter
from typing import Final, NamedTuple, TypeAlias

from ringbuf.query.database import Database
from ringbuf.query.questions.course import WHOLE, Course, PositionKey, key_of
from ringbuf.query.questions.kept import MOST_AGAIN, KnownCourses, kept, kept_figures
from ringbuf.query.questions.selection import Selection
from ringbuf.query.questions.whole_fold import BEFORE, folded, part
from ringbuf.record.instrument import INSTRUMENTS
from ringbuf.sinks.clickhouse import profit_states
from ringbuf.sinks.clickhouse.table import literal
from ringbuf.sinks.clickhouse.views.positions import KEY
from ringbuf.sinks.clickhouse.views.trades import COMMISSIONS
from ringbuf.trading.contract import contract_at
from ringbuf.trading.contract_table import Contracts
from ringbuf.trading.number import EXACT, ZERO
from ringbuf.trading.profit import Profit
from ringbuf.trading.totals import UNTRADED

_KEY: Final = ", ".join(KEY)
Amounts: TypeAlias = dict[str, Decimal]


class Earned(NamedTuple):
    """What one position earned.

    Attributes:
        day: the day, as 2026-07-01, UTC; empty if it is the whole period.
    """

    key: PositionKey
    day: str
    profit: Profit


class Told(NamedTuple):
    """What an answer tells of a position in all, as JSON without its first brace (`ringbuf.trading.figures`)."""

    key: PositionKey
    figures: str


class Recorded(NamedTuple):
    """What is there that most databases have not: a table of instruments, payments of funding."""

    instruments: bool
    funding: bool


def recorded(database: Database, selection: Selection) -> Recorded:
    """What is there, of which no question need be asked if it is not; to plan those takes longer than this.

    Raises:
        SinkError: the database cannot be asked.
    """
    table = f"database = {literal(database.name)} AND name = {literal(INSTRUMENTS.name)}"
    named = " AND ".join(("session != 0", *selection.named()))
    found = {
        row["found"]
        for row in database.rows(
            f"SELECT 'instruments' AS found FROM system.tables WHERE {table}"
            f" UNION ALL SELECT 'funding' FROM (SELECT 1 FROM funding_records WHERE {named} LIMIT 1)"
        )
    }
    return Recorded("instruments" in found, "funding" in found)


def profits(
    database: Database,
    contracts: Contracts,
    selection: Selection | None = None,
    *,
    by_day: bool = False,
    has_funding: bool = True,
) -> Iterator[Earned]:
    """What each position earned, by its fills and payments that are not simulated and with what is known of them now.

    Those with fills come first, in the order of their keys, then those that have payments alone.

    Args:
        contracts: by exchange and symbol; an instrument that is not among them counts as spot.
        selection: of which positions, and in which period; what is before it is what the positions were opened by.
            Those that had neither fill nor payment in it are left out.
        by_day: each day for itself; days without fill and payment are left out.
        has_funding: whether any payments were recorded, see `recorded`.

    Raises:
        SinkError: the database cannot be asked, or refuses the question; perhaps in the midst of the positions.
    """
    selection = selection or Selection()
    paid = _funding(database, selection, by_day=by_day) if has_funding else {}
    found = kept(database, contracts, selection, by_day=by_day)
    for course in _courses(database, contracts, selection, found, by_day=by_day):
        yield from _of_position(course, contracts, paid.pop(course.key, {}))
    yield from _paid_alone(contracts, paid)


def told_profits(
    database: Database, contracts: Contracts, selection: Selection, marked: Collection[str], *, has_funding: bool
) -> Iterator[Earned | Told]:
    """The same in all, in the same order; of most positions what an answer tells, as it was kept.

    Args:
        selection: of which positions; without a period.
        marked: symbols of what is valued at a price.
        has_funding: as in `profits`.

    Raises:
        SinkError: as in `profits`.
    """
    paid = _funding(database, selection, by_day=False) if has_funding else {}
    known = kept_figures(database, contracts, selection, lambda key: key not in paid and key.symbol not in marked)
    told = (Told(key, known.figures[key]) for key in sorted(known.figures))
    courses = _courses(database, contracts, selection, known.others, by_day=False, but=known.figures.keys())
    both: Iterator[Told | Course] = merge(told, courses, key=attrgetter("key"))
    for each in both:
        if isinstance(each, Told):
            yield each
        else:
            yield from _of_position(each, contracts, paid.pop(each.key, {}))
    yield from _paid_alone(contracts, paid)


def _courses(
    database: Database,
    contracts: Contracts,
    selection: Selection,
    known: KnownCourses,
    *,
    by_day: bool,
    but: Collection[PositionKey] = (),
) -> Iterator[Course]:
    """In the order of their keys; what is not known is folded, but for some positions."""
    found, unknown = known
    if not unknown:
        return iter(found)
    where = profit_states.where(unknown) if len(unknown) <= MOST_AGAIN else "true"
    others = folded(database, contracts, selection, by_day=by_day, where=where)
    left_out = {*but, *(each.key for each in found)}
    return merge(found, (each for each in others if each.key not in left_out), key=attrgetter("key"))


def _paid_alone(contracts: Contracts, paid: Mapping[PositionKey, dict[str, Amounts]]) -> Iterator[Earned]:
    for key in sorted(paid):
        yield from _of_position(Course(key, UNTRADED, ()), contracts, paid[key])


def _of_position(course: Course, contracts: Contracts, paid: dict[str, Amounts]) -> Iterator[Earned]:
    """What one position earned, part by part; `paid` is the funding of each part."""
    key, last = course.key, course.opening
    contract = contract_at(contracts, key)
    paid.pop(BEFORE, None)
    for its_part, totals in course.parts:
        for earlier in sorted(each for each in paid if each < its_part):
            yield _earned(key, earlier, Profit(contract, last.state, {}, paid.pop(earlier), last.state))
        commissions = totals.commissions_since(last)
        profit = Profit(contract, totals.state, commissions, paid.pop(its_part, {}), last.state)
        yield _earned(key, its_part, profit)
        last = totals
    for rest in sorted(paid):
        yield _earned(key, rest, Profit(contract, last.state, {}, paid[rest], last.state))


def _earned(key: PositionKey, its_part: str, profit: Profit) -> Earned:
    return Earned(key, "" if its_part == WHOLE else its_part, profit)


def _funding(database: Database, selection: Selection, *, by_day: bool) -> dict[PositionKey, dict[str, Amounts]]:
    """What was paid for each position, by part and currency."""
    conditions = " AND ".join(("NOT simulated", *replace(selection, since_ns=None).conditions()))
    its_part = part(selection, by_day=by_day)
    amounts = ", ".join(f"({name}_currency, {name})" for name in COMMISSIONS)
    statement = f"""
SELECT {_KEY}, part, paid.1 AS currency, toString(sum(assumeNotNull(paid.2))) AS amount
FROM (
    SELECT {_KEY}, {its_part} AS part, arrayJoin([{amounts}]) AS paid FROM funding_payments WHERE {conditions}
)
WHERE paid.2 IS NOT NULL
GROUP BY {_KEY}, part, currency"""
    found: dict[PositionKey, dict[str, Amounts]] = defaultdict(lambda: defaultdict(dict))
    for row in database.rows(statement):
        sums = found[key_of([row[name] for name in KEY])][row["part"]]
        sums[row["currency"]] = EXACT.add(sums.get(row["currency"], ZERO), Decimal(row["amount"]))
    return found
