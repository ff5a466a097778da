"""Handlers of deltas: one that raises or is slow never hurts the others, and is logged and counted."""

import asyncio
import functools
import gc
import logging
import threading
import time
from typing import Any

import pytest

from ringbuf.strategies import handlers
from ringbuf.strategies.orders import Delta, OrderPages
from tests.unit.strategies.inventories import fill, order

NEW = order("new", order_id="o1")


def part(number: int) -> dict[str, Any]:
    return fill(0.001, order_id="o1", trade_id=f"t{number}", exchange_ns=1_000 + number)


def apply_parts(pages: OrderPages, count: int) -> None:
    for number in range(count):
        pages.apply(part(number))


class Told:
    """A handler that notes what it was told."""

    def __init__(self) -> None:
        self.deltas: list[Delta] = []

    def __call__(self, delta: Delta) -> None:
        self.deltas.append(delta)

    @property
    def trades(self) -> list[str]:
        return [str(each.update["trade_id"]) for each in self.deltas]


ALL = [f"t{number}" for number in range(5)]


def test_every_handler_is_told_of_every_delta_in_its_order() -> None:
    pages, told = OrderPages(), [Told(), Told(), Told()]
    for each in told:
        pages.on_delta(each)
    apply_parts(pages, 5)
    assert [each.trades for each in told] == [ALL] * 3


def test_a_function_can_be_decorated() -> None:
    pages, found = OrderPages(), []

    @pages.on_delta
    def note(delta: Delta) -> None:
        found.append(delta.page.order_id)

    note_again = note
    pages.apply(NEW)
    assert note_again is note
    assert found == ["o1"]


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError])
def test_a_handler_that_raises_is_logged_once_counted_each_time_and_the_others_are_told(
    caplog: pytest.LogCaptureFixture, error: type[BaseException]
) -> None:
    pages, told = OrderPages(), [Told(), Told()]

    def broken(delta: Delta) -> None:
        raise error(delta.page.order_id)

    for each in (told[0], broken, told[1]):
        pages.on_delta(each)
    apply_parts(pages, 5)
    assert [each.trades for each in told] == [ALL] * 2
    assert [each.failed for each in pages.handlers] == [0, 5, 0]
    (logged,) = [each for each in caplog.records if "broken raised" in each.message]
    assert logged.exc_info is not None


def test_a_slow_handler_is_logged_counted_and_comes_behind_the_others(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock: list[float] = [0.0]
    order_of_calls: list[str] = []
    monkeypatch.setattr(handlers, "perf_counter", lambda: clock[0])
    pages = OrderPages()

    def slow(_: Delta) -> None:
        order_of_calls.append("slow")
        clock[0] += 1

    def quick(_: Delta) -> None:
        order_of_calls.append("quick")

    pages.on_delta(slow)
    pages.on_delta(quick)
    apply_parts(pages, 3)
    assert order_of_calls == ["slow", "quick", "quick", "slow", "quick", "slow"]
    assert [(each.name.rpartition(".")[2], each.slow) for each in pages.handlers] == [("quick", 0), ("slow", 3)]
    assert len([each for each in caplog.records if "took 1,000.0 ms" in each.message]) == 1


@pytest.mark.parametrize("is_slow", [False, True])
def test_a_handler_that_takes_itself_off_is_told_no_more_and_the_others_of_all(
    monkeypatch: pytest.MonkeyPatch, is_slow: bool
) -> None:
    monkeypatch.setattr(handlers, "SLOW", -1.0 if is_slow else 60.0)
    pages, first, others = OrderPages(), list[Delta](), [Told(), Told()]

    def once(delta: Delta) -> None:
        first.append(delta)
        (own,) = (each for each in pages.handlers if each.name.endswith("once"))
        pages.handlers.remove(own)

    pages.on_delta(once)
    for each in others:
        pages.on_delta(each)
    apply_parts(pages, 5)
    assert len(first) == 1
    assert [each.trades for each in others] == [ALL] * 2


def test_a_handler_that_applies_an_update_itself_is_told_of_it_when_it_has_returned() -> None:
    pages, told = OrderPages(), Told()
    depth, deepest = 0, 0

    def send(delta: Delta) -> None:
        nonlocal depth, deepest
        depth += 1
        deepest = max(deepest, depth)
        number = len(told.deltas)
        if number < 5:
            own = pages.apply(part(number))
            assert own is not None
            assert own.page == pages.page("sim", "A1", "BTC-PERPETUAL", order_id="o1")
        depth -= 1

    pages.on_delta(send)
    pages.on_delta(told)
    pages.apply(NEW)
    assert [each.update.get("trade_id") for each in told.deltas] == [None, "t0", "t1", "t2", "t3", "t4"]
    assert deepest == 1


def test_threads_that_apply_at_the_same_time_tell_every_delta_once_and_one_after_another() -> None:
    pages, told = OrderPages(), Told()
    inside: list[int] = []
    overlapping: list[int] = []

    def alone(_: Delta) -> None:
        inside.append(1)
        if len(inside) > 1:
            overlapping.append(1)
        inside.pop()

    pages.on_delta(alone)
    pages.on_delta(told)
    places = [range(number, 400, 4) for number in range(4)]
    threads = [
        threading.Thread(target=lambda some: [pages.apply(part(each)) for each in some], args=(some,))
        for some in places
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(told.trades) == sorted(f"t{number}" for number in range(400))
    executed = [each.page.executed for each in told.deltas]
    assert executed == sorted(executed)
    assert overlapping == []


def test_after_a_handler_was_interrupted_the_next_deltas_are_told() -> None:
    pages, told = OrderPages(), Told()

    @pages.on_delta
    def interrupted(delta: Delta) -> None:
        if delta.update["trade_id"] == "t0":
            raise KeyboardInterrupt

    pages.on_delta(told)
    with pytest.raises(KeyboardInterrupt):
        pages.apply(part(0))
    apply_parts(pages, 5)
    assert told.trades == ALL[1:]


class TestAsync:
    """Coroutine functions."""

    def test_one_is_given_each_delta_in_order_when_it_has_returned_from_the_one_before(self) -> None:
        pages, found = OrderPages(), []

        @pages.on_delta
        async def slow(delta: Delta) -> None:
            found.append(f"begin {delta.update['trade_id']}")
            await asyncio.sleep(0)
            found.append(f"end {delta.update['trade_id']}")

        async def run() -> None:
            apply_parts(pages, 3)
            assert found == []  # nothing is waited for where updates are applied
            await settled(pages)

        asyncio.run(run())
        assert found == [f"{what} t{number}" for number in range(3) for what in ("begin", "end")]

    def test_one_that_never_returns_holds_up_nobody(self) -> None:
        pages, told, woken = OrderPages(), Told(), Told()

        @pages.on_delta
        async def hang(_: Delta) -> None:
            await asyncio.Event().wait()

        async def tell(delta: Delta) -> None:
            woken(delta)

        pages.on_delta(told)
        pages.on_delta(tell)

        async def run() -> None:
            apply_parts(pages, 5)
            await asyncio.sleep(0.01)

        asyncio.run(run())
        assert told.trades == woken.trades == ALL
        assert pages.handlers[0].waiting == 4

    @pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError])
    def test_one_that_raises_is_logged_counted_and_given_the_next(
        self, error: type[BaseException], caplog: pytest.LogCaptureFixture
    ) -> None:
        pages, told = OrderPages(), Told()

        @pages.on_delta
        async def broken(delta: Delta) -> None:
            told(delta)
            raise error

        async def run() -> None:
            apply_parts(pages, 5)
            await settled(pages)

        asyncio.run(run())
        assert (told.trades, pages.handlers[0].failed) == (ALL, 5)
        assert len([each for each in caplog.records if "broken raised" in each.message]) == 1

    def test_without_a_loop_deltas_wait_for_one(self, caplog: pytest.LogCaptureFixture) -> None:
        pages, told = OrderPages(), Told()

        @pages.on_delta
        async def tell(delta: Delta) -> None:
            told(delta)

        apply_parts(pages, 4)
        assert (pages.handlers[0].waiting, told.deltas) == (4, [])
        assert len([each for each in caplog.records if "no event loop" in each.message]) == 1

        async def run() -> None:
            pages.apply(part(4))
            await settled(pages)

        asyncio.run(run())
        assert told.trades == ALL

    def test_a_loop_that_ended_is_followed_by_the_next(self) -> None:
        pages, told = OrderPages(), Told()

        @pages.on_delta
        async def tell(delta: Delta) -> None:
            if delta.update["trade_id"] == "t1":
                await asyncio.Event().wait()
            told(delta)

        async def run(*numbers: int) -> None:
            for number in numbers:
                pages.apply(part(number))
            await asyncio.sleep(0.01)

        asyncio.run(run(0, 1, 2))
        asyncio.run(run(3, 4))
        assert told.trades == ["t0", "t2", "t3", "t4"]  # the loop that ended cancelled what waited in it

    def test_a_loop_that_is_closed_at_this_very_moment_raises_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def register() -> None:
            pages.on_delta(note)

        async def note(delta: Delta) -> None:
            found.append(delta.update["trade_id"])

        async def apply_last() -> None:
            pages.apply(part(4))
            await asyncio.sleep(0)

        pages, found, loop = OrderPages(), list[str](), asyncio.new_event_loop()
        loop.run_until_complete(register())
        loop.close()
        with monkeypatch.context() as patch:
            patch.setattr(loop, "is_closed", lambda: False)  # as it said just before
            apply_parts(pages, 4)
        asyncio.run(apply_last())
        assert found == ALL

    def test_another_thread_gives_deltas_to_the_loop_in_which_it_was_registered(self) -> None:
        pages, told = OrderPages(), Told()
        threads = set()

        async def tell(delta: Delta) -> None:
            threads.add(threading.get_ident())
            told(delta)

        async def run() -> None:
            pages.on_delta(tell)
            await asyncio.to_thread(apply_parts, pages, 5)
            await settled(pages)

        asyncio.run(run())
        assert (told.trades, threads) == (ALL, {threading.get_ident()})

    def test_a_partial_and_an_object_with_a_coroutine_method_are_coroutine_functions(self) -> None:
        pages, found = OrderPages(), []

        async def tell(name: str, delta: Delta) -> None:
            found.append(name)

        class Teller:
            async def __call__(self, delta: Delta) -> None:
                found.append("object")

        pages.on_delta(functools.partial(tell, "partial"))
        pages.on_delta(Teller())

        async def run() -> None:
            pages.apply(NEW)
            await settled(pages)

        asyncio.run(run())
        assert sorted(found) == ["object", "partial"]
        assert [each.name.rpartition(".")[2] for each in pages.handlers] == ["tell", "Teller"]

    def test_a_plain_function_that_returns_a_coroutine_is_told_so(self, caplog: pytest.LogCaptureFixture) -> None:
        pages = OrderPages()

        async def tell(_: Delta) -> None: ...

        pages.on_delta(lambda delta: tell(delta))
        pages.apply(NEW)
        gc.collect()  # a coroutine that nobody awaited would warn
        assert pages.handlers[0].failed == 1
        assert "give the coroutine function" in caplog.text

    def test_that_many_wait_is_said(self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(handlers, "MANY", 3)
        pages = OrderPages()

        @pages.on_delta
        async def tell(_: Delta) -> None: ...

        with caplog.at_level(logging.WARNING):
            apply_parts(pages, 5)
        assert len([each for each in caplog.records if "has 3 deltas waiting" in each.message]) == 1


async def settled(pages: OrderPages) -> None:
    """Wait until no handler has a delta waiting."""
    end = time.monotonic() + 30
    while any(each.waiting for each in pages.handlers):
        assert time.monotonic() < end
        await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)
