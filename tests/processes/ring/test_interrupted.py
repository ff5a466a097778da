"""Signal handlers that record, or raise, in the middle of an append."""

import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from ringbuf.errors import RingError
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.producer import FULL, Producer
from ringbuf.strategies import Recorder
from tests.processes.ring.process import MARK, mark, signal_at

NAME = "mm-btc"


@contextmanager
def handling(signum: int, handler: Callable[..., Any]) -> Iterator[None]:
    previous = signal.signal(signum, handler)
    try:
        yield
    finally:
        sys.settrace(None)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signum, previous)


def test_a_signal_handler_may_record_while_its_thread_is_recording(implementation: str) -> None:
    """What it gets is a seq, or FULL and a count; the record it interrupts is whole. Nothing interrupts native code."""
    may_be_refused = implementation == "pure"
    handled: list[int] = []
    seqs: list[int] = []
    arrived: list[Any] = []

    with Recorder.open(NAME, capacity=256) as recorder, Consumer.open(NAME) as consumer:
        bound = recorder.bind(exchange="e", account="a", symbol="s", strategy="m")

        def consume() -> None:
            for view in consumer.poll():
                arrived.extend(view[["seq", "price", "quantity", "text"]].tolist())
                consumer.acknowledge(int(view["seq"][-1]))

        def handle(*_: object) -> None:
            handled.append(bound.order(price=2.0, quantity=2.0, text="handler"))

        with handling(signal.SIGVTALRM, handle):
            signal.setitimer(signal.ITIMER_VIRTUAL, 0.0002, 0.0002)
            while len(seqs) < 10_000 or len(set(handled)) < 2 or (may_be_refused and FULL not in handled):
                seqs.append(bound.order(price=1.0, quantity=1.0, text="interrupted"))
                consume()
        consume()
        assert may_be_refused or FULL not in handled
        assert FULL not in seqs and recorder.producer.dropped == handled.count(FULL)
    stored = [seq for seq in handled if seq != FULL]
    expected = {seq: (seq, 1.0, 1.0, b"interrupted") for seq in seqs}
    expected |= {seq: (seq, 2.0, 2.0, b"handler") for seq in stored}
    assert arrived == [expected[seq] for seq in range(len(seqs) + len(stored))]


def test_an_append_from_a_signal_handler_is_made_or_refused_and_harms_nothing() -> None:
    appended: list[int] = []
    refused: list[str] = []

    def handle(*_: object) -> None:
        try:
            appended.append(producer.append(**mark(9)))
        except RingError as error:
            refused.append(str(error))

    with Producer.open(NAME, MARK, capacity=1024) as producer, Consumer.open(NAME) as consumer:
        returned = []
        with handling(signal.SIGVTALRM, handle):
            for step in range(60):
                signal_at(step, signal.SIGVTALRM)()
                returned.append(producer.append(**mark(7)))
                sys.settrace(None)
        values = [value for view in consumer.poll() for value in view["value"].tolist()]
    assert sorted(appended + returned) == list(range(len(values)))
    assert values == [9 if seq in appended else 7 for seq in range(len(values))]
    assert appended and refused and all("signal handler" in error for error in refused)


class Interrupt(BaseException):
    pass


def append_fields(producer: Producer) -> None:
    producer.append(**mark(7))


def extend(producer: Producer) -> None:
    producer.extend(np.array([(0, 0, *mark(7).values())] * 3, MARK.dtype))


def claim(producer: Producer) -> None:
    slot = producer.claim()
    assert slot is not None
    for name, value in mark(7).items():
        slot[name] = value
    producer.commit()


@pytest.mark.skipif(sys.version_info[:2] == (3, 14), reason="`with lock` may keep the lock there, see the README")
@pytest.mark.parametrize("act", [append_fields, extend, claim])
def test_an_exception_from_a_signal_handler_at_any_moment_leaves_the_producer_usable(
    act: Callable[[Producer], None],
) -> None:
    main, moments = threading.main_thread().ident, random.Random(1)
    assert main is not None

    def interrupt() -> None:
        time.sleep(moments.random() / 3000)
        signal.pthread_kill(main, signal.SIGUSR1)

    def raise_it(*_: object) -> None:
        raise Interrupt

    with Producer.open(NAME, MARK, capacity=8192) as producer, Consumer.open(NAME) as consumer:
        with handling(signal.SIGUSR1, raise_it):
            for _ in range(200):
                with pytest.raises(Interrupt):
                    act_until(interrupt, act, producer)
                if producer.busy:
                    producer.abort()
                other = threading.Thread(target=producer.append, kwargs=mark(8))
                other.start()
                other.join()
                seq = consumer.position
                for view in consumer.poll():
                    assert view["seq"].tolist() == list(range(seq, seq + len(view)))
                    assert set(view["value"].tolist()) <= {7, 8}
                    seq += len(view)
                assert view["value"][-1] == 8
                consumer.acknowledge(consumer.position - 1)
        assert (producer.rejected, producer.dropped, producer.lag) == (0, 0, 0)


def act_until(interrupt: Callable[[], None], act: Callable[[Producer], None], producer: Producer) -> None:
    threading.Thread(target=interrupt).start()
    while True:
        if producer.lag < producer.capacity // 2:
            act(producer)
