"""Observers reading while the producer overtakes them."""

import itertools
import time
from typing import Any

import numpy as np
import pytest

from ringbuf.record.schema import Schema
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.observer import Observer
from ringbuf.ring.producer import Producer
from tests.processes.ring.process import process

NAME = "mm-btc"
WORDS = [f"word_{index}" for index in range(150)]
BIG = Schema.define("big", [(word, "u8") for word in WORDS])  # 1216 bytes, as an execution
CAPACITY = 16
SEEN = 20_000


def filled(values: Any) -> Any:
    """Records in which every word follows from the first: what is torn does not fit together."""
    array = np.zeros(len(values), BIG.dtype)
    for index, word in enumerate(WORDS):
        array[word] = values * np.uint64(2 * index + 1)
    return array


def overtake(way: str, namespace: str) -> None:
    """Append without end, acknowledging at once."""
    producer, consumer = Producer.open(NAME, BIG, namespace=namespace), Consumer.open(NAME, namespace=namespace)
    arrays = [filled(np.arange(first, first + 11, dtype="u8") * np.uint64(0x9E3779B97F4A7C15)) for first in range(64)]
    for turn in itertools.count():
        array = arrays[turn % 64]
        if way == "append":
            producer.append(array[0])
        elif way == "claim":
            slot = producer.claim()
            assert slot is not None
            for word in WORDS:
                slot[word] = array[0][word]
            if turn % 7:
                producer.commit()
            else:
                producer.abort()
        else:
            producer.extend(array[: turn % 11 + 1])
        if turn % 3 == 0 and consumer.poll():
            consumer.acknowledge(consumer.position - 1)


@pytest.mark.parametrize("way", ["append", "claim", "extend"])
def test_an_observer_that_is_overtaken_never_sees_a_torn_record(way: str, namespace: str) -> None:
    Producer.open(NAME, BIG, capacity=CAPACITY).close()
    seen = lapped = asked = 0
    with Observer.open(NAME) as observer, process(overtake, way, namespace) as child:
        while seen < SEEN or lapped < SEEN / 10:
            assert child.is_alive()
            begin = observer.oldest if asked % 3 else max(observer.oldest - 2, 0)
            records, first_seq, missed = observer.read(begin, None if asked % 2 else 5)
            asked += 1
            assert first_seq == begin + missed
            assert records["seq"].tolist() == list(range(first_seq, first_seq + len(records)))
            assert (records["session"] == observer.header.session).all()
            for index, word in enumerate(WORDS):
                assert (records[word] == records["word_0"] * np.uint64(2 * index + 1)).all()
            seen += len(records)
            lapped += missed
            if asked % 50 == 0:
                time.sleep(0)
    assert len(records) <= CAPACITY
