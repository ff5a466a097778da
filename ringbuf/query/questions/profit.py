"""What did positions earn, in all, in a period, or day by day?"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Final

from ringbuf.query.database import Database
from ringbuf.query.instruments import contracts_of_table
from ringbuf.query.questions.answer import Rows
from ringbuf.query.questions.column import Column, Row
from ringbuf.query.questions.course import PositionKey
from ringbuf.query.questions.earned import Earned, Told, profits, recorded, told_profits
from ringbuf.query.questions.selection import Selection
from ringbuf.record.salvage import stored_text
from ringbuf.trading.contract import contract_at
from ringbuf.trading.contract_table import Contracts, stored_key
from ringbuf.trading.figures import JSON, figures

COLUMNS: Final = {
    **dict.fromkeys(("day", *PositionKey._fields, "kind", "currency"), Column.TEXT),
    "is_specified": Column.FLAG,
    **dict.fromkeys(("quantity", "average_entry", "realised", "venue_realised", "unrealised"), Column.NUMBER),
    **dict.fromkeys(("commissions", "funding", "wallet"), Column.NUMBERS),
    "unpriced": Column.COUNT,
    "state": Column.TEXT,
}
"""What each column of the answer holds."""
_ROWS_AT_ONCE: Final = 100


class ProfitAnswer(Rows):
    """Rows that are reckoned while they are read, once."""

    def __init__(
        self,
        earned: Iterator[Earned | Told],
        contracts: Contracts,
        marks: Mapping[str, Decimal],
        *,
        by_day: bool,
    ) -> None:
        self.columns = {name: column for name, column in COLUMNS.items() if by_day or name != "day"}
        self._earned = earned
        self._contracts = contracts
        self._marks = marks

    def lines(self) -> Iterator[list[bytes]]:
        """The rows as JSON, some at a time, each a line without its newline.

        Raises:
            SinkError: the database cannot be asked, or refuses the question; perhaps in the midst of the rows.
            RecordError: a mark gives an instrument no value.
        """
        while lines := [self._line(each).encode() for each in islice(self._earned, _ROWS_AT_ONCE)]:
            yield lines

    def written_rows(self) -> Iterator[list[Row]]:
        """The rows as in JSON, some at a time: numbers are decimal texts.

        Raises:
            SinkError, RecordError: as `lines`.
        """
        while rows := [self._row(each) for each in islice(self._earned, _ROWS_AT_ONCE)]:
            yield rows

    def _line(self, earned: Earned | Told) -> str:
        if isinstance(earned, Told):
            return f"{JSON.encode(self._names(earned.key))[:-1]},{earned.figures}"
        return JSON.encode(self._row(earned))

    def _row(self, earned: Earned | Told) -> Row:
        if isinstance(earned, Told):
            told: Row = json.loads(f"{{{earned.figures}")
            return self._names(earned.key) | told
        of_day = {"day": earned.day} if "day" in self.columns else {}
        return of_day | self._names(earned.key) | figures(earned.profit, self._marks.get(earned.key.symbol))

    def _names(self, key: PositionKey) -> Row:
        contract = contract_at(self._contracts, key)
        return {
            **key._asdict(),
            "position_side": key.position_side or "unknown",
            "kind": contract.kind.name.lower(),
            "currency": contract.settle,
            "is_specified": (key.exchange, key.symbol) in self._contracts,
        }


def profit(
    database: Database,
    selection: Selection | None = None,
    *,
    contracts: Contracts | None = None,
    marks: Mapping[str, Decimal] | None = None,
    by_day: bool = False,
) -> ProfitAnswer:
    """What each position earned by average cost; fees and funding stand beside it.

    Args:
        selection: of which positions, and in which period; a fill is in it by its venue time, or by the time of capture
            where the venue gave none.
        contracts: by exchange and symbol; if not given, those that were recorded. Others count as spot.
        marks: prices by symbol at which what is held is valued.
        by_day: each day for itself, UTC.

    Returns:
        the columns `COLUMNS`. Numbers are exact as far as they have 60 decimals; `state` has the exact fractions.

    Raises:
        ConfigurationError: what was recorded of an instrument that is asked for cannot be a contract.
        SinkError: the database cannot be asked.
    """
    selection = selection or Selection()
    has = recorded(database, selection)
    if contracts is None:
        contracts = contracts_of_table(database, selection) if has.instruments else {}
    known = {stored_key(each): contract for each, contract in contracts.items()}
    prices = {stored_text("symbol", symbol): price for symbol, price in (marks or {}).items()}
    if by_day or selection.since_ns is not None or selection.until_ns is not None:
        earned: Iterator[Earned | Told] = profits(database, known, selection, by_day=by_day, has_funding=has.funding)
    else:
        earned = told_profits(database, known, selection, prices.keys(), has_funding=has.funding)
    return ProfitAnswer(earned, known, prices, by_day=by_day)
