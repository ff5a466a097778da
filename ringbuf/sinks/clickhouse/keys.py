"""Keys of records, orders and fills, and how statements name them."""

from collections import Counter
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
NEAR: Final = 1_000_000
"""Seqs from the first to the last of ranges that are read together: so many records of a session take a few ms."""
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
        several = [each for each in found if each.count > 1]
        parts = [within(several)] if several else []
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


def within(ranges: Iterable[Range]) -> str:
    """What is true of exactly the records in some ranges, of which there is one at least.

    A server plans each range in some ms if it has a condition of its own, several times in a statement. So the ranges
    that are near each other have one together, which tells where that of each session begins and ends.
    """
    return " OR ".join(_exactly(each) for group in _near_each_other(ranges) for each in _one_of_each_session(group))


def around(ranges: Iterable[Range]) -> str:
    """What is true of the records in some ranges, and of some others between them: for the index of a table."""
    return " OR ".join(f"({_box(group)})" for group in _near_each_other(ranges))


def _near_each_other(ranges: Iterable[Range]) -> list[list[Range]]:
    groups: list[list[Range]] = []
    for each in sorted(ranges, key=lambda each: each.first_seq):
        if not groups or each.end - groups[-1][0].first_seq > NEAR:
            groups.append([])
        groups[-1].append(each)
    return groups


def _one_of_each_session(ranges: Iterable[Range]) -> list[list[Range]]:
    """The first range of each session, the second of those that have two, and so on."""
    found: list[list[Range]] = []
    seen: Counter[int] = Counter()
    for each in ranges:
        if seen[each.session] == len(found):
            found.append([])
        found[seen[each.session]].append(each)
        seen[each.session] += 1
    return found


def _exactly(ranges: Sequence[Range]) -> str:
    """What is true of the records in ranges of different sessions."""
    if len(ranges) == 1:
        return f"({_box(ranges)})"
    sessions = ", ".join(str(each.session) for each in ranges)
    begins = ", ".join(str(each.first_seq) for each in ranges)
    ends = ", ".join(str(each.end - 1) for each in ranges)
    return (
        f"({_box(ranges)} AND seq BETWEEN transform(session, [{sessions}], [{begins}], 0)"
        f" AND transform(session, [{sessions}], [{ends}], 0))"
    )


def _box(ranges: Sequence[Range]) -> str:
    """What is true of the records of their sessions from the first seq to the last."""
    sessions = ", ".join(str(session) for session in sorted({each.session for each in ranges}))
    first, last = min(each.first_seq for each in ranges), max(each.end for each in ranges) - 1
    return f"session IN ({sessions}) AND seq BETWEEN {first} AND {last}"


def listed_records(records: Iterable[RecordId]) -> str:
    """Records."""
    return ", ".join(f"({session}, {seq})" for session, seq in records)
