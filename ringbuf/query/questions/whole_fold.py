"""How positions went, folded from their first fill on.

The fills come position by position, each in the venue's order, and are folded as they come, so memory does not grow
with their number. The database sorts them. It takes long where there are many: `kept.py` goes on from totals that are
kept, and both come to the same.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby, starmap
from operator import itemgetter
from typing import Any, Final

from ringbuf.query.database import Database, row_of
from ringbuf.query.questions.course import WHOLE, Course, PositionKey, key_of
from ringbuf.query.questions.selection import Selection, moment
from ringbuf.sinks.clickhouse.profit_states import COUNTS, PLACE, TRADED, traded
from ringbuf.sinks.clickhouse.unique import MINUTE_NS, fills, stored_fills
from ringbuf.sinks.clickhouse.views.positions import KEY
from ringbuf.sinks.clickhouse.views.time import from_on, time_of
from ringbuf.trading.contract import Contract, contract_at
from ringbuf.trading.contract_table import Contracts
from ringbuf.trading.totals import UNTRADED

BEFORE: Final = ""
"""The part of the fills that is before the period."""
_DAY_OF_FILL: Final = f"toString(toDate32({time_of()}, 'UTC'))"
_SIDE: Final = "if(position_side = 'unknown', '', toString(position_side))"
_TRADED: Final = ("quantity", "price", "commissions")
_ORDER: Final = ", ".join(_SIDE if name == "position_side" else name for name in KEY)


def folded(
    database: Database, contracts: Contracts, selection: Selection, *, by_day: bool, where: str = "true"
) -> Iterator[Course]:
    """The positions that have fills before the end of the period, in the order of their keys.

    Args:
        where: only those of which this condition on the columns of positions is true.

    Raises:
        SinkError: the database cannot be asked, or refuses the question; perhaps in the midst of the positions.
    """
    conditions = [COUNTS, where, *replace(selection, since_ns=None).others()]
    last = None if selection.until_ns is None else str(selection.until_ns // MINUTE_NS)
    told = ", ".join(f"{each} AS {name}" for each, name in zip(TRADED, _TRADED, strict=True))
    statement = f"""
SELECT
    {", ".join(KEY)}, {part(selection, by_day=by_day)} AS part, {told}
FROM ({fills(stored_fills(database.name, last=last, keyed=selection.of_instrument()))})
WHERE {" AND ".join(conditions)}
ORDER BY {_ORDER}, {", ".join(PLACE)}"""
    rows = (row_of(line) for lines in database.batches(statement) for line in lines)
    for values, some in groupby(rows, key=itemgetter(*KEY)):
        key = key_of(values)
        yield _course(key, contract_at(contracts, key), some)


def part(selection: Selection, *, by_day: bool) -> str:
    """In which part of a period a fill or payment counts, as an expression."""
    its = _DAY_OF_FILL if by_day else f"'{WHOLE}'"
    return its if selection.since_ns is None else f"if({from_on(moment(selection.since_ns))}, {its}, '{BEFORE}')"


def _course(key: PositionKey, contract: Contract, rows: Iterable[dict[str, Any]]) -> Course:
    opening, parts = UNTRADED, []
    totals = UNTRADED
    for its_part, some in groupby(rows, key=itemgetter("part")):
        totals = totals.after(contract, starmap(traded, map(itemgetter(*_TRADED), some)))
        if its_part == BEFORE:
            opening = totals
        else:
            parts.append((its_part, totals))
    return Course(key, opening, parts)
