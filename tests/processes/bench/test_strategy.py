"""`ringbuf bench strategy`: every message arrives in every contender, and one that loses some is found."""

from contextlib import ExitStack
from decimal import Decimal

import pytest

from ringbuf.bench import strategy
from ringbuf.bench.contender import Absent, CheckFailed
from ringbuf.bench.message_contender import MessageContender
from ringbuf.bench.message_contenders import CONTENDERS, Pages
from ringbuf.bench.report import Report
from ringbuf.bench.venue_messages import KINDS, orders
from ringbuf.bench.workspace import workspace
from ringbuf.strategies.orders import OrderPages

GAP_NS = 5_000_000


def run(kind: type[MessageContender], leave_out: int | None = None) -> None:
    """Two slices in this process; the first with one message less, if so wanted."""
    with workspace() as work, ExitStack() as stack:
        contender = kind(work.namespace)
        try:
            contender.open(stack)
        except Absent as error:
            pytest.skip(str(error))
        for first in (0, 5):
            some = list(orders(first, 5, GAP_NS))
            for place, message in enumerate(contender.prepare(some)):
                if place != leave_out:
                    contender.call(message)
            contender.check(some)


@pytest.mark.parametrize("kind", CONTENDERS, ids=lambda kind: kind.name)
def test_an_honest_run_passes_its_check(kind: type[MessageContender]) -> None:
    run(kind)


@pytest.mark.parametrize("place", range(4), ids=KINDS)
def test_a_message_that_was_lost_is_found(place: int) -> None:
    with pytest.raises(CheckFailed):
        run(Pages, place)


def test_the_messages_of_an_order_are_four_deltas_of_one_page() -> None:
    pages = OrderPages()
    (order,) = orders(7, 1, GAP_NS)
    deltas = [pages.apply(each) for each in order.updates()]
    half = Decimal(order.lots) / 100
    assert [each and each.traded for each in deltas] == [0, 0, half, half]
    assert len(pages.inventory.orders()) == 1
    assert pages.open_pages() == []


def test_everything_is_measured_and_memory_is_bounded() -> None:
    report = Report("strategy", quick=True)
    extent = strategy.Extent(rounds=1, per_round=10, orders=4_000, held=500)
    with workspace() as work:
        strategy.measure(work, extent, report)
    cost, kinds, memory = report.sections
    assert report.failed == {}
    assert {row["name"] for row in cost.rows} | report.absent.keys() == {each.name for each in CONTENDERS}
    assert [row["name"] for row in kinds.rows] == list(KINDS)
    assert all(row["count"] == 10 for row in kinds.rows)
    assert [row["open"] for row in memory.rows[:3]] == [0, 250, 0]
    assert max(row["pages"] for row in memory.rows) < 2_000
