"""Keys of records, orders and fills, and how statements name them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.clickhouse.table import literal
from ringbuf.trading.states import NO_ID

Instrument = tuple[str, str, str, bool]
"""Exchange, account, symbol, and whether it is simulated."""
NamedId = tuple[Instrument, str]
"""An id, or the key of an order, of an instrument."""
RecordId = tuple[int, int]
"""Session and seq."""
FillKey = tuple[int, Instrument, int, int]
"""Minute since the epoch in which it counts, instrument, session and seq."""

INSTRUMENT: Final = "exchange, account, symbol, simulated"
SIMULATED: Final = "CAST(origin = 'simulated', 'Bool')"
"""The last of them, of a record."""
NONE: Final = ", ".join(literal(each) for each in sorted(NO_ID))
"""Order ids that are none."""


class Chosen(NamedTuple):
    """Records: all of some ranges, and single ones, but none of some others."""

    ranges: Sequence[Range]
    singles: Sequence[RecordId] = ()
    others: Sequence[RecordId] = ()

    def condition(self) -> str:
        """What is true of them."""
        found = SeqSet((*self.ranges, *(Range(session, seq, 1) for session, seq in self.singles))).ranges
        parts = [
            f"(session = {each.session} AND seq BETWEEN {each.first_seq} AND {each.end - 1})"
            for each in found
            if each.count > 1
        ]
        if alone := [(each.session, each.first_seq) for each in found if each.count == 1]:
            parts.append(f"(session, seq) IN ({listed_records(alone)})")
        chosen = " OR ".join(parts) or "0"
        return f"({chosen}) AND (session, seq) NOT IN ({listed_records(self.others)})" if self.others else chosen


def instrument_in(row: Sequence[Any]) -> Instrument:
    """The instrument in the first columns of a row of an answer."""
    return row[0], row[1], row[2], bool(row[3])


def as_tuple(instrument: Instrument, *more: str) -> str:
    """`INSTRUMENT`, and more columns behind it."""
    *texts, simulated = instrument
    return f"({', '.join([*map(literal, texts), str(simulated).lower(), *map(literal, more)])})"


def listed_orders(ids: Iterable[NamedId]) -> str:
    """Keys of orders."""
    return ", ".join(as_tuple(instrument, each) for instrument, each in sorted(set(ids)))


def listed_id(instrument: Instrument, name: str) -> str:
    """An id and `INSTRUMENT`."""
    *texts, simulated = instrument
    return f"({', '.join(map(literal, (name, *texts)))}, {str(simulated).lower()})"


def listed_fill(key: FillKey) -> str:
    """The key of a fill."""
    minute, (exchange, account, symbol, simulated), session, seq = key
    texts = ", ".join(map(literal, (exchange, account, symbol)))
    return f"({minute}, {texts}, {str(simulated).lower()}, {session}, {seq})"


def listed_records(records: Iterable[RecordId]) -> str:
    """Records."""
    return ", ".join(f"({session}, {seq})" for session, seq in records)
