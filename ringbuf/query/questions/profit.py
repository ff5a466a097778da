"""What did positions earn, in all, in a period, or day by day?"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any, Final

from ringbuf.query.database import Database
from ringbuf.query.instruments import recorded_contracts
from ringbuf.query.questions.answer import Rows
from ringbuf.query.questions.column import Column, Row
from ringbuf.query.questions.course import PositionKey
from ringbuf.query.questions.earned import Earned, profits, recorded
from ringbuf.query.questions.selection import Selection
from ringbuf.record.salvage import stored_text
from ringbuf.trading.contract_table import Contracts, stored_key
from ringbuf.trading.number import EXACT, ZERO
from ringbuf.trading.profit import DECIMALS, decimal_of

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
_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class ProfitAnswer(Rows):
    """Rows that are reckoned while they are read, once."""

    def __init__(
        self,
        earned: Iterator[Earned],
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
        for rows in self.written_rows():
            yield [_JSON.encode(row).encode() for row in rows]

    def written_rows(self) -> Iterator[list[Row]]:
        """The rows as in JSON, some at a time: numbers are decimal texts.

        Raises:
            SinkError, RecordError: as `lines`.
        """
        while rows := [self._row(each) for each in islice(self._earned, _ROWS_AT_ONCE)]:
            yield rows

    def _row(self, earned: Earned) -> Row:
        key, profit = earned.key, earned.profit
        mark, entry, rounded = self._marks.get(key.symbol), profit.average_entry, profit.venue_realised
        found: dict[str, Any] = {
            "day": earned.day,
            **key._asdict(),
            "position_side": key.position_side or "unknown",
            "kind": profit.contract.kind.name.lower(),
            "currency": profit.currency,
            "is_specified": (key.exchange, key.symbol) in self._contracts,
            "quantity": _text(profit.quantity),
            "average_entry": entry if entry is None else _text(entry),
            "realised": _text(profit.realised),
            "venue_realised": rounded if rounded is None else _text(rounded),
            "unrealised": None if mark is None else _text(profit.unrealised(mark)),
            "commissions": _texts(profit.commissions),
            "funding": _texts(profit.funding),
            "wallet": _texts(profit.wallet),
            "unpriced": profit.unpriced,
            "state": str(profit.state),
        }
        return {name: found[name] for name in self.columns}


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
        ConfigurationError: what was recorded of an instrument cannot be a contract.
        SinkError: the database cannot be asked.
    """
    selection = selection or Selection()
    has = recorded(database, selection)
    told = contracts if contracts is not None else recorded_contracts(database) if has.instruments else {}
    known = {stored_key(each): contract for each, contract in told.items()}
    prices = {stored_text("symbol", symbol): price for symbol, price in (marks or {}).items()}
    earned = profits(database, known, selection, by_day=by_day, has_funding=has.funding)
    return ProfitAnswer(earned, known, prices, by_day=by_day)


def _text(number: Fraction | Decimal) -> str:
    if isinstance(number, Decimal) and _is_short(number):
        return f"{EXACT.add(number, ZERO).normalize(EXACT):f}"  # -0 is 0
    return f"{decimal_of(Fraction(number)):f}"


def _is_short(number: Decimal) -> bool:
    """Whether it has no more decimals than figures have."""
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -DECIMALS


def _texts(amounts: Mapping[str, Decimal] | Mapping[str, Fraction]) -> dict[str, str]:
    return {currency: _text(amounts[currency]) for currency in sorted(amounts)}
