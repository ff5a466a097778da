"""Millions of records from one process to another, every byte checked; and many threads on one recorder."""

import threading
import time
from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from ringbuf.record.schema import Schema
from ringbuf.ring import native
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.observer import Observer
from ringbuf.ring.producer import FULL, Producer
from ringbuf.strategies import Recorder
from tests.processes.ring.process import process

NAME = "mm-btc"
WIDE = Schema.define("wide", [*((f"word_{index}", "u8") for index in range(3)), ("code", "S7"), ("side", "u1")])
FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 1], "u8")


def records(session: int, first: int, count: int) -> Any:
    """What the producer appends from a seq on: every byte follows from the seq."""
    seqs = np.arange(first, first + count, dtype="u8")
    made = np.zeros(count, WIDE.dtype)
    made["session"], made["seq"] = session, seqs
    for index, factor in enumerate(FACTORS):
        made[f"word_{index}"] = (seqs + np.uint64(index)) * factor
    made["code"] = (seqs % np.uint64(9_999_991)).astype("S7")
    made["side"] = seqs % np.uint64(251)
    return made


def produce_in_bulk(total: int, namespace: str) -> None:
    producer = Producer.open(NAME, WIDE, namespace=namespace)
    sizes = np.random.default_rng(1).integers(1, 9_000, size=total)
    for size in sizes:
        if producer.head == total:
            return
        left = records(7, producer.head, min(int(size), total - producer.head))
        while len(left):
            left = left[producer.extend(left) :]
            if len(left):
                time.sleep(0.0001)


def produce_one_by_one(total: int, namespace: str) -> None:
    producer = Producer.open(NAME, WIDE, namespace=namespace)
    names = WIDE.names[2:]
    while producer.head < total:
        for record in records(0, producer.head, min(1000, total - producer.head)).tolist():
            fields = dict(zip(names, record[2:], strict=True))
            while producer.append(**fields) == FULL:
                time.sleep(0.0001)


@pytest.mark.parametrize(
    ("produce", "total", "capacity"), [(produce_in_bulk, 2_000_000, 32_768), (produce_one_by_one, 120_000, 1024)]
)
def test_every_byte_of_every_record_arrives_in_another_process(
    produce: Any, total: int, capacity: int, namespace: str
) -> None:
    Producer.open(NAME, WIDE, capacity=capacity).close()
    views = 0
    with Consumer.open(NAME) as consumer, process(produce, total, namespace) as child:
        while consumer.position < total:
            alive, seq = child.is_alive(), consumer.position
            for view in consumer.poll(5_000):
                expected = records(consumer.header.session, seq, len(view))
                assert view.tobytes() == expected.tobytes()
                seq += len(view)
                views += 1
            if consumer.position > consumer.tail:
                consumer.acknowledge(consumer.position - 1)
            elif not alive:
                break
            else:
                time.sleep(0.0001)
        child.join()
        assert (consumer.head, consumer.tail, child.exitcode) == (total, total, 0)
    assert views > total / capacity
    with Observer.open(NAME) as observer:
        assert 0 < observer.state().high_water <= capacity


THREADS = 8
EACH = 2_000


def test_threads_share_a_recorder_without_loss_and_each_keeps_its_order() -> None:
    returned: dict[int, list[int]] = {}
    begin = threading.Barrier(THREADS + 1)

    def record(number: int) -> None:
        begin.wait()
        bound = recorder.bind(exchange="e", account=f"a{number}", symbol="s", strategy="m")
        odd = number % 2 == 1  # half of them on the slow path
        returned[number] = [bound.order(exchange_seq=count, price=f"{count}!" if odd else 0.0) for count in range(EACH)]

    with Recorder.open(NAME, capacity=16_384) as recorder, Consumer.open(NAME) as consumer:
        threads = [threading.Thread(target=record, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        begin.wait()
        arrived: defaultdict[bytes, list[tuple[int, int]]] = defaultdict(list)
        while consumer.position < THREADS * EACH:
            for view in consumer.poll():
                for record_ in view[["account", "seq", "exchange_seq"]].tolist():
                    arrived[record_[0]].append(record_[1:])
            if native.CORE is None:  # else this thread computes without a pause, which must not hold up the others
                time.sleep(0.001)
        for thread in threads:
            thread.join()
        assert recorder.producer.flagged == THREADS // 2 * EACH
        assert recorder.producer.dropped == 0
    for number, seqs in returned.items():
        assert arrived[f"a{number}".encode()] == list(zip(seqs, range(EACH), strict=True))
    assert sorted(seq for seqs in returned.values() for seq in seqs) == list(range(THREADS * EACH))
