"""Removes records of a table that a column of theirs says are old, by lightweight deletes."""

from collections.abc import Callable
from typing import Any, Final

from ringbuf.record.seqs import SeqSet
from ringbuf.sinks.clickhouse.keys import within
from ringbuf.sinks.clickhouse.table import quoted

DROPPED_AT_ONCE: Final = 500
"""Ranges of records that one statement removes."""


def delete_old(
    ask: Callable[[str], list[list[Any]]],
    clear: Callable[[str], None],
    name: str,
    itself: str,
    records: SeqSet,
    column: str,
    before_ns: int,
) -> int:
    """Remove those of some records that are old; gives how many are being removed.

    Args:
        name: of the table, quoted; `itself` as a statement names it that changes it.
        column: of times.
        before_ns: what is earlier is old, ns since the epoch.
    """
    is_old, count = f"{quoted(column)} < fromUnixTimestamp64Nano(toInt64({before_ns}), 'UTC')", 0
    sessions = {int(session) for (session,) in ask(f"SELECT DISTINCT session FROM {name} WHERE {is_old}")}
    ranges = [each for each in records.ranges if each.session in sessions]
    for begin in range(0, len(ranges), DROPPED_AT_ONCE):
        some = within(ranges[begin : begin + DROPPED_AT_ONCE])
        ((found,),) = ask(f"SELECT count() FROM {name} WHERE {is_old} AND ({some})")
        if int(found):
            clear(f"DELETE FROM {itself} WHERE {is_old} AND ({some})")
            count += int(found)
    return count
