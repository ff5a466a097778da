"""The lock that threads of one process share a producer through: that of the native core, and Python's in its place."""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ringbuf.ring import native
from ringbuf.ring.native import Lock

IMPLEMENTATIONS: dict[str, Callable[[], Lock]] = {"pure": threading.RLock}
if native.CORE is not None:
    IMPLEMENTATIONS["native"] = native.CORE.Lock


@pytest.fixture(params=IMPLEMENTATIONS)
def lock(request: pytest.FixtureRequest) -> Lock:
    return IMPLEMENTATIONS[request.param]()


def in_thread(function: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=function)
    thread.start()
    return thread


def test_the_lock_in_use_is_that_of_the_implementation_in_use() -> None:
    assert type(native.thread_lock()) is type(IMPLEMENTATIONS["pure" if native.CORE is None else "native"]())


def test_one_thread_at_a_time_holds_the_lock_however_often_they_change(lock: Lock) -> None:
    counter = [0, 0]

    def count() -> None:
        for _ in range(20_000):
            with lock:
                counter[0] += 1
                between = counter[0]
                counter[1] += 1
                assert counter == [between, between]

    threads = [in_thread(count) for _ in range(4)]
    for thread in threads:
        thread.join()
    assert counter == [80_000, 80_000]


def test_a_thread_takes_the_lock_again_and_frees_it_with_the_last_release(lock: Lock) -> None:
    taken = threading.Event()

    def take() -> None:
        with lock:
            taken.set()

    with lock:
        assert lock.acquire() is True
        waiting = in_thread(take)
        lock.release()
        assert not taken.wait(0.05)
    assert taken.wait(10)
    waiting.join()


def test_only_the_holder_releases_the_lock(lock: Lock) -> None:
    with pytest.raises(RuntimeError, match="cannot release"):
        lock.release()
    refused: list[RuntimeError] = []

    def release() -> None:
        try:
            lock.release()
        except RuntimeError as error:
            refused.append(error)

    with lock:
        in_thread(release).join()
        assert len(refused) == 1
    with lock:
        pass


def test_an_error_inside_is_passed_on_and_frees_the_lock(lock: Lock) -> None:
    with pytest.raises(ValueError, match="inside"), lock:
        raise ValueError("inside")
    thread = in_thread(lock.acquire)
    thread.join(10)
    assert not thread.is_alive()


def test_a_signal_ends_the_wait_for_the_lock_if_its_handler_raises(lock: Lock) -> None:
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            free.wait()

    holder = in_thread(hold)
    held.wait()
    interrupt = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        lock.acquire()
    interrupt.join()
    free.set()
    holder.join()
    assert lock.acquire() is True
