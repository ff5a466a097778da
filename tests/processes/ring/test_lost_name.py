"""Rings whose name in /dev/shm is removed, taken or hidden while their producer lives."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ringbuf.errors import RingInUse
from ringbuf.launch.waiting import wait_until
from ringbuf.ring import layout, name_watch, registry
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.observer import Observer
from ringbuf.ring.producer import FULL, Producer
from ringbuf.strategies import Recorder
from tests.processes.ring.process import ALL_BITS, MARK, mark

NAME = "mm-btc"
CAPACITY = 8


@pytest.fixture(autouse=True)
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the tests look after the names."""
    monkeypatch.setattr(name_watch, "watch", lambda _: None)


@pytest.fixture
def path(namespace: str) -> Path:
    return registry.ring_path(NAME, namespace)


@pytest.fixture
def producer() -> Iterator[Producer]:
    with Producer.open(NAME, MARK, capacity=CAPACITY) as producer:
        yield producer


def append(producer: Producer, *values: int) -> None:
    for value in values:
        assert producer.append(**mark(value)) != FULL


def values_of(records: Any) -> list[int]:
    assert (records["value"] ^ records["echo"] == ALL_BITS).all()
    found: list[int] = records["value"].tolist()
    return found


def is_beyond(producer: Producer, seq: int) -> bool:
    return producer.head > seq


def polled(consumer: Consumer) -> list[tuple[int, int]]:
    """Seq and value of each new record."""
    return [each for view in consumer.poll() for each in zip(view["seq"].tolist(), values_of(view), strict=True)]


def swap(path: Path) -> None:
    """Another file has the name."""
    path.unlink()
    path.write_bytes(b"something else")


def rename(path: Path) -> None:
    path.rename(path.with_name(f"{path.name}.away"))


@pytest.mark.parametrize("lose", [Path.unlink, rename], ids=["removed", "renamed"])
def test_a_ring_that_lost_its_name_is_made_anew_with_all_that_no_consumer_took(
    lose: Callable[[Path], None], producer: Producer, path: Path
) -> None:
    with Consumer.open(NAME) as consumer:
        append(producer, *range(10, 15))
        consumer.poll(2)
        consumer.acknowledge(1)
    producer.count(layout.DROPPED, 3)
    session = producer.session
    lose(path)
    append(producer, 15)
    assert producer.ensure_named()
    assert not producer.ensure_named()
    append(producer, 16)
    with Consumer.open(NAME) as consumer, Observer.open(NAME) as observer:
        assert (consumer.header.session, producer.session) == (session, session)
        assert polled(consumer) == [(seq, 10 + seq) for seq in range(2, 7)]
        state = observer.state()
        assert (state.recreated, state.moved_ns, state.dropped, state.producer_alive) == (1, 0, 3, True)
        assert values_of(observer.read(0).records) == [*range(10, 17)], "what was taken can still be looked at"
        consumer.acknowledge(6)
        assert producer.lag == 0


def test_what_was_recorded_in_the_old_file_is_not_given_twice_to_who_still_reads_it(
    producer: Producer, path: Path
) -> None:
    old = Consumer.open(NAME)
    append(producer, 1, 2, 3)
    assert polled(old) == [(0, 1), (1, 2), (2, 3)]
    old.acknowledge(0)
    path.unlink()
    assert [old.is_moved, producer.ensure_named(), old.is_moved] == [False, True, True]
    append(producer, 4)
    assert not old.has_news and not old.look_for_producer(time.time_ns())
    old.close()
    with Consumer.open(NAME) as new:
        assert not new.is_moved
        assert polled(new) == [(1, 2), (2, 3), (3, 4)]


def test_if_another_ring_has_the_name_the_copy_is_called_like_one_set_aside(producer: Producer, path: Path) -> None:
    append(producer, 1, 2)
    path.unlink()
    with Producer.open(NAME, MARK, capacity=CAPACITY) as other:
        append(other, 7)
        retired = registry.retired_name(NAME, producer.session)
        for _ in range(2):  # and once more, if that is removed too
            assert producer.ensure_named()
            assert registry.ring_names() == [NAME, retired]
            append(producer, 3)
            registry.ring_path(retired).unlink()
        assert producer.ensure_named()
        with Consumer.open(NAME) as consumer:
            assert polled(consumer) == [(0, 7)]
        with Consumer.open(retired) as consumer:
            assert [value for _, value in polled(consumer)] == [1, 2, 3, 3]


def test_a_file_that_is_no_ring_keeps_the_name_it_took(producer: Producer, path: Path) -> None:
    append(producer, 1)
    swap(path)
    assert producer.ensure_named()
    assert path.read_bytes() == b"something else"
    with Consumer.open(registry.retired_name(NAME, producer.session)) as consumer:
        assert polled(consumer) == [(0, 1)]


def test_while_all_names_are_taken_appends_go_on_and_the_next_look_tries_again(
    producer: Producer, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    append(producer, 1)
    swap(path)
    retired = registry.ring_path(registry.retired_name(NAME, producer.session))
    retired.touch()
    for _ in range(3):
        name_watch.look(producer)
    assert caplog.text.count("has no name in /dev/shm: no writer can find it: others have the names") == 1
    append(producer, 2)
    retired.unlink()
    name_watch.look(producer)
    assert "it was made anew, and nothing is lost" in caplog.text
    with Consumer.open(registry.retired_name(NAME, producer.session)) as consumer:
        assert polled(consumer) == [(0, 1), (1, 2)]


def test_at_its_close_a_producer_looks_for_the_last_time(path: Path) -> None:
    with Producer.open(NAME, MARK, capacity=CAPACITY) as producer:
        append(producer, 1, 2)
        path.unlink()
    with Observer.open(NAME) as observer:
        state = observer.state()
        assert (state.head, state.tail, state.producer_alive) == (2, 0, False)
        assert state.closed_ns > 0


def test_the_next_producer_goes_on_with_the_ring_that_was_made_anew(path: Path) -> None:
    with Producer.open(NAME, MARK, capacity=CAPACITY) as producer:
        append(producer, 1)
        path.unlink()
        session = producer.session
    with Producer.open(NAME, MARK) as producer:
        assert (producer.session, producer.append(**mark(2))) == (session, 1)


def test_the_old_file_of_a_ring_is_never_appended_to_again(producer: Producer, path: Path, namespace: str) -> None:
    """Else two records could get one seq: it has the session of the ring that was made anew."""
    append(producer, 1)
    path.rename(path.with_name(f"ringbuf.{namespace}.other"))
    assert producer.ensure_named()
    with Producer.open("other", MARK, capacity=CAPACITY) as other:
        assert other.session != producer.session
        assert other.append(**mark(9)) == 0
        assert registry.ring_names() == [NAME, "other", registry.retired_name("other", producer.session)]


def test_a_name_put_back_over_the_new_file_loses_nothing(producer: Producer, path: Path) -> None:
    append(producer, 1)
    away = path.with_name(f"{path.name}.away")
    path.rename(away)
    assert producer.ensure_named()
    append(producer, 2)
    away.rename(path)  # somebody moves the old file back
    assert producer.ensure_named()
    append(producer, 3)
    retired = registry.retired_name(NAME, producer.session)
    with Consumer.open(retired) as consumer:
        assert polled(consumer) == [(0, 1), (1, 2), (2, 3)]
    with Producer.open(NAME, MARK, capacity=CAPACITY) as other:
        assert other.session != producer.session
        assert registry.ring_names() == [NAME, retired]
        with Observer.open(retired) as observer:
            assert observer.file_id != Observer.open(NAME).file_id and observer.state().producer_alive


# Every way to append, before and after


def test_every_way_to_append_goes_on_in_the_new_file(producer: Producer, path: Path) -> None:
    array = np.zeros(2, MARK.dtype)
    for index, value in enumerate((5, 6)):
        for name, each in mark(value).items():
            array[name][index] = each
    for turn in range(3):
        append(producer, 1)
        assert producer.extend(array) == 2
        slot = producer.claim()
        assert slot is not None
        for name, each in mark(8).items():
            slot[name] = each
        producer.commit()
        if turn < 2:
            with Consumer.open(NAME) as consumer:
                assert [value for _, value in polled(consumer)] == [1, 5, 6, 8]
                consumer.acknowledge(consumer.position - 1)
        path.unlink()
        assert producer.ensure_named()
    with Consumer.open(NAME) as consumer:
        assert [value for _, value in polled(consumer)] == [1, 5, 6, 8]


def test_bound_recorders_record_into_the_new_file_usual_and_unusual_values(
    implementation: str, path: Path, namespace: str
) -> None:
    with Recorder.open(NAME, capacity=CAPACITY) as recorder:
        bound = [recorder.bind(exchange="e", account=account, symbol="s", strategy="m") for account in "ab"]
        for _ in range(2):
            for each in bound:
                each.fill(side="buy", last_price=1.0, last_quantity=2.0, trade_id="t")
                each.fill(side="a word nobody knows", last_price=1.0, last_quantity=2.0)
            path.unlink()
            assert recorder.producer.ensure_named()
        assert bound[0].order(exec_type="new") == FULL
        with Consumer.open(NAME) as consumer:
            (view,) = consumer.poll()
            assert view["seq"].tolist() == list(range(8))
            assert view["account"].tolist() == [b"a", b"a", b"b", b"b"] * 2
            assert (view["session"] == recorder.producer.session).all()
            consumer.acknowledge(7)
        assert (bound[1].order(exec_type="new"), recorder.producer.dropped, recorder.producer.flagged) == (8, 1, 4)


def test_a_claim_that_is_open_is_committed_into_the_new_file(producer: Producer, path: Path) -> None:
    slot = producer.claim()
    assert slot is not None
    for name, each in mark(4).items():
        slot[name] = each
    path.unlink()
    looking = threading.Thread(target=producer.ensure_named)
    looking.start()
    time.sleep(0.05)
    assert looking.is_alive(), "the look waits for who holds the producer"
    assert producer.commit() == 0
    looking.join()
    with Consumer.open(NAME) as consumer:
        assert polled(consumer) == [(0, 4)]


def test_threads_that_append_lose_nothing_while_the_name_is_removed_again_and_again(
    implementation: str, path: Path
) -> None:
    threads, turns, capacity = 3, 10, 1 << 14
    stop = threading.Event()
    seqs: list[list[int]] = [[] for _ in range(threads)]
    with Recorder.open(NAME, capacity=capacity) as recorder:

        def record(number: int) -> None:
            bound = recorder.bind(exchange="e", account=str(number), symbol="s", strategy="m")
            own = seqs[number]
            while not stop.wait(0.001) and recorder.producer.head < capacity - 100:
                for _ in range(10):
                    own.append(bound.fill(side="buy", last_price=1.0, last_quantity=1.0, exchange_seq=len(own)))

        running = [threading.Thread(target=record, args=(number,)) for number in range(threads)]
        for thread in running:
            thread.start()
        try:
            for _ in range(turns):
                before = recorder.producer.head
                path.unlink()
                assert recorder.producer.ensure_named()
                wait_until(partial(is_beyond, recorder.producer, before + 30), "the threads go on")
        finally:
            stop.set()
            for thread in running:
                thread.join()
        assert sorted(seq for each in seqs for seq in each) == list(range(recorder.producer.head))
        with Consumer.open(NAME) as consumer:
            (view,) = consumer.poll()
            assert consumer.cursors[layout.RECREATED // 8] == turns
            for number in range(threads):
                own = view[view["account"] == str(number).encode()]
                assert own["exchange_seq"].tolist() == list(range(len(seqs[number])))
                assert own["seq"].tolist() == seqs[number]


def test_a_consumer_that_reads_on_while_the_name_is_removed_again_and_again_gets_each_record_once(
    producer: Producer, path: Path
) -> None:
    got: list[int] = []
    consumer = Consumer.open(NAME)
    for number in range(400):
        append(producer, number)
        if number % 7 == 0:
            path.unlink()
            assert producer.ensure_named()
        for seq, value in polled(consumer):
            assert seq == value
            got.append(seq)
        if number % 3 == 0 and consumer.lag:
            consumer.acknowledge(consumer.position - 1)
        if consumer.is_moved:
            position = consumer.position
            consumer.close()
            consumer = Consumer.open(NAME)
            if position > consumer.position:  # read of the old file, and not acknowledged there
                consumer.poll(position - consumer.position)
                consumer.acknowledge(position - 1)
    assert got == list(range(400))
    consumer.close()


# Races for the name


def test_a_producer_that_opens_the_name_at_this_moment_gets_a_ring_of_its_own(
    producer: Producer, path: Path, namespace: str
) -> None:
    for turn in range(50):
        append(producer, turn)
        for name in registry.ring_names():
            registry.ring_path(name).unlink()
        begin = threading.Barrier(2)
        opened: list[Producer] = []

        def open_other(begin: threading.Barrier = begin, opened: list[Producer] = opened) -> None:
            begin.wait()
            try:
                opened.append(Producer.open(NAME, MARK, capacity=2))
            except RingInUse:
                return

        other = threading.Thread(target=open_other)
        other.start()
        begin.wait()
        assert producer.ensure_named()
        other.join()
        names = registry.ring_names()
        assert names == ([NAME] if not opened else [NAME, registry.retired_name(NAME, producer.session)])
        with Consumer.open(names[-1]) as consumer:
            assert polled(consumer) == [(turn, turn)]
            consumer.acknowledge(turn)
        for each in opened:
            assert each.session != producer.session
            each.close()


def test_logging_says_it_once(producer: Producer, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.unlink()
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            name_watch.look(producer)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
