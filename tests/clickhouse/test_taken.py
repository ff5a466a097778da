"""Every fill of a question is in one closed bucket that it takes, or in a minute."""

import random
from ast import literal_eval

from ringbuf.sinks.clickhouse.sums import DAY, FIRST_MINUTE, MINUTE, SPANS
from ringbuf.sinks.clickhouse.taken import Bucket, taken
from ringbuf.sinks.clickhouse.views.time import NS


def of_minutes(minutes: set[int], span: int) -> set[Bucket]:
    return {Bucket(span, minute * MINUTE // span * span) for minute in minutes}


def test_each_minute_is_taken_once_and_no_bucket_is_on_both_sides_of_a_cut() -> None:
    draw = random.Random(1)
    for _ in range(200):
        minutes = {draw.choice((0, 1, 700)) * 1_440 + draw.randrange(-3_000, 3_000) for _ in range(30)}
        late = set(draw.sample(sorted(minutes), draw.randrange(4)))
        open_ = {each for span in SPANS for each in of_minutes(late, span)}
        cuts = sorted(draw.choice(sorted(minutes)) * MINUTE * NS + draw.randrange(3) for _ in range(draw.randrange(2)))
        last = draw.choice((None, max(minutes) * MINUTE * NS + draw.randrange(-1, 2)))
        span = draw.choice((DAY, SPANS[-1]))
        chosen = taken("db", open_, of_minutes(minutes, SPANS[-1]), cuts, last, span)
        closed = [Bucket(*each) for each in literal_eval(f"[{chosen.closed}]")]
        alone = set(literal_eval(f"[{chosen.minutes}]")) - {FIRST_MINUTE}
        assert all(each.span <= span for each in closed)
        assert not set(closed) & open_
        for minute in minutes:
            begin, end = minute * MINUTE * NS, (minute + 1) * MINUTE * NS
            count = sum(each.begin <= minute * MINUTE < each.begin + each.span for each in closed)
            is_cut = any(begin < each < end for each in (*cuts, *([] if last is None else [last + 1])))
            if last is not None and begin > last:
                assert not count
            else:
                assert count == (minute not in late and not is_cut)
                assert (minute in alone) == (not count)
        for cut in cuts:
            assert not any(each.begin * NS < cut < (each.begin + each.span) * NS for each in closed)
