"""Which closed buckets and which open minutes a question takes: chosen here from the buckets that are open.

Few buckets are open, and what is closed follows: a longest bucket that is not open is closed, and so is each part of an
open one that is not open itself. Parts without fills are named too, and have no sums. To choose in the database takes a
subquery over all buckets, and planning it longer than all of this.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from ringbuf.sinks.clickhouse import sums
from ringbuf.sinks.clickhouse.sums import FIRST_MINUTE, MINUTE, PARTS, SPANS, Period
from ringbuf.sinks.clickhouse.table import quoted
from ringbuf.sinks.clickhouse.views.time import NS

MOST_BUCKETS: Final = 2_000
"""So many are named in a statement; more are found by it."""
_LONGEST: Final = SPANS[-1]


class Bucket(NamedTuple):
    """A bucket, in seconds since the epoch."""

    span: int
    begin: int


class Taken(NamedTuple):
    """What has all fills of a question: closed buckets and minutes, each as what stands in IN."""

    closed: str
    minutes: str


def open_or_longest(database: str) -> str:
    """Selects span, begin and is_closed of the buckets that `taken` chooses by; at most one more than it can."""
    buckets = f"{quoted(database)}.buckets FINAL"
    is_told = f"span >= {MINUTE} AND (NOT is_closed OR span = {_LONGEST})"
    return f"SELECT span, begin, is_closed FROM {buckets} WHERE {is_told} LIMIT {MOST_BUCKETS + 1}"


def taken(
    database: str,
    open_: set[Bucket],
    longest: Collection[Bucket],
    cuts: Sequence[int],
    last: int | None,
    span: int = _LONGEST,
) -> Taken:
    """What is taken of the fills up to a time; no bucket is on both sides of a cut.

    Args:
        open_: all open buckets.
        longest: all of the longest span.
        cuts: times in ns since the epoch; what is cut begins there.
        last: in ns; None: all fills.
        span: that of the longest buckets that are taken.
    """
    if len({*open_, *longest}) > MOST_BUCKETS:
        return _found(database, cuts, last, span)
    ends = cuts if last is None else (*cuts, last + 1)
    closed: list[Bucket] = []
    minutes = {each.begin // MINUTE for each in open_ if each.span == MINUTE}
    for each in longest:
        for part in _parts(each, open_, ends, last, span):
            if part.span == MINUTE and (part in open_ or _is_cut(part, ends)):
                minutes.add(part.begin // MINUTE)
            else:
                closed.append(part)
    if len(closed) + len(minutes) > MOST_BUCKETS:
        return _found(database, cuts, last, span)
    return Taken(
        ", ".join(f"({each.span}, {each.begin})" for each in closed) or "(0, 1)",
        ", ".join(map(str, sorted(minutes))) or str(FIRST_MINUTE),
    )


def _parts(bucket: Bucket, open_: set[Bucket], ends: Sequence[int], last: int | None, span: int) -> Iterator[Bucket]:
    if last is not None and bucket.begin * NS > last:
        return
    if bucket.span == MINUTE or not (bucket.span > span or bucket in open_ or _is_cut(bucket, ends)):
        yield bucket
        return
    shorter = PARTS[bucket.span]
    for begin in range(bucket.begin, bucket.begin + bucket.span, shorter):
        yield from _parts(Bucket(shorter, begin), open_, ends, last, span)


def _is_cut(bucket: Bucket, ends: Sequence[int]) -> bool:
    return any(bucket.begin * NS < each < (bucket.begin + bucket.span) * NS for each in ends)


def _found(database: str, cuts: Sequence[int], last: int | None, span: int) -> Taken:
    """The same, found by the statement itself."""
    firsts = [None, *map(str, cuts)]
    lasts = [*(str(each - 1) for each in cuts), None if last is None else str(last)]
    periods = [Period(first, its_last) for first, its_last in zip(firsts, lasts, strict=True)]
    return Taken(
        " UNION ALL ".join(sums.whole_buckets(database, each, span) for each in periods),
        " UNION ALL ".join(sums.open_minutes(database, each) for each in periods),
    )
