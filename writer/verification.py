"""Which records the database does not have, found by sequence number."""

from collections.abc import Sequence

from ringbuf.schema import Schema

from .batch import Range, gaps, merged
from .sink import ClickHouseSink


def missing(sink: ClickHouseSink, schema: Schema, ranges: Sequence[Range]) -> list[Range]:
    """What of these ranges is not in the schema's table, sorted.

    Raises:
        SinkUnavailable: the database cannot be asked.
    """
    lost: list[Range] = []
    stored = sink.stored(schema, ranges)
    for each in ranges:
        if stored[each] < each.count:
            lost.extend(gaps(each, sink.stored_seqs(schema, each).tolist() if stored[each] else ()))
    return merged(lost)
