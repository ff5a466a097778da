"""The loops that time single calls. What a call needs is made before the clock is read.

Nothing is subtracted. What the clock itself takes is measured and reported beside the rest.
"""

import asyncio
import gc
import time
from array import array
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from ringbuf.bench.fills import Fill

Times: TypeAlias = "array[int]"
"""Nanoseconds per call."""


class Timed(NamedTuple):
    """What one slice took.

    Attributes:
        times: of each call.
        gc_runs: how often Python's garbage collector ran meanwhile.
    """

    times: Times
    gc_runs: int


class Style(Enum):
    """How a contender is called."""

    NOTHING = "not at all: what the timer itself takes"
    EVENT = "with the fill as one argument"
    VALUES = "with the values of a fill, without names"
    NAMED = "with the values of a fill by name"
    PACKED = "with a buffer, an offset and ready values"
    AWAITED = "with the fill as one argument, awaited"


def measure(style: Style, call: Callable[..., Any], events: Sequence[Any], gap_ns: int) -> Timed:
    """Time one call for each event.

    Args:
        gap_ns: nanoseconds from the beginning of one call to that of the next, slept in between; 0 for a burst.
    """
    times = array("q", bytes(8 * len(events)))
    gc_runs = 0

    def count_run(phase: str, _: Any) -> None:
        nonlocal gc_runs
        gc_runs += phase == "start"

    gc.collect()
    gc.callbacks.append(count_run)
    try:
        if style is Style.AWAITED:
            asyncio.run(_awaited(call, events, gap_ns, times))
        else:
            _LOOPS[style](call, events, gap_ns, times)
    finally:
        gc.callbacks.remove(count_run)
    return Timed(times, gc_runs)


def _nothing(_: Any, events: Sequence[Fill], gap_ns: int, times: Times) -> None:
    clock = time.perf_counter_ns
    due = clock()
    for index in range(len(events)):
        if gap_ns:
            due = _wait(due + gap_ns)
        begin = clock()
        end = clock()
        times[index] = end - begin


def _event(send: Callable[[Any], Any], events: Sequence[Any], gap_ns: int, times: Times) -> None:
    clock = time.perf_counter_ns
    due = clock()
    for index, event in enumerate(events):
        if gap_ns:
            due = _wait(due + gap_ns)
        begin = clock()
        send(event)
        end = clock()
        times[index] = end - begin


def _values(send: Callable[..., Any], events: Sequence[Fill], gap_ns: int, times: Times) -> None:
    clock = time.perf_counter_ns
    due = clock()
    for index, event in enumerate(events):
        status, side, liquidity, price, quantity, total, fee, client_id, order_id, trade_id, currency, ns, seq = event
        if gap_ns:
            due = _wait(due + gap_ns)
        begin = clock()
        send(status, side, liquidity, price, quantity, total, fee, client_id, order_id, trade_id, currency, ns, seq)
        end = clock()
        times[index] = end - begin


def _named(fill: Callable[..., Any], events: Sequence[Fill], gap_ns: int, times: Times) -> None:
    clock = time.perf_counter_ns
    due = clock()
    for index, event in enumerate(events):
        status, side, liquidity, price, quantity, total, fee, client_id, order_id, trade_id, currency, ns, seq = event
        if gap_ns:
            due = _wait(due + gap_ns)
        begin = clock()
        fill(
            order_status=status,
            side=side,
            liquidity=liquidity,
            last_price=price,
            last_quantity=quantity,
            cumulative_quantity=total,
            commission=fee,
            client_order_id=client_id,
            order_id=order_id,
            trade_id=trade_id,
            commission_currency=currency,
            exchange_ns=ns,
            exchange_seq=seq,
        )
        end = clock()
        times[index] = end - begin


def _packed(pack_into: Callable[..., Any], events: Sequence[Any], gap_ns: int, times: Times) -> None:
    clock = time.perf_counter_ns
    due = clock()
    for index, (memory, offset, values) in enumerate(events):
        if gap_ns:
            due = _wait(due + gap_ns)
        begin = clock()
        pack_into(memory, offset, *values)
        end = clock()
        times[index] = end - begin


async def _awaited(send: Callable[[Any], Awaitable[Any]], events: Sequence[Any], gap_ns: int, times: Times) -> None:
    clock = time.perf_counter_ns
    due = clock()
    for index, event in enumerate(events):
        if gap_ns:
            due += gap_ns
            await asyncio.sleep(max(0, due - clock()) / 1e9)
            due = max(due, clock())
        begin = clock()
        await send(event)
        end = clock()
        times[index] = end - begin


def _wait(due: int) -> int:
    """Sleep until a time. Returns that time, or the present if it is already past: lost time is not made up for."""
    left = due - time.perf_counter_ns()
    if left > 0:
        time.sleep(left / 1e9)
        return due
    return due - left


_LOOPS: dict[Style, Callable[..., None]] = {
    Style.NOTHING: _nothing,
    Style.EVENT: _event,
    Style.VALUES: _values,
    Style.NAMED: _named,
    Style.PACKED: _packed,
}
