"""Which records a table has, found by their sequence numbers.

Records are counted range by range, many ranges in one statement; only where some are missing the runs of those that are
there are listed. What is counted at once is limited, so that neither side's memory grows with the table.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.clickhouse.keys import around, listed_records

Ask = Callable[[str], list[list[Any]]]
"""Runs a question and returns its rows."""

FEW: Final = 200
"""So few records are asked for one by one: that is planned in half the time."""
AT_ONCE: Final = 65_536
"""Seqs that are counted as one range."""
RANGES: Final = 500
"""Ranges in one statement."""
RECORDS: Final = 1_000_000
"""Records that one statement asks for."""


def missing(ask: Ask, table: str, records: SeqSet) -> SeqSet:
    """Which of these records are not in a table.

    Args:
        table: its quoted name.
    """
    if records.count <= FEW:
        return records - _found(ask, table, records)
    lacking: list[Range] = []
    for wanted in _in_portions(records):
        counts = {(int(session), int(first)): int(count) for session, first, count in ask(_counting(table, wanted))}
        incomplete = [each for each in wanted if counts.get((each.session, each.first_seq), 0) < each.count]
        in_part = [each for each in incomplete if (each.session, each.first_seq) in counts]
        runs = ask(_listing(table, in_part)) if in_part else []
        present = SeqSet(Range.between(int(session), int(first), int(last) + 1) for session, first, last in runs)
        lacking += (SeqSet(incomplete) - present).ranges
    return SeqSet(lacking)


def _found(ask: Ask, table: str, records: SeqSet) -> SeqSet:
    """Those of a few records that a table has."""
    if not records:
        return SeqSet()
    listed = listed_records((each.session, seq) for each in records.ranges for seq in range(each.first_seq, each.end))
    rows = ask(f"SELECT DISTINCT toString(session), toString(seq) FROM {table} WHERE (session, seq) IN ({listed})")
    return SeqSet(Range(int(session), int(seq), 1) for session, seq in rows)


def _in_portions(records: SeqSet) -> Iterator[list[Range]]:
    """The same records in ranges, as many at a time as one statement asks for."""
    portion: list[Range] = []
    count = 0
    for each in (part for whole in records.ranges for part in whole.cut(AT_ONCE)):
        if portion and (len(portion) == RANGES or count + each.count > RECORDS):
            yield portion
            portion, count = [], 0
        portion.append(each)
        count += each.count
    if portion:
        yield portion


def _counting(table: str, ranges: Sequence[Range]) -> str:
    """How many different records each range has that has any."""
    return f"""
        SELECT record.session, wanted.first_seq, uniqExact(record.seq)
        {_records_in(table, ranges)}
        GROUP BY record.session, wanted.first_seq"""


def _listing(table: str, ranges: Sequence[Range]) -> str:
    """The runs of consecutive seqs that are there of these ranges."""
    return f"""
        SELECT session, min(seq), max(seq)
        FROM (
            SELECT session, seq, seq - row_number() OVER (PARTITION BY session ORDER BY seq) AS run
            FROM (SELECT DISTINCT record.session AS session, record.seq AS seq {_records_in(table, ranges)})
        )
        GROUP BY session, run"""


def _records_in(table: str, ranges: Sequence[Range]) -> str:
    """Read what the primary key says may be in a range, and take each record for the range it is in."""
    bounds = ", ".join(f"({each.session}, {each.first_seq}, {each.end - 1})" for each in ranges)
    return f"""
        FROM {table} AS record
        ASOF JOIN (
            SELECT bounds.1 AS of_session, bounds.2 AS first_seq, bounds.3 AS last_seq
            FROM (SELECT arrayJoin(CAST([{bounds}], 'Array(Tuple(UInt64, UInt64, UInt64))')) AS bounds)
        ) AS wanted ON record.session = wanted.of_session AND record.seq >= wanted.first_seq
        WHERE indexHint({around(ranges)}) AND record.seq <= wanted.last_seq"""
