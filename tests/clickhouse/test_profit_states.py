"""Totals that are kept come to what the whole fold comes to, whatever comes later, is changed, lost or altered."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from ringbuf.query import database as query
from ringbuf.query.questions.kept import kept
from ringbuf.query.questions.selection import Selection
from ringbuf.query.questions.whole_fold import folded
from ringbuf.record.instrument import INSTRUMENTS
from ringbuf.sinks.clickhouse import profit_rows, taken
from ringbuf.sinks.clickhouse.profit_states import latest
from ringbuf.sinks.clickhouse.standings import Asked, Moment, standings
from ringbuf.strategies.inventory import Contract, ContractKind
from ringbuf.trading.contract_table import Contracts
from tests.clickhouse.databases import ON_SERVER, ON_SERVER_AND_CLUSTER, Database
from tests.clickhouse.test_instruments import store
from tests.clickhouse.test_profit import asked
from tests.clickhouse.test_rules import given, shuffled
from tests.clickhouse.test_sums import MINUTE, MOMENT, fill, insert, rows
from tests.clickhouse.test_unique import arrive
from tests.kept_profit import compare, compare_days, compare_figures, told
from tests.model.venue import random_venue
from tests.unit.trading.histories import histories

DAY = 86_400 * 10**9
FIRST_DAY = datetime.fromtimestamp(MOMENT // 10**9, UTC).date()
INVERSE = Contract(ContractKind.INVERSE, base="B", quote="Q")


def check(
    database: Database, selection: Selection | None = None, contracts: Contracts | None = None, *, is_all: bool = True
) -> None:
    """What comes of totals that are kept is what comes of all fills.

    Args:
        is_all: no position is left to these.
    """
    left = compare(asked(database), selection or Selection(), contracts)
    assert not is_all or not left


def periods(draw: random.Random, times: Sequence[int], count: int) -> list[Selection]:
    """Periods that begin and end at times or near them."""
    found = [Selection()]
    for _ in range(count):
        since, until = sorted(draw.choice(times) + draw.choice((-1, 0, 1, MINUTE, DAY)) for _ in range(2))
        found += [
            Selection(since_ns=since),
            Selection(until_ns=until),
            Selection(since_ns=since, until_ns=max(until, since + 1)),
        ]
    return found


def traded(draw: random.Random, number: int, at_ns: int) -> dict[str, Any]:
    """A fill of one of some positions."""
    return fill(
        number,
        at_ns,
        side=draw.choice(("buy", "sell")),
        last_price=draw.randrange(1, 99) / 4,
        last_quantity=float(draw.randrange(1, 9)),
        symbol=draw.choice("ST"),
        exchange_seq=draw.randrange(3),
        commission=draw.choice((0.0, 0.25, -0.25)),
    )


def test_profit_goes_on_from_what_is_kept(views: Database) -> None:
    draw = random.Random(1)
    insert(views, [traded(draw, number, MOMENT + number * 5 * 3_600 * 10**9) for number in range(20)], 0)
    views.close_sums()
    views.fold()
    insert(views, [traded(draw, 20, MOMENT + 5 * DAY)], 20)
    check(views, Selection(since_ns=MOMENT + DAY, until_ns=MOMENT + 3 * DAY))
    check(views)
    assert compare_days(asked(views)) > 0  # the last fill is not folded yet
    whole = list(folded(asked(views), {}, Selection(), by_day=False))
    views.fold()
    assert {each.symbol for each in compare_figures(asked(views), Selection(), {}, whole)} == {"S"}
    inverse = {("x", "S"): INVERSE}
    whole = list(folded(asked(views), inverse, Selection(), by_day=False))
    assert not compare_figures(asked(views), Selection(), inverse, whole)


@ON_SERVER
def test_profit_goes_on_from_what_is_kept_at_any_moment_of_any_period(views: Database) -> None:
    draw = random.Random(1)
    times = sorted(
        MOMENT + draw.randrange(6) * DAY + draw.randrange(90) * MINUTE + draw.randrange(5) for _ in range(100)
    )
    for begin in (0, 50):
        insert(views, [traded(draw, number, times[number]) for number in range(begin, begin + 50)], begin)
        if begin:
            views.close_sums()
        views.fold()
        for selection in periods(draw, times[: begin + 50], 2):
            check(views, selection)
        second, third, fourth, fifth = (str(FIRST_DAY + timedelta(day)) for day in range(1, 5))
        for since, until in (("", ""), (second, ""), ("", fourth), (third, fifth)):
            assert not compare_days(asked(views), since=since, until=until)
    views.command(f"ALTER TABLE {views.name()}.unique_fills DELETE WHERE 1 SETTINGS mutations_sync = 2")
    ((course, other), unknown) = kept(asked(views), {}, Selection(), by_day=False)
    assert [each.parts[-1][1].fills for each in (course, other)] != [0, 0]
    assert not unknown


CHANGES: dict[str, dict[str, Any]] = {
    "a fill that comes late": {"exchange_ns": MOMENT + 3 * MINUTE + 7, "trade_id": "late", "order_id": "late"},
    "a price that is corrected": {"exec_type": "trade_correct", "last_price": 77.25, "last_quantity": float("nan")},
    "a fill that is taken back": {"exec_type": "trade_cancel"},
    "a fee that is corrected": {"exec_type": "trade_correct", "commission": 0.5, "last_quantity": float("nan")},
    "a copy that was captured live before": {"captured_ns": MOMENT - DAY, "origin": "live"},
}


@pytest.mark.parametrize("change", CHANGES)
@ON_SERVER
def test_what_changes_in_the_past_counts_at_once_and_is_folded_again(views: Database, change: str) -> None:
    draw = random.Random(change)
    are_closed = draw.random() < 0.5
    times = [MOMENT + number * 7 * MINUTE + number // 8 * DAY for number in range(24)]
    insert(views, [traded(draw, number, at_ns) for number, at_ns in enumerate(times)], 0)
    if are_closed:
        views.close_sums()
    views.fold()
    insert(views, [fill(3, times[3], symbol="S", captured_ns=times[-1] + 1) | CHANGES[change]], 24)
    selections = [Selection(), Selection(since_ns=times[2]), Selection(until_ns=times[9])]
    for each in selections:
        check(views, each, is_all=False)
    compare_days(asked(views))
    if are_closed:
        views.close_sums()
    views.fold()
    for each in selections:
        check(views, each)
    assert not compare_days(asked(views))


class Interrupted:
    """A way to ask a database, with which something happens before the statement of a number.

    Attributes:
        statements: how many were asked.
    """

    def __init__(self, views: Database, number: int, happens: Callable[[], None]) -> None:
        self._views, self._number, self._happens = views, number, happens
        self.statements = 0

    def __call__(self, statement: str) -> list[bytes]:
        if self.statements == self._number:
            self._happens()
        self.statements += 1
        return [self._views.query_json(statement)]


@pytest.mark.parametrize("late_ns", [0, -MINUTE, -DAY], ids=["in its minute", "before that", "before its day"])
@pytest.mark.parametrize("by_day", [False, True], ids=["in all", "by day"])
@ON_SERVER
def test_a_fill_that_comes_while_a_question_is_asked_is_before_its_period_and_in_its_end_or_in_neither(
    views: Database, late_ns: int, by_day: bool
) -> None:
    draw = random.Random(8)
    times = [MOMENT + number * 11 * MINUTE + number // 8 * DAY for number in range(24)]
    insert(views, [fill(number, at_ns) for number, at_ns in enumerate(times)], 0)
    views.close_sums()
    views.fold()
    selection = Selection(since_ns=times[20] + 10)
    for number in range(4):
        count, at_ns = 24 + number, times[20] + late_ns + number
        late = fill(count, at_ns, last_price=draw.randrange(1, 99) / 4)
        before = told(list(folded(asked(views), {}, selection, by_day=by_day)))
        interrupted = Interrupted(views, number, partial(insert, views, [late], count))
        courses, unknown = kept(query.Database(views.name(), interrupted), {}, selection, by_day=by_day)
        if interrupted.statements <= number:
            break
        after = told(list(folded(asked(views), {}, selection, by_day=by_day)))
        assert unknown or told(courses) in (before, after), (told(courses), before, after)
        views.close_sums()
        views.fold()
    assert number == 2  # two statements


@ON_SERVER_AND_CLUSTER
def test_whatever_comes_in_which_order_what_is_kept_comes_to_what_all_fills_come_to(
    views: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(3)
    known = [shuffled(draw, each.records) for each in histories().values()][::3]
    known += [[*map(given, random_venue(f"states {number}").arrivals())] for number in range(30)]
    monkeypatch.setattr(profit_rows, "AT_ONCE", 200)
    for portion in range(2):
        part = [each[len(each) * portion // 2 : len(each) * (portion + 1) // 2] for each in known]
        arrive(views, part, 1_000, draw, portions=1, first_seq=10_000 * portion)
        check(views, is_all=False)
        compare_days(asked(views))
        if portion:
            views.close_sums()
        views.fold()
    check(views)
    assert not compare_days(asked(views))
    assert rows(views, f"{views.name()}.profit_states FINAL", "span")


@ON_SERVER
def test_two_writers_that_fold_the_same_disturb_each_other_in_nothing(views: Database) -> None:
    draw = random.Random(4)
    times = [MOMENT + draw.randrange(3) * DAY + draw.randrange(200) * MINUTE for _ in range(40)]
    for begin in range(0, 40, 10):
        insert(views, [traded(draw, number, times[number]) for number in range(begin, begin + 10)], begin)
        views.fold_a_little(draw.randrange(2))
    check(views, is_all=False)
    for number in (0, 1):
        views.fold_a_little(number, 6)
        check(views)
        assert not compare_days(asked(views))


@ON_SERVER
def test_another_contract_has_its_positions_folded_again(views: Database) -> None:
    draw = random.Random(5)
    insert(views, [traded(draw, number, MOMENT + number * MINUTE) for number in range(30)], 0)
    views.fold()
    check(views)
    rounded = Contract(value_step=Decimal("0.5"))
    for its in (
        {("x", "S"): INVERSE, ("x", "T"): rounded},
        {("x", "S"): replace(INVERSE, multiplier=Decimal("0.01")), ("x", "T"): replace(rounded, settle="U")},
    ):
        check(views, contracts=its, is_all=False)
        store(views, its)
        views.fold()
        check(views, contracts=its)
        assert not compare_days(asked(views), its)
        check(views, is_all=False)
    views.command(f"DROP TABLE {views.name()}.{INSTRUMENTS.name} SYNC")


DAMAGE = {
    "a text that is none": "ALTER TABLE {} UPDATE totals = 'x' WHERE fills_hash != 0",
    "rows of buckets that are gone": "ALTER TABLE {} DELETE WHERE span > 60",
    "the latest that are gone": "ALTER TABLE {} DELETE WHERE span = 0 AND begin = 0",
    "fills that are others": "ALTER TABLE {} UPDATE fills_hash = fills_hash + 1 WHERE fills_hash != 0",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@ON_SERVER
def test_totals_that_were_damaged_do_not_count_and_are_made_again(views: Database, damage: str) -> None:
    draw = random.Random(6)
    times = [MOMENT + number * 7 * MINUTE + number // 8 * DAY for number in range(24)]
    insert(views, [traded(draw, number, at_ns) for number, at_ns in enumerate(times)], 0)
    views.close_sums()
    views.fold()
    views.command(damage.format(f"{views.name()}.profit_states") + " SETTINGS mutations_sync = 2")
    for selection in (Selection(), Selection(since_ns=times[20])):
        check(views, selection, is_all=False)
    views.fold()
    check(views, is_all=damage != DAMAGE["rows of buckets that are gone"])


@ON_SERVER
def test_while_the_servers_clock_is_behind_what_it_was_what_is_folded_replaces_what_was(views: Database) -> None:
    table = f"{views.name()}.profit_states"
    insert(views, [fill(1, MOMENT)], 0)
    views.fold()
    ahead = f"SELECT * REPLACE (version + 3600000000000 AS version) FROM {table} WHERE version != 0"
    views.command(f"INSERT INTO {table} {ahead}")
    insert(views, [fill(2, MOMENT + 1)], 1)
    views.fold()
    assert views.rows(f"SELECT last_seq FROM {latest(views.name())} AND totals != ''") == [(1,)]
    check(views)


@ON_SERVER
def test_a_fill_of_the_future_and_one_of_before_the_epoch_count(views: Database) -> None:
    ahead_ns = time.time_ns() + 10 * DAY
    insert(views, [fill(number, at_ns) for number, at_ns in enumerate((MOMENT, ahead_ns, 0, -5 * DAY))], 0)
    for _ in range(2):
        views.fold()
        check(views, is_all=False)
        for since in ("", "1969-12-27", "1969-12-28", "1970-01-01"):
            assert compare_days(asked(views), since=since) == 1  # that of the future
        insert(views, [fill(9, MOMENT + 1)], 9)


def daily() -> list[dict[str, Any]]:
    """A fill a day, that buys and sells in turn, at a price that rises."""
    sides = ("buy", "sell") * 2
    return [fill(day, MOMENT + day * DAY, side=side, last_price=10.0 + day) for day, side in enumerate(sides)]


@ON_SERVER
@pytest.mark.parametrize("ignored_day", [0, 1])
def test_a_day_of_fills_that_cannot_be_summed_leaves_what_the_next_one_earned_known(
    views: Database, ignored_day: int
) -> None:
    fills = daily()
    fills[ignored_day]["last_quantity"] = 1e21
    insert(views, fills, 0)
    views.close_sums()
    views.fold()
    for since in ("", *(str(FIRST_DAY + timedelta(day)) for day in range(4))):
        assert not compare_days(asked(views), since=since)


@ON_SERVER
def test_a_day_of_which_all_fills_were_taken_back_leaves_what_the_next_one_earned_known(views: Database) -> None:
    insert(views, daily(), 0)
    views.close_sums()
    views.fold()
    for day in (1, 0):
        insert(views, [daily()[day] | {"exec_type": "trade_cancel", "exchange_ns": MOMENT + 9 * DAY}], 10 + day)
        compare_days(asked(views))
        views.fold()
        assert not compare_days(asked(views))


@ON_SERVER
def test_many_fills_in_one_minute_and_many_open_minutes_are_no_limit(
    views: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profit_rows, "AT_ONCE", 10)
    monkeypatch.setattr(taken, "MOST_BUCKETS", 3)
    draw = random.Random(7)
    insert(views, [traded(draw, number, MOMENT + number // 25 * MINUTE + number) for number in range(100)], 0)
    check(views, is_all=False)
    assert views.fold() > 3
    check(views)
    views.fold()  # as the next writer, which begins a little before the end
    assert rows(views, f"{views.name()}.profit_states FINAL", "countIf(span = 0 AND begin = 0)") == [(2,)]
    check(views)


@ON_SERVER
def test_of_a_minute_with_many_fills_a_moment_in_it_needs_the_last_few_and_whatever_came_late_counts(
    views: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profit_rows, "AT_ONCE", 70)
    draw = random.Random(9)
    times = sorted(draw.randrange(MINUTE) for _ in range(400))
    first = [traded(draw, number, MOMENT - DAY + number) | {"symbol": "SUT"[number]} for number in range(3)]
    insert(views, first, 0)
    for begin in (0, 150, 300):
        portion = times[begin : begin + 150]
        insert(views, [traded(draw, 3 + begin + number, MOMENT + at) for number, at in enumerate(portion)], 3 + begin)
        views.fold()
        for at in (*draw.sample(times[: begin + 150], 3), times[0], MINUTE):
            check(views, Selection(since_ns=MOMENT + at))
            check(views, Selection(until_ns=MOMENT + at))
    assert rows(views, f"{views.name()}.profit_states FINAL", "countIf(span = 10)") == [(12,)]
    moment = Moment(MOMENT + times[390], (MOMENT + times[390]) // MINUTE, is_fine=True)
    (found,) = standings(views.rows, views.name(), [moment], Asked()).standings
    assert {key[2]: each.totals.fills + len(each.fresh) for key, each in found.items()}["U"] == 1
    assert all(len(each.fresh) < 400 / 6 for each in found.values())
    insert(views, [traded(draw, 403, MOMENT + times[200])], 403)
    for at in (times[100], times[300], MINUTE):
        check(views, Selection(since_ns=MOMENT + at))
    views.command(f"ALTER TABLE {views.name()}.profit_states DELETE WHERE span = 10 SETTINGS mutations_sync = 2")
    check(views, Selection(since_ns=MOMENT + times[300]))
    views.fold()
    check(views, Selection(since_ns=MOMENT + times[300]))
