"""Reconciliation while live updates come, in an event loop, and with handlers that act."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import pytest

from ringbuf.errors import ConfigurationError
from ringbuf.record.enumerations import OrderStatus
from ringbuf.strategies.inventory import Position
from ringbuf.strategies.reconciliation import Failure, VenueQueries, reconcile, reconcile_async
from tests.unit.strategies.hedge_desk import Desk, hedge
from tests.unit.strategies.test_reconciliation import NEW, WHOSE, Update, asked, fill, opened, page_of, position, state


def test_coroutine_functions_and_plain_ones_may_be_mixed() -> None:
    async def trades() -> Sequence[Update]:
        await asyncio.sleep(0)
        return [fill(1)]

    async def positions() -> dict[str, int]:
        raise OSError("away")

    pages = opened(NEW)
    queries = VenueQueries(open_orders=lambda: [NEW], trades=trades, positions=positions)
    found = asyncio.run(reconcile_async(pages, queries, **WHOSE))
    assert found.failures == [Failure("positions", "OSError: away")]
    assert position(pages).quantity == 1
    with pytest.raises(ConfigurationError, match="await reconcile_async"):
        reconcile(pages, queries, **WHOSE)


def test_a_reconciliation_that_is_cancelled_ends() -> None:
    async def never() -> Sequence[Update]:
        await asyncio.Event().wait()
        return []

    async def cancelled() -> None:
        async with asyncio.timeout(0):
            await reconcile_async(opened(NEW), VenueQueries(open_orders=never), **WHOSE)

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())


def test_a_query_of_which_the_answer_was_cancelled_has_failed() -> None:
    async def cancelled() -> Sequence[Update]:
        answer: asyncio.Future[Sequence[Update]] = asyncio.get_running_loop().create_future()
        answer.cancel()
        return await answer

    found = asyncio.run(reconcile_async(opened(NEW), VenueQueries(open_orders=cancelled), **WHOSE))
    assert [each.query for each in found.failures] == ["open_orders"]


def test_live_updates_may_come_while_the_venue_is_asked() -> None:
    pages = opened(NEW)

    async def open_orders() -> Sequence[Update]:
        pages.apply(WHOSE | fill(1, 5, order_status="filled", cumulative_quantity=5))
        return [NEW]

    found = asyncio.run(reconcile_async(pages, VenueQueries(open_orders=open_orders, trades=list), **WHOSE))
    assert (found.inferred, found.doubts) == ([], [])
    assert (page_of(pages).status, position(pages)) == (OrderStatus.FILLED, Position(Decimal(5)))


def test_a_fill_that_a_live_total_tells_is_not_inferred_while_it_is_on_its_way() -> None:
    pages = opened(NEW)

    def trades() -> Sequence[Update]:
        pages.apply(WHOSE | {**state(1), "order_id": "o2", "client_order_id": "c2"})
        return []

    assert asked(pages, open_orders=[NEW], trades=trades).inferred == []


def test_positions_are_asked_again_if_ours_changed_meanwhile() -> None:
    pages = opened(NEW)

    def ask() -> dict[str, int]:
        if position(pages).quantity == 0:
            pages.apply(WHOSE | fill(1))
            return {"BTC": 0}
        return {"BTC": 1}

    assert asked(pages, open_orders=[NEW], positions=ask).is_sure


def test_what_is_inferred_is_hedged_once_and_so_are_the_real_fills_that_take_its_place() -> None:
    of_all = hedge()
    desk = Desk(lambda order: of_all if order.key.exchange == "maker-venue" else None)
    desk.maker("m", exec_type="new", order_status="new", side="buy", quantity=5)
    desk.maker_fill("m", "buy", "t1", "1")
    told = {"symbol": "M", "order_id": "m", "side": "buy", "order_status": "partially_filled", "cumulative_quantity": 4}
    queries = VenueQueries(open_orders=lambda: [told])
    found = reconcile(desk.pages, queries, exchange="maker-venue", account="A", strategy="s")
    assert [each["last_quantity"] for each in found.inferred] == [3]
    for number in (2, 3, 4):
        desk.maker_fill("m", "buy", f"t{number}", "1")
    desk.restart()
    assert sum(each.quantity for each in desk.sent) == 4
