"""Drops old records of executions, as far as the rows that are derived from them say all that they said."""

from collections.abc import Callable
from typing import Final

from ringbuf.journal.step import Step, reached
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.clickhouse.sink import ClickHouseSink

MOST_PENDING: Final = 300
"""While so many ranges of records are not derived, nothing is dropped."""


def drop_old(sink: ClickHouseSink, records: SeqSet, before_ns: int, *, is_over: Callable[[], bool]) -> int | None:
    """Drop those of some records that may go.

    Args:
        before_ns: what was captured earlier is old, ns since the epoch.
        is_over: whether to end early.

    Returns:
        how many are being dropped; None if not all could be looked at.

    Raises:
        SinkUnavailable: the database cannot be reached, or does not allow it.
    """
    old, rows, count = sink.old_orders(before_ns), sink.unique, 0
    for portion in old.portions(records):
        now_ns, pending = rows.version(), rows.pending()  # in this order: what begins later has a later version
        if is_over() or len(pending.ranges) > MOST_PENDING:
            return None
        if found := old.droppable(portion, pending, now_ns):
            whole = Range.between(found.ranges[0].session, found.ranges[0].first_seq, found.end)
            rows.dropped.note(SeqSet([whole]))
            reached(Step.DROPPING_NOTED)
            old.drop(found)
            reached(Step.RECORDS_DROPPED)
            count += found.count
    return count
