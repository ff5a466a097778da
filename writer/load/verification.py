"""Which records the database does not have, found by sequence number."""

from collections.abc import Sequence

from ringbuf.record.schema import Schema
from ringbuf.record.seqs import Range, gaps, merged
from ringbuf.sinks.clickhouse.sink import ClickHouseSink


def missing(sink: ClickHouseSink, schema: Schema, ranges: Sequence[Range]) -> list[Range]:
    """What of these ranges is not in the schema's table, sorted.

    Raises:
        SinkUnavailable: the database cannot be asked.
    """
    stored = sink.stored(schema, ranges)
    # Listing takes long, so only what is there in part is listed, and in one go: after a crash that may be every ring.
    listed = sink.stored_seqs(schema, [each for each in ranges if 0 < stored[each] < each.count])
    lacking = [each for each in ranges if stored[each] < each.count]
    return merged(gap for each in lacking for gap in gaps(each, listed.get(each, ())))
