"""Profit as it comes of totals that are kept, compared with what comes of all fills."""

from collections.abc import Sequence
from typing import Any

from clickhouse_connect.driver.client import Client

from ringbuf.query.database import Database
from ringbuf.query.questions.course import Course
from ringbuf.query.questions.kept import kept
from ringbuf.query.questions.selection import Selection
from ringbuf.query.questions.whole_fold import folded
from ringbuf.trading.contract_table import Contracts


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
    return left


def compare_through(client: Client, database: str) -> int:
    """The same, asked through a client."""
    settings = {"output_format_json_quote_64bit_integers": 0}

    def ask(statement: str) -> list[bytes]:
        client.database = database
        return [client.raw_query(statement, fmt="JSONEachRow", settings=settings)]

    return compare(Database(database, ask), Selection())
