"""Profit as it comes of totals that are kept, compared with what comes of all fills."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from ringbuf.query.database import Database
from ringbuf.query.questions.course import Course, PositionKey, key_of
from ringbuf.query.questions.kept import kept, kept_figures
from ringbuf.query.questions.selection import Selection
from ringbuf.query.questions.whole_fold import folded
from ringbuf.sinks.clickhouse.views.positions import KEY
from ringbuf.trading.contract import contract_at
from ringbuf.trading.contract_table import Contracts
from ringbuf.trading.figures import JSON, figures
from ringbuf.trading.number import QUOTE_DECIMALS
from ringbuf.trading.profit import Profit
from ringbuf.trading.totals import UNTRADED

DAYS: Final = (
    f"SELECT toString(day) AS day, {', '.join(KEY)}, currency, fills, toString(quantity) AS held,"
    " toString(realised) AS earned, mapApply((key, number) -> (key, toString(number)), commissions) AS paid"
    " FROM profit_by_day(since = '{since}', until = '{until}')"
)


def told(courses: Sequence[Course]) -> list[Any]:
    """Everything of them; of commissions by currency, those of 0 too."""
    return [
        (key, str(opening), [(part, str(totals), totals.commissions_since(opening)) for part, totals in parts])
        for key, opening, parts in courses
        if opening.fills or parts
    ]


def compare(database: Database, selection: Selection, contracts: Contracts | None = None) -> int:
    """What comes of totals that are kept is what comes of all fills; how many positions are left to these."""
    contracts, left = contracts or {}, 0
    for by_day in (False, True):
        courses, unknown = kept(database, contracts, selection, by_day=by_day)
        whole = list(folded(database, contracts, selection, by_day=by_day))
        keys = {each.key for each in courses}
        mine, theirs = told(courses), told([each for each in whole if each.key in keys or not unknown])
        assert mine == theirs, (mine, theirs)
        left += len(unknown)
        if not by_day and selection.since_ns is None and selection.until_ns is None:
            compare_figures(database, selection, contracts, whole)
    return left


def compare_figures(
    database: Database, selection: Selection, contracts: Contracts, whole: Sequence[Course]
) -> set[PositionKey]:
    """What is kept of answers is what comes of all fills, and nothing is lost beside it; of which positions it is."""
    known, (courses, unknown) = kept_figures(database, contracts, selection, lambda key: key.symbol != "T")
    expected = {}
    for key, _, parts in whole:
        for _, totals in parts:
            paid = totals.commissions_since(UNTRADED)
            expected[key] = JSON.encode(figures(Profit(contract_at(contracts, key), totals.state, paid, {})))[1:]
    assert not any(key.symbol == "T" for key in known)
    others = {each.key for each in courses if each.parts} | {key_of(key) for key in unknown}
    assert known.keys() | others == expected.keys() | {key_of(key) for key in unknown}
    for key, told_figures in known.items():
        assert told_figures == expected[key]
    return {*known}


def compare_days(database: Database, contracts: Contracts | None = None, since: str = "", until: str = "") -> int:
    """What `profit_by_day` tells is what comes of all fills; of how many days it does not tell yet what was earned.

    Args:
        contracts: as they were recorded.
        since, until: the first day, and the one after the last, as text; empty for no limit.
    """
    expected = {}
    for course in folded(database, contracts or {}, Selection(), by_day=True):
        contract = contract_at(contracts or {}, course.key)
        befores = [course.opening, *(each for _, each in course.parts[:-1])]
        for before, (day, totals) in zip(befores, course.parts, strict=True):
            if since <= day and (not until or day < until):
                earned = Profit(contract, totals.state, {}, {}, before.state).realised
                paid = {name: each for name, each in totals.commissions_since(before).items() if each}
                count = totals.fills - before.fills
                expected[course.key, day] = (totals.state.quantity, paid, count), earned, contract.settle
    unknown = 0
    for row in database.rows(DAYS.format(since=since, until=until)):
        paid = {name: Decimal(each) for name, each in row["paid"].items() if Decimal(each)}
        told = Decimal(row["held"]), paid, row["fills"]
        wanted, earned, currency = expected.pop((key_of([row[name] for name in KEY]), row["day"]))
        if row["earned"] is None:
            unknown += 1
        else:
            assert row["currency"] == currency
            assert abs(Fraction(row["earned"]) - earned) <= Fraction(1, 10**QUOTE_DECIMALS), (row, earned)
        assert told == wanted, (told, wanted)
    assert not expected, expected
    return unknown


def compare_through(client: Client, database: str) -> int:
    """Both, asked through a client."""
    settings = {"output_format_json_quote_64bit_integers": 0}

    def ask(statement: str) -> list[bytes]:
        client.database = database
        return [client.raw_query(statement, fmt="JSONEachRow", settings=settings)]

    asked = Database(database, ask)
    compare_days(asked)
    return compare(asked, Selection())
