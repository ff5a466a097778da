"""Forked children, signal handlers, and processes that end without a word."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ringbuf.errors import RingError, RingForked, RingInUse
from ringbuf.ring import layout
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.producer import Producer
from ringbuf.strategies import Recorder
from tests.checkout import ROOT
from tests.processes.ring.process import CONTEXT, MARK, mark, process, signal_at

NAME = "mm-btc"


def in_child(act: Callable[[], Any]) -> str:
    """What happened when a forked child did something: what it returned, or the name of its error."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, answer_to(act).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(child, 0)
    return answer


def answer_to(act: Callable[[], Any]) -> str:
    try:
        return repr(act())
    except RingError as error:
        return type(error).__name__


def report(connection: Connection, act: Callable[..., Any], *args: Any) -> None:
    connection.send(act(*args))
    connection.close()


def answer_of(act: Callable[..., Any], *args: Any) -> Any:
    """What a function returns in a process of its own, which may fork as it likes."""
    here, there = CONTEXT.Pipe(duplex=False)
    with process(report, there, act, *args) as child:
        there.close()
        answer = here.recv()
        child.join()
        here.close()
    return answer


# Fork


def use_everything_in_a_child(namespace: str) -> list[str]:
    recorder = Recorder.open("executions", capacity=2, namespace=namespace)
    bound = recorder.bind(exchange="e", account="a", symbol="s", strategy="m")
    producer = Producer.open(NAME, MARK, capacity=8, namespace=namespace)
    consumer = Consumer.open(NAME, namespace=namespace)
    producer.append(**mark(1))
    bound.order()
    acts: list[Callable[[], Any]] = [
        lambda: producer.append(**mark(9)),
        lambda: producer.append(np.zeros(1, MARK.dtype)),
        lambda: producer.extend(np.zeros(2, MARK.dtype)),
        producer.claim,
        producer.commit,
        producer.abort,
        lambda: bound.fill(side="buy", last_price=1.0, last_quantity=1.0),
        lambda: bound.fill(side="up", last_price="1"),
        consumer.poll,
        lambda: consumer.acknowledge(0),
        consumer.rewind,
        lambda: Producer.open(NAME, MARK, namespace=namespace),
        lambda: Consumer.open(NAME, namespace=namespace),
        lambda: [each.close() for each in (producer, consumer, recorder)],
        lambda: (producer.head, consumer.lag),
        lambda: Producer.open("child", MARK, capacity=2, namespace=namespace).append(**mark(1)),
    ]
    answers = [in_child(act) for act in acts]
    slot = producer.claim()
    assert slot is not None
    slot["value"] = 5
    answers += [in_child(producer.commit), in_child(producer.abort), in_child(lambda: producer.append(**mark(9)))]
    answers += [repr(producer.commit()), repr(producer.append(**mark(2))), repr(bound.order())]
    answers += [repr([view["value"].tolist() for view in consumer.poll()])]
    return answers


def test_a_forked_child_is_refused_everything_and_the_parent_notices_nothing(namespace: str) -> None:
    answers = answer_of(use_everything_in_a_child, namespace)
    assert answers[:11] == ["RingForked"] * 11
    assert answers[11:13] == ["RingInUse"] * 2
    assert answers[13:16] == ["[None, None, None]", "(1, 1)", "0"]
    assert answers[16:19] == ["RingForked"] * 3
    assert answers[19:] == ["1", "2", "1", "[[1, 5, 2]]"]


def fork_and_wait(connection: Connection, namespace: str) -> None:
    """Hold a ring at both ends and fork a child that outlives this process."""
    held = Producer.open(NAME, MARK, capacity=8, namespace=namespace), Consumer.open(NAME, namespace=namespace)
    held[0].append(**mark(1))
    if os.fork() == 0:
        connection.send(os.getpid())
    signal.pause()


def test_a_forked_child_that_lives_on_does_not_keep_the_locks_of_its_killed_parent(namespace: str) -> None:
    here, there = CONTEXT.Pipe(duplex=False)
    with process(fork_and_wait, there, namespace) as parent:
        orphan = here.recv()
        try:
            for attach in (Producer.open, Consumer.open):
                with pytest.raises(RingInUse, match=f"process {parent.pid}"):
                    attach(NAME)
            parent.kill()
            parent.join()
            os.kill(orphan, 0)
            with Producer.open(NAME, MARK) as producer, Consumer.open(NAME) as consumer:
                assert (producer.append(**mark(2)), consumer.lag) == (1, 2)
        finally:
            os.kill(orphan, signal.SIGKILL)
    here.close()
    there.close()


def fork_among_threads(namespace: str) -> tuple[set[str], list[int], int]:
    producer = Producer.open(NAME, MARK, capacity=8192, namespace=namespace)
    stop = threading.Event()
    returned: list[int] = []

    def append() -> None:
        while not stop.is_set() and len(returned) < 8000:
            returned.append(producer.append(**mark(3)))

    thread = threading.Thread(target=append)
    thread.start()
    answers = {in_child(lambda: producer.append(**mark(9))) for _ in range(50)}
    stop.set()
    thread.join()
    return answers, returned, producer.head


def test_a_child_forked_while_another_thread_appends_is_refused_and_never_stuck(namespace: str) -> None:
    answers, returned, head = answer_of(fork_among_threads, namespace)
    assert answers == {RingForked.__name__}
    assert returned == list(range(head))


# Stopped, and ended


def append_with_a_stop(step: int, namespace: str) -> None:
    producer = Producer.open(NAME, MARK, namespace=namespace)
    signal_at(step, signal.SIGSTOP)()
    producer.append(**mark(5))
    sys.settrace(None)
    producer.append(**mark(6))


def is_stopped(child: ForkServerProcess) -> bool:
    """Wait until a process has stopped or ended."""
    state = Path(f"/proc/{child.pid}/stat")
    with suppress(FileNotFoundError, ProcessLookupError):  # it ended, and then nothing is left of it
        while (found := state.read_text().rpartition(") ")[2][0]) not in "ZX":
            if found == "T":
                return True
            time.sleep(0.001)
    return False


def test_a_producer_stopped_at_any_line_of_an_append_goes_on_where_it_was(namespace: str) -> None:
    stopped_with = set()
    for step in range(100):
        Producer.open(NAME, MARK, capacity=8).close()
        with Consumer.open(NAME) as consumer, process(append_with_a_stop, step, namespace) as child:
            stopped = is_stopped(child)
            before = values_of(consumer)
            if stopped:
                with pytest.raises(RingInUse):
                    Producer.open(NAME, MARK)
                os.kill(child.pid or 0, signal.SIGCONT)
                stopped_with.add(tuple(before))
            child.join()
            assert before + values_of(consumer) == [5, 6]
            consumer.acknowledge(consumer.position - 1)
        if not stopped:
            break
    assert stopped_with == {(), (5,)} and before == [5, 6]


def values_of(consumer: Consumer) -> list[int]:
    return [value for view in consumer.poll() for value in view["value"].tolist()]


LEAVING = """
import atexit, sys
from ringbuf import Consumer, Observer, Producer
from ringbuf.strategies import Recorder
recorder = Recorder.open("left", capacity=4)
bound = recorder.bind(exchange="e", account="a", symbol="s", strategy="m")
consumer, observer = Consumer.open("left"), Observer.open("left")
bound.order()
views = consumer.poll()
records = observer.read(0).records
slot = Producer.open("claimed").claim()
if "close" in sys.argv:
    consumer.close(); observer.close(); recorder.close()
    del consumer, observer, recorder, bound
    assert views[0]["seq"].tolist() == [0] and records["seq"].tolist() == [0]
atexit.register(lambda: print("ended", views[0]["exchange"][0], slot["seq"]))
"""


@pytest.mark.parametrize("way", ["close", "leave"])
def test_a_process_ends_without_a_word_whatever_it_holds(way: str, namespace: str) -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", LEAVING, way]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert (run.returncode, run.stdout) == (0, "ended b'e' 0\n")
    for name in ("left", "claimed"):
        with Producer.open(name) as producer:
            assert producer.head == (1 if name == "left" else 0)
            assert producer.cursors[layout.CLOSED_NS // 8] == 0
