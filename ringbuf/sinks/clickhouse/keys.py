"""Keys of records, orders and fills, and how statements name them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.clickhouse.table import literal
from ringbuf.sinks.clickhouse.views.expression import INSTRUMENT, listed
from ringbuf.trading.states import NO_ID

Instrument = tuple[str, str, str, bool]
"""Exchange, account, symbol, and whether it is simulated."""
NamedId = tuple[Instrument, str]
"""An id, or the key of an order, of an instrument."""
RecordId = tuple[int, int]
"""Session and seq."""
FillKey = tuple[int, Instrument, int, int]
"""Minute since the epoch in which it counts, instrument, session and seq."""

INSTRUMENT_OF_RECORD: Final = "exchange, account, symbol, CAST(origin = 'simulated', 'Bool')"
"""The columns `INSTRUMENT` of a record."""
NONE: Final = listed(sorted(NO_ID))
"""Ids that are none."""
ORDER_OF_RECORD: Final = f"{INSTRUMENT_OF_RECORD}, concat('id:', order_id)"
"""The columns `ORDER_KEY` of a record whose order id is none of these."""
RECORD_IDS: Final = "arrayMap(each -> (toString(each.1), toString(each.2)), record_ids)"
"""The records of an order; `records_in` reads them."""


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


def records_in(told: Iterable[Sequence[str]]) -> Iterator[RecordId]:
    """The records of an answer."""
    return ((int(session), int(seq)) for session, seq in told)


def columns_of(instrument: Instrument) -> str:
    """The values of `INSTRUMENT`."""
    *texts, simulated = instrument
    return f"{listed(texts)}, {str(simulated).lower()}"


def as_tuple(instrument: Instrument, *more: str) -> str:
    """The same, and more texts behind them, as a tuple."""
    return f"({', '.join((columns_of(instrument), *map(literal, more)))})"


def listed_orders(ids: Iterable[NamedId]) -> str:
    """Keys of orders."""
    return ", ".join(as_tuple(instrument, each) for instrument, each in sorted(set(ids)))


def listed_id(instrument: Instrument, name: str) -> str:
    """An id and `INSTRUMENT`."""
    return f"({literal(name)}, {columns_of(instrument)})"


def of_fills(keys: Collection[FillKey]) -> str:
    """What is true of the fills under some keys, and else only of fills of these records in these minutes.

    A fill may be under each of its records in the minute of each: named in pairs these are too many for a statement.
    """
    minutes = sorted({minute for minute, *_ in keys})
    records = sorted({(instrument, session, seq) for _, instrument, session, seq in keys})
    named = ", ".join(f"({columns_of(instrument)}, {session}, {seq})" for instrument, session, seq in records)
    return f"minute IN ({', '.join(map(str, minutes))}) AND ({INSTRUMENT}, session, seq) IN ({named})"


def listed_records(records: Iterable[RecordId]) -> str:
    """Records."""
    return ", ".join(f"({session}, {seq})" for session, seq in records)
