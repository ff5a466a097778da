"""Two who attach to, replace or remove a ring: one acts at every single line of what the other does."""

import signal
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ringbuf.errors import RingCorrupt, RingError, RingInUse, RingNotFound
from ringbuf.record.schema import Schema
from ringbuf.ring import layout, registry
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.observer import Observer
from ringbuf.ring.producer import Producer
from tests.processes.ring.process import MARK, mark, signal_at

NAME = "mm-btc"
OTHER = Schema.define("marks", [("value", "f8")] * 1 + [("more", "S40")], version=2)
STEPS = 300


def interleaved(act: Callable[[], Any], other: Callable[[], Any]) -> list[tuple[Any, Any]]:
    """What both return or raise (ring errors), for each line of `act` before which `other` is done; each time anew."""
    results: list[tuple[Any, Any]] = []
    for step in range(STEPS):
        seen: list[Any] = []
        previous = signal.signal(signal.SIGUSR1, lambda *_, seen=seen: seen.append(outcome(other)))
        try:
            signal_at(step, signal.SIGUSR1)()
            mine = outcome(act)
        finally:
            sys.settrace(None)
            signal.signal(signal.SIGUSR1, previous)
        if not seen:
            assert len(results) > 10
            return results
        results.append((mine, seen[0]))
        check_and_clear(*results[-1])
    raise AssertionError(f"more than {STEPS} lines")


def outcome(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except RingError as error:
        return error


def check_and_clear(*outcomes: Any) -> None:
    """Whoever attached has one ring: its header, its lock and its memory belong together."""
    for each in outcomes:
        if isinstance(each, Producer):
            assert each.cursors[32 // 8] == each.session
            each.append(np.zeros(1, each.schema.dtype))
            (name,) = (name for name in registry.ring_names() if session_of(name) == each.session)
            with pytest.raises(RingInUse):
                registry.remove(name)
        elif isinstance(each, Consumer):
            assert each.cursors[32 // 8] == each.header.session
            assert all(view.dtype == each.header.schema.dtype for view in each.poll())
    for each in outcomes:
        if not isinstance(each, Exception | None):
            each.close()
    for name in registry.ring_names():
        registry.remove(name, force=True)


def session_of(name: str) -> int:
    with Observer.open(name) as observer:
        return observer.header.session


def kinds(results: list[tuple[Any, Any]]) -> set[tuple[str, str]]:
    return {(type(mine).__name__, type(other).__name__) for mine, other in results}


def make_ring() -> None:
    Producer.open(NAME, MARK, capacity=2).close()


def open_producer() -> Producer:
    return Producer.open(NAME, MARK, capacity=2)


def open_other_schema() -> Producer:
    return Producer.open(NAME, OTHER, capacity=4)


def test_no_ring_is_removed_under_a_producer_that_attaches_meanwhile() -> None:
    def remove() -> None:
        make_ring_untraced()
        registry.remove(NAME)

    results = interleaved(remove, open_producer)
    assert kinds(results) == {("RingInUse", "Producer"), ("NoneType", "RingInUse"), ("NoneType", "Producer")}


def make_ring_untraced() -> None:
    tracing = sys.gettrace()
    sys.settrace(None)
    make_ring()
    sys.settrace(tracing)


def test_a_producer_that_attaches_while_its_ring_is_removed_gets_a_ring_that_is_there() -> None:
    def attach() -> Producer:
        make_ring_untraced()
        return open_producer()

    results = interleaved(attach, lambda: registry.remove(NAME))
    assert kinds(results) <= {("Producer", "NoneType"), ("Producer", "RingInUse"), ("Producer", "RingIncomplete")}
    assert {("Producer", "NoneType"), ("Producer", "RingInUse")} <= kinds(results)


def test_two_producers_at_once_never_share_a_ring() -> None:
    results = interleaved(open_producer, open_producer)
    assert kinds(results) == {("RingInUse", "Producer"), ("Producer", "RingInUse")}


def test_two_producers_of_other_schemas_at_once_never_share_a_ring() -> None:
    def attach() -> Producer:
        make_ring_untraced()
        return open_producer()

    results = interleaved(attach, open_other_schema)
    assert kinds(results) <= {("RingInUse", "Producer"), ("Producer", "RingInUse"), ("Producer", "Producer")}
    assert {("RingInUse", "Producer"), ("Producer", "RingInUse")} <= kinds(results)


def test_a_consumer_that_attaches_while_its_ring_is_set_aside_has_one_ring() -> None:
    def attach() -> Consumer:
        make_ring_untraced()
        return Consumer.open(NAME)

    results = interleaved(attach, open_other_schema)
    assert kinds(results) == {("Consumer", "Producer")}
    assert {mine.header.schema.version for mine, _ in results} == {1, 2}


def test_a_consumer_that_attaches_while_its_ring_is_removed_gets_it_or_is_told() -> None:
    def attach() -> Consumer:
        make_ring_untraced()
        return Consumer.open(NAME)

    results = interleaved(attach, lambda: registry.remove(NAME, force=True))
    assert kinds(results) == {("Consumer", "NoneType"), ("RingNotFound", "NoneType")}
    assert all(isinstance(mine, Consumer | RingNotFound) for mine, _ in results)


# Cursors overwritten while somebody is attached


@pytest.mark.parametrize(
    ("offset", "value"),
    [(layout.HEAD, 1), (layout.HEAD, 20), (layout.HEAD, (1 << 64) - 1), (layout.TAIL, 5), (layout.TAIL, (1 << 64) - 1)],
)
def test_a_consumer_stops_at_cursors_that_something_else_overwrote(offset: int, value: int) -> None:
    with Producer.open(NAME, MARK, capacity=4) as producer, Consumer.open(NAME) as consumer:
        for each in range(3):
            producer.append(**mark(each))
        consumer.poll(2)
        consumer.acknowledge(0)
        producer.cursors[offset // 8] = value
        with pytest.raises(RingCorrupt, match="keep a copy of the file"):
            consumer.poll()
        assert consumer.position == 2
