"""What holds for the pure and the native recorder alike, beside all else that uses their ring and their process."""

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from ringbuf import FULL, Consumer, Producer
from ringbuf.errors import RingClosed
from ringbuf.record.execution import EXECUTION
from ringbuf.ring.segment import Segment
from ringbuf.strategies import Recorder
from tests.checkout import ROOT

BOUND = {"exchange": "binance", "account": "A-1", "symbol": "ETHUSDT", "strategy": "mm-eth"}
FILL: dict[str, Any] = {"side": "buy", "last_price": 2500.25, "last_quantity": 0.5}


class RecordedRing:
    """A recorder and the consumer of its ring."""

    def __init__(self, capacity: int) -> None:
        self.recorder = Recorder.open("ring", capacity=capacity)
        self.producer = self.recorder.producer
        self.bound = self.recorder.bind(**BOUND)
        self.consumer = Consumer.open("ring")

    def take(self) -> np.ndarray[Any, np.dtype[np.void]]:
        """All records there are, acknowledged."""
        records = np.concatenate([np.zeros(0, EXECUTION.dtype), *(view.copy() for view in self.consumer.poll())])
        if len(records):
            self.consumer.acknowledge(self.consumer.position - 1)
        return records


@pytest.fixture
def ring(implementation: str) -> Iterator[RecordedRing]:
    made = RecordedRing(16384)
    assert type(made.bound).__module__.endswith("_native") == (implementation == "native")
    yield made
    made.recorder.close()
    made.consumer.close()


def run(program: str) -> str:
    """Run a Python program in a process of its own; returns what it prints."""
    command = [sys.executable, "-W", "error", "-c", program]
    environ = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_all_ways_to_append_take_turns_on_one_ring(ring: RecordedRing) -> None:
    for start in range(0, 20 * 8, 8):
        assert ring.bound.fill(**FILL, order_id="bound") == start
        assert ring.producer.append(order_id="append") == start + 1
        slot = ring.producer.claim()
        assert slot is not None
        slot["order_id"] = b"claim"
        assert ring.producer.commit() == start + 2
        assert ring.bound.order(order_id="bound") == start + 3
        assert ring.producer.extend(np.zeros(3, EXECUTION.dtype)) == 3
        assert ring.bound.fill(**FILL, price=Decimal("0.1"), order_id="bound") == start + 7
        taken = ring.take()
        assert taken["seq"].tolist() == list(range(start, start + 8))
        assert set(taken["session"].tolist()) == {ring.producer.session}
        assert taken["order_id"].tolist() == [b"bound", b"append", b"claim", b"bound", b"", b"", b"", b"bound"]


def test_a_claimed_slot_is_not_overwritten_by_its_own_thread(ring: RecordedRing) -> None:
    ring.bound.order()
    slot = ring.producer.claim()
    assert slot is not None
    slot["order_id"] = b"claimed"
    assert ring.bound.fill(**FILL, order_id="too early") == FULL
    assert ring.producer.commit() == 1
    assert ring.take()["order_id"].tolist() == [b"", b"claimed"]
    assert ring.producer.dropped == 1


def test_another_thread_waits_for_the_commit_of_a_claim(ring: RecordedRing) -> None:
    ring.bound.order()
    slot = ring.producer.claim()
    assert slot is not None
    slot["order_id"] = b"claimed"
    seqs: list[int] = []
    thread = threading.Thread(target=lambda: seqs.append(ring.bound.fill(**FILL, order_id="waited")))
    thread.start()
    thread.join(0.05)
    assert thread.is_alive() and ring.producer.head == 1
    ring.producer.commit()
    thread.join()
    assert seqs == [2]
    assert ring.take()["order_id"].tolist() == [b"", b"claimed", b"waited"]


def test_a_full_ring_drops_and_counts_until_the_consumer_frees_a_slot(implementation: str) -> None:
    ring = RecordedRing(capacity=4)
    assert [ring.bound.fill(**FILL) for _ in range(7)] == [0, 1, 2, 3, FULL, FULL, FULL]
    assert ring.producer.dropped == 3
    ring.consumer.poll(1)
    ring.consumer.acknowledge(0)
    assert [ring.bound.fill(**FILL), ring.bound.fill(**FILL)] == [4, FULL]
    assert ring.take()["seq"].tolist() == [1, 2, 3, 4]


def test_a_closed_producer_is_noticed(ring: RecordedRing) -> None:
    assert ring.bound.fill(**FILL) == 0
    ring.producer.close()
    with pytest.raises(RingClosed):
        ring.bound.fill(**FILL)
    assert len(ring.take()) == 1


def test_nothing_gets_in_once_the_lock_on_the_ring_is_let_go(
    ring: RecordedRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = []
    close = Segment.close

    def append_meanwhile(segment: Segment) -> None:
        close(segment)  # from here on another process may hold the ring
        with pytest.raises(RingClosed):
            ring.bound.fill(**FILL)
        refused.append(segment.name)

    monkeypatch.setattr(Segment, "close", append_meanwhile)
    ring.producer.close()
    assert len(refused) == 1
    assert ring.producer.head == 0


def test_a_forked_child_cannot_append_to_the_ring_of_its_parent(implementation: str) -> None:
    program = f"""
import os
from ringbuf.errors import RingForked
from ringbuf.strategies import Recorder
recorder = Recorder.open("forked", capacity=8)
bound = recorder.bind(**{BOUND})
bound.fill(**{FILL})
if os.fork() == 0:
    try:
        bound.fill(**{FILL})
    except RingForked:
        os._exit(0)
    os._exit(1)
print(type(bound).__module__, os.wait()[1], bound.fill(**{FILL}), recorder.producer.head, recorder.producer.dropped)
"""
    module = "ringbuf.ring._native" if implementation == "native" else "ringbuf.strategies.bound_recorder"
    assert run(program) == f"{module} 0 1 2 0\n"


def test_threads_share_a_ring_without_loss_or_mixture(ring: RecordedRing) -> None:
    each = 1000
    seqs: list[list[int]] = [[] for _ in range(4)]

    def record(number: int) -> None:
        for count in range(each):
            values: dict[str, Any] = {"last_price": number, "last_quantity": count, "order_id": f"{number}-{count}"}
            seqs[number].append(ring.bound.fill(side="sell", **values))
            if count % 10 == 0:
                seqs[number].append(ring.producer.append(**values))

    interval = sys.getswitchinterval()
    threads = [threading.Thread(target=record, args=[number]) for number in range(4)]
    try:
        sys.setswitchinterval(1e-5)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    records = ring.take()
    assert sorted(itertools.chain(*seqs)) == records["seq"].tolist() == list(range(4 * each * 11 // 10))
    assert all(numbers == sorted(numbers) for numbers in seqs)
    expected = [f"{price:.0f}-{size:.0f}" for price, size in records[["last_price", "last_quantity"]].tolist()]
    assert [order_id.decode() for order_id in records["order_id"].tolist()] == expected


def test_a_signal_handler_that_records_while_its_thread_records_tears_nothing(
    ring: RecordedRing, implementation: str
) -> None:
    by_thread: list[int] = []
    by_handler: list[int] = []
    ring.bound.order()

    def handle(*_: object) -> None:
        by_handler.append(ring.bound.fill(**FILL, order_id="handler"))

    previous = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
        while len(by_handler) < 100:
            by_thread.append(ring.bound.fill(**FILL, order_id="thread"))
            if ring.producer.lag > 10_000:
                ring.take()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    refused = [*by_thread, *by_handler].count(FULL)
    assert ring.producer.dropped == refused
    assert ring.producer.head == 1 + len(by_thread) + len(by_handler) - refused
    if implementation == "native":
        assert refused == 0, "an append in C cannot be interrupted"


def test_a_process_killed_while_it_records_leaves_only_whole_records(implementation: str) -> None:
    program = f"""
import itertools
from ringbuf.strategies import Recorder
bound = Recorder.open("killed", capacity=1024).bind(**{BOUND})
for number in itertools.count():
    if bound.fill(side="sell", last_price=number, last_quantity=1.0, order_id=f"o{{number}}", text="x" * 64) == 100:
        print("recording", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"recording\n"
    with Consumer.open("killed") as consumer:
        while process.poll() is None or consumer.lag:
            for view in consumer.poll():
                numbers = view["last_price"].tolist()
                assert view["text"].tolist() == [b"x" * 64] * len(view)
                assert view["order_id"].tolist() == [f"o{number:.0f}".encode() for number in numbers]
                consumer.acknowledge(int(view["seq"][-1]))
            if consumer.tail > 20_000:
                process.kill()
        process.communicate()
        with Producer.open("killed") as producer:
            assert producer.append() == consumer.head - 1 == consumer.tail
