"""The heads of many rings, looked at together: in pure Python and in the native core."""

import mmap
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ringbuf.ring import layout, native
from ringbuf.ring.heads import Heads, heads
from ringbuf.ring.native import Cursors, cursors

HEAD = layout.HEAD // 8
RINGS = 5
PATIENCE = 10.0

needs_core = pytest.mark.skipif(native.CORE is None, reason="the native core is not in use")


@pytest.fixture
def rings(implementation: str) -> list[Cursors]:
    """The cursors of some rings; the head of ring n is n."""
    assert (native.CORE is None) == (implementation == "pure")
    made = [cursors(mmap.mmap(-1, layout.HEADER_SIZE)) for _ in range(RINGS)]
    for number, each in enumerate(made):
        each[HEAD] = number
    return made


@pytest.fixture
def looked_at(rings: list[Cursors]) -> Heads:
    """Their heads, with every consumer at its head."""
    return heads(rings, range(RINGS))


@contextmanager
def soon(action: threading.Thread) -> Iterator[None]:
    """Have another thread do something during the block."""
    action.start()
    yield
    action.join()


def test_rings_with_news_are_named_by_their_places(rings: list[Cursors], looked_at: Heads) -> None:
    assert looked_at.news() == []
    rings[3][HEAD] += 1
    rings[1][HEAD] += (1 << 63) + 5
    assert looked_at.news() == [1, 3]
    looked_at.move(1, rings[1][HEAD])
    assert looked_at.news() == [3]
    looked_at.move(3, 2)
    assert looked_at.news() == [3]
    looked_at.move(3, 4)
    assert looked_at.news() == []


def test_a_head_that_went_back_is_news_too(rings: list[Cursors], looked_at: Heads) -> None:
    rings[4][HEAD] = 0
    assert looked_at.news() == [4]


@pytest.mark.usefixtures("implementation")
def test_without_rings_there_is_no_news() -> None:
    nothing = heads([], [])
    assert nothing.news() == []
    assert not nothing.wait(0.001, 0.002)


def test_waiting_ends_with_the_first_news_which_another_thread_can_make_meanwhile(
    rings: list[Cursors], looked_at: Heads
) -> None:
    with soon(threading.Timer(0.05, lambda: rings[2].__setitem__(HEAD, 7))):
        while not looked_at.wait(0.001, PATIENCE):
            pass
    assert looked_at.news() == [2]


@pytest.mark.parametrize("timeout", [0.01, 0.0, -1.0])
def test_waiting_ends_at_its_timeout_with_a_last_look(rings: list[Cursors], looked_at: Heads, timeout: float) -> None:
    assert not looked_at.wait(0.001, timeout)
    rings[0][HEAD] = 1
    assert looked_at.wait(PATIENCE, timeout)


def test_a_signal_ends_the_waiting(rings: list[Cursors], looked_at: Heads) -> None:
    handled = threading.Event()
    before = signal.signal(signal.SIGUSR1, lambda *_: handled.set())

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        if not handled.wait(PATIENCE):
            rings[2][HEAD] = 7

    try:
        with soon(threading.Timer(0.1, interrupt)):
            while not handled.is_set():
                pause = 0.01 if native.CORE is None else 6 * PATIENCE
                assert not looked_at.wait(pause, 6 * PATIENCE), "only the news ended it"
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_what_a_signal_handler_raises_comes_out_of_the_waiting(looked_at: Heads) -> None:
    def interrupt(*_: object) -> None:
        raise InterruptedError

    def wait_for_ever() -> None:
        while True:
            looked_at.wait(0.01, PATIENCE)

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with soon(threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))), pytest.raises(InterruptedError):
            wait_for_ever()
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("implementation")
def test_the_memory_stays_as_long_as_it_is_looked_at() -> None:
    """Whoever closes the ring, and whatever else is forgotten."""
    memory = mmap.mmap(-1, layout.HEADER_SIZE)
    looked_at = heads([cursors(memory)], [0])
    with pytest.raises(BufferError):
        memory.close()
    memory[layout.HEAD] = 1
    assert looked_at.news() == [0]
    del looked_at
    memory.close()


@needs_core
@pytest.mark.parametrize(
    ("memory", "index", "position", "error"),
    [
        pytest.param(bytes(64), 8, 0, IndexError, id="index behind"),
        pytest.param(bytes(64), -1, 0, IndexError, id="index before"),
        pytest.param(memoryview(bytes(65))[1:], 0, 0, ValueError, id="memory not aligned"),
        pytest.param(7, 0, 0, TypeError, id="no memory"),
        pytest.param(bytes(64), 0, -1, OverflowError, id="negative position"),
        pytest.param(bytes(64), 0, 1 << 64, OverflowError, id="position too large"),
        pytest.param(bytes(64), 0, "0", TypeError, id="position no number"),
    ],
)
def test_memory_and_positions_that_cannot_be_are_refused(
    memory: object, index: int, position: object, error: type[Exception]
) -> None:
    core: Any = native.CORE
    sound = bytes(64)
    references = sys.getrefcount(sound)
    with pytest.raises(error):
        core.Heads((sound, memory), index, (0, position))
    with pytest.raises(ValueError, match="2 rings have 1 positions"):
        core.Heads((sound, sound), 0, (0,))
    assert sys.getrefcount(sound) == references


@needs_core
def test_a_place_or_position_that_cannot_be_is_refused() -> None:
    core: Any = native.CORE
    looked_at = core.Heads((bytes(64),), 7, (0,))
    for place in (-1, 1):
        with pytest.raises(IndexError):
            looked_at.move(place, 0)
    for position in (-1, 1 << 64):
        with pytest.raises(OverflowError):
            looked_at.move(0, position)
    assert looked_at.news() == []
