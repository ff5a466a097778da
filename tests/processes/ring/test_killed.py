"""A producer or consumer killed at every single line of what it does, and at random moments."""

import mmap
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ringbuf.errors import RingIncomplete, RingNotFound
from ringbuf.record.schema import Schema
from ringbuf.ring import registry
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.observer import Observer
from ringbuf.ring.producer import FULL, Producer
from ringbuf.strategies import Recorder
from tests.processes.ring.process import ALL_BITS, MARK, killed_at, mark, process

NAME = "mm-btc"
CAPACITY = 8
STEPS = 300  # more than any of these actions has
RUNS = 7


def array_of(values: range) -> Any:
    array = np.zeros(len(values), MARK.dtype)
    for index, value in enumerate(values):
        for name, each in mark(value).items():
            array[name][index] = each
    return array


def values_of(records: Any) -> list[int]:
    """The values of intact records of consecutive seqs."""
    assert (records["value"] ^ records["echo"] == ALL_BITS).all()
    assert [text.decode() for text in records["text"]] == [str(value)[-8:] for value in records["value"]]
    assert (np.diff(records["seq"].astype("i8")) == 1).all()
    values: list[int] = records["value"].tolist()
    return values


# Appending: each action appends the values given, all of them or (killed) none


def append_fields(producer: Producer, values: range) -> None:
    for value in values:
        producer.append(**mark(value))


def append_record(producer: Producer, values: range) -> None:
    for record in array_of(values):
        producer.append(record)


def claim_and_commit(producer: Producer, values: range) -> None:
    for value in values:
        slot = producer.claim()
        assert slot is not None
        for name, each in mark(value).items():
            slot[name] = each
        producer.commit()


def claim_and_abort(producer: Producer, values: range) -> None:
    for value in values:
        slot = producer.claim()
        assert slot is not None
        slot["value"] = value
        producer.abort()


def extend(producer: Producer, values: range) -> None:
    producer.extend(array_of(values))


Action = Callable[[Producer, range], None]
Begin = Callable[[], None]


def attach_and(begin: Begin, action: Action, values: range, namespace: str) -> None:
    producer = Producer.open(NAME, MARK, namespace=namespace)
    begin()
    action(producer, values)


@pytest.mark.parametrize(
    ("action", "count"),
    [(append_fields, 1), (append_record, 1), (claim_and_commit, 1), (claim_and_abort, 1), (extend, 1), (extend, 5)],
)
def test_killed_at_any_line_of_an_append_a_producer_leaves_all_of_it_or_nothing(
    action: Action, count: int, namespace: str
) -> None:
    with Producer.open(NAME, MARK, capacity=CAPACITY) as producer:
        session = producer.session
    published: list[int] = []
    with Consumer.open(NAME) as consumer, Observer.open(NAME) as observer:
        for step in range(STEPS):
            values = range(step * 10, step * 10 + count)
            killed = killed_at(step, attach_and, action, values, namespace)
            if consumer.head > len(published):
                published += values
            assert consumer.head == len(published)
            seen = observer.read(0)
            assert values_of(seen.records) == published[seen.first_seq :]
            with Producer.open(NAME, MARK) as producer:
                assert (producer.session, producer.append(**mark(step))) == (session, len(published))
                assert (producer.dropped, producer.rejected) == (0, 0)
            published.append(step)
            polled = [value for view in consumer.poll() for value in values_of(view)]
            assert polled == published[-len(polled) :] and consumer.position == len(published)
            consumer.acknowledge(consumer.position - 1)
            if not killed:
                break
    assert 10 < step < STEPS - 1
    assert published[-2 if action is not claim_and_abort else -1] in (values[-1], step)


def fill(begin: Begin, namespace: str, value: int) -> None:
    bound = Recorder.open(NAME, namespace=namespace).bind(exchange="e", account="a", symbol="s", strategy="m")
    begin()
    bound.fill(side="buy", last_price=float(value), last_quantity=-float(value), order_id=str(value))


def test_killed_at_any_line_of_a_fill_a_recorder_leaves_all_of_it_or_nothing(namespace: str) -> None:
    Recorder.open(NAME, capacity=2).close()
    with Consumer.open(NAME) as consumer:
        for step in range(STEPS):
            head = consumer.head
            killed = killed_at(step, fill, namespace, step)
            for view in consumer.poll():
                assert (view["last_price"].tolist(), view["last_quantity"].tolist()) == ([step], [-step])
                assert (view["order_id"].tolist(), view["seq"].tolist()) == ([str(step).encode()], [head])
                consumer.acknowledge(head)
            if not killed:
                break
    assert step < STEPS - 1 and consumer.head == head + 1


def test_killed_in_the_middle_of_a_bulk_append_a_producer_leaves_no_overwritten_record_to_observers(
    namespace: str,
) -> None:
    """The slots of old records are overwritten while the head has not moved: those records are gone."""
    lapped = set()
    for step in range(STEPS):
        name = f"{NAME}-{step}"
        with Producer.open(name, MARK, capacity=CAPACITY) as producer, Consumer.open(name) as consumer:
            producer.extend(array_of(range(CAPACITY)))
            consumer.poll()
            consumer.acknowledge(CAPACITY - 1)
        killed = killed_at(step, extend_by_five, name, namespace)
        with Producer.open(name, MARK) as producer, Observer.open(name) as observer:
            seen = observer.read(0)
            head = producer.head
            assert values_of(seen.records) == [*range(CAPACITY), *range(100, 105)][seen.first_seq : head]
            lapped.add((head, seen.lapped))
            producer.extend(array_of(range(7, 8)))  # does not bring back what the other one overwrote
            after = observer.read(0)
            assert after.first_seq == max(seen.first_seq, head + 2 - CAPACITY)
            assert values_of(after.records)[-1] == 7
        registry.remove(name, force=True)
        if not killed:
            break
    assert lapped == {(8, 1), (8, 5), (13, 6)}


def extend_by_five(begin: Begin, name: str, namespace: str) -> None:
    producer = Producer.open(name, MARK, namespace=namespace)
    begin()
    producer.extend(array_of(range(100, 105)))


# Creating


def create(begin: Begin, namespace: str) -> None:
    begin()
    Producer.open(NAME, MARK, capacity=CAPACITY, namespace=namespace)


def test_killed_at_any_line_of_creating_a_ring_a_producer_leaves_nothing_in_the_way(namespace: str) -> None:
    states = set()
    for step in range(STEPS):
        killed = killed_at(step, create, namespace)
        states.add(state_of(NAME))
        with Producer.open(NAME, MARK, capacity=CAPACITY) as producer, Consumer.open(NAME) as consumer:
            assert producer.append(**mark(1)) == 0
            assert [values_of(view) for view in consumer.poll()] == [[1]]
        registry.remove(NAME, force=True)
        assert registry.ring_names() == []
        if not killed:
            break
    assert states == {"absent", "incomplete", "there"} and step < STEPS - 1


def state_of(name: str) -> str:
    if name not in registry.ring_names():
        return "absent"
    try:
        Observer.open(name).close()
    except RingIncomplete:
        return "incomplete"
    return "there"


MARK_2 = Schema.define("marks", [("value", "f8")], version=2)


def change_schema(begin: Begin, namespace: str) -> None:
    begin()
    Producer.open(NAME, MARK_2, capacity=CAPACITY, namespace=namespace)


def test_killed_at_any_line_of_setting_a_ring_aside_a_producer_loses_none_of_its_records(namespace: str) -> None:
    names = set()
    for step in range(STEPS):
        with Producer.open(NAME, MARK, capacity=CAPACITY) as old:
            old.append(**mark(7))
        killed = killed_at(step, change_schema, namespace)
        names.add(len(registry.ring_names()))
        with Producer.open(NAME, MARK_2, capacity=CAPACITY) as new, Consumer.open(NAME) as consumer:
            assert (new.append(value=1.0), consumer.lag) == (0, 1)
        retired = registry.retired_name(NAME, old.session)
        with Consumer.open(retired) as consumer:
            assert [values_of(view) for view in consumer.poll()] == [[7]]
        assert registry.ring_names() == [NAME, retired]
        for name in (NAME, retired):
            registry.remove(name, force=True)
        if not killed:
            break
    assert names == {1, 2} and step < STEPS - 1


# Consuming


def poll_and_acknowledge(begin: Begin, namespace: str) -> None:
    begin()
    consumer = Consumer.open(NAME, namespace=namespace)
    for _ in range(2):
        consumer.poll(3)
        consumer.acknowledge(consumer.position - 1)


def test_killed_at_any_line_a_consumer_is_given_again_all_it_did_not_acknowledge(namespace: str) -> None:
    tails = set()
    with Producer.open(NAME, MARK, capacity=CAPACITY) as producer:
        for step in range(STEPS):
            tail = producer.head
            producer.extend(array_of(range(tail, tail + CAPACITY)))
            killed = killed_at(step, poll_and_acknowledge, namespace)
            with Consumer.open(NAME) as consumer:
                again = [value for view in consumer.poll() for value in values_of(view)]
                assert again == list(range(consumer.tail, tail + CAPACITY))
                tails.add(consumer.tail - tail)
                consumer.acknowledge(producer.head - 1)
            if not killed:
                break
    assert tails == {0, 3, 6} and step < STEPS - 1


# Random moments


def append_until_killed(way: int, run: int, report: str, namespace: str) -> None:
    """Append as fast as possible; say in a file how many appends have returned."""
    producer = Producer.open(NAME, MARK, namespace=namespace)
    action = (append_fields, append_record, claim_and_commit)[way % 3]
    with open(report, "r+b") as file, mmap.mmap(file.fileno(), 8) as returned:
        for count in range(1 << 31):
            while producer.lag == producer.capacity:
                time.sleep(0.0001)
            action(producer, range(run << 32 | count, (run << 32 | count) + 1))
            returned[:] = struct.pack("<Q", count + 1)


@pytest.mark.parametrize("way", range(3), ids=["fields", "record", "claim"])
def test_killed_at_random_moments_a_producer_loses_nothing_it_was_told_is_there(
    way: int, namespace: str, tmp_path: Path
) -> None:
    report = tmp_path / "returned"
    moments = random.Random(way)
    with Producer.open(NAME, MARK, capacity=1024) as producer:
        session = producer.session
    values: dict[int, list[int]] = {run: [] for run in range(RUNS)}
    with Consumer.open(NAME) as consumer:

        def consume() -> None:
            for view in consumer.poll():
                assert (view["session"] == session).all() and int(view["seq"][0]) == sum(map(len, values.values()))
                for value in values_of(view):
                    values[value >> 32].append(value & 0xFFFF_FFFF)
                consumer.acknowledge(int(view["seq"][-1]))

        for run in range(RUNS):
            report.write_bytes(bytes(8))
            wanted = moments.randrange(1, 3000)
            with process(append_until_killed, way, run, str(report), namespace) as child:
                while len(values[run]) < wanted:
                    assert child.is_alive()
                    consume()
                time.sleep(moments.random() / 1000)
            consume()
            (returned,) = struct.unpack("<Q", report.read_bytes())
            assert values[run] == list(range(len(values[run])))
            assert len(values[run]) - returned in (0, 1)
    with Producer.open(NAME, MARK) as producer:
        assert (producer.session, producer.head, producer.dropped) == (session, sum(map(len, values.values())), 0)
        assert producer.append() != FULL


# Making a ring anew


def polled(consumer: Consumer) -> list[int]:
    return [value for view in consumer.poll() for value in values_of(view)]


def make_anew(begin: Callable[[], None], namespace: str) -> None:
    producer = Producer.open(NAME, MARK, namespace=namespace)
    registry.ring_path(NAME, namespace).unlink()
    begin()
    producer.ensure_named()


def test_killed_at_any_line_of_making_a_ring_anew_a_producer_leaves_all_of_it_or_none(namespace: str) -> None:
    outcomes = set()
    for step in range(STEPS):
        with Producer.open(NAME, MARK, capacity=CAPACITY) as producer:
            producer.extend(array_of(range(1, 4)))
            session = producer.session
        with Consumer.open(NAME) as old:
            old.poll(1)
            old.acknowledge(0)
            killed = killed_at(step, make_anew, namespace)
            assert polled(old) == [2, 3], "who has the old file still has everything"
        try:
            with Consumer.open(NAME) as new:
                assert (new.header.session, polled(new)) == (session, [2, 3])
                outcome = "all"
        except (RingNotFound, RingIncomplete) as error:
            outcome = type(error).__name__
        outcomes.add(outcome)
        with Producer.open(NAME, MARK, capacity=CAPACITY) as producer:
            assert (producer.session == session) == (outcome == "all")
        registry.ring_path(NAME).unlink()
        if not killed:
            break
    assert (outcome, outcomes) == ("all", {"all", "RingNotFound", "RingIncomplete"})
    assert 10 < step < STEPS - 1
