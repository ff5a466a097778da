"""Attaching to rings: memory that is not there, races, owners, modes, and what is left behind."""

import errno
import os
import resource
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ringbuf.errors import RingClosed, RingError, RingInUse, RingMemory, RingNotFound
from ringbuf.record.schema import Schema
from ringbuf.ring import registry
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.observer import Observer
from ringbuf.ring.producer import Producer
from tests.checkout import ROOT
from tests.processes.ring.process import CONTEXT, MARK, mark, process

NAME = "mm-btc"


def ring_file() -> Path:
    return registry.ring_path(NAME)


def open_files() -> int:
    """How many files this process has open on rings of the test, also of rings that are gone."""
    prefix = str(ring_file()).removesuffix(NAME)
    with os.scandir("/proc/self/fd") as entries:
        return sum(link_of(entry.path).startswith(prefix) for entry in entries)


def link_of(path: str) -> str:
    try:
        return os.readlink(path)
    except FileNotFoundError:  # the one the directory was read through
        return ""


# Memory


def test_a_ring_larger_than_shared_memory_is_an_error_that_leaves_nothing() -> None:
    files = open_files()
    largest = Schema.define("largest", [("text", "S65520")])
    with pytest.raises(RingMemory, match=r"needs 70,368,744,194,048 bytes of /dev/shm, of which are free \d") as caught:
        Producer.open(NAME, largest, capacity=1 << 30)
    assert caught.value.retryable and "smaller capacity" in caught.value.hint
    assert (registry.ring_names(), open_files()) == ([], files)
    with Producer.open(NAME, MARK, capacity=2) as producer:
        assert producer.append(**mark(1)) == 0


def under_limit(limit: int, size: int, capacity: int, namespace: str, connection: Any) -> None:
    """Report the error of opening a ring under a limit of this process."""
    soft, hard = resource.getrlimit(limit)
    resource.setrlimit(limit, (size, hard))
    try:
        Producer.open(NAME, MARK, capacity=capacity, namespace=namespace)
        connection.send(None)
    except RingError as error:
        resource.setrlimit(limit, (soft, hard))
        connection.send((type(error), str(error), registry.ring_names(namespace)))


@pytest.mark.parametrize(
    ("limit", "size", "error", "message"),
    [
        (resource.RLIMIT_FSIZE, 100_000, RingMemory, os.strerror(errno.EFBIG)),
        (resource.RLIMIT_AS, 1 << 20, RingMemory, "cannot be mapped"),
    ],
)
def test_a_limit_of_the_process_is_an_error_that_names_it(
    limit: int, size: int, error: type[RingError], message: str, namespace: str
) -> None:
    here, there = CONTEXT.Pipe(duplex=False)
    with process(under_limit, limit, size, 1 << 16, namespace, there):
        kind, text, names = here.recv()
    here.close()
    there.close()
    assert kind is error and message in text
    assert names == ([NAME] if limit == resource.RLIMIT_AS else [])
    with Producer.open(NAME, MARK, capacity=1 << 16) as producer:
        assert producer.append(**mark(1)) == 0


def with_few_files(namespace: str, connection: Any) -> None:
    """Report the errors of opening a ring with no, one, two ... open files left, until it works."""
    errors: list[str] = []
    next_file = os.dup(0)
    os.close(next_file)
    for left in range(20):
        resource.setrlimit(resource.RLIMIT_NOFILE, (next_file + left, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        try:
            Producer.open(NAME, MARK, capacity=2, namespace=namespace).close()
            break
        except RingError as error:
            errors.append(str(error))
    connection.send(errors)


def test_without_open_files_left_an_attachment_is_an_error_wherever_they_end(namespace: str) -> None:
    here, there = CONTEXT.Pipe(duplex=False)
    with process(with_few_files, namespace, there):
        errors = here.recv()
    here.close()
    there.close()
    assert "cannot be opened: " in errors[0] and len(errors) < 20
    assert "cannot be opened a second time: " in errors[-1]


# Nothing leaks


@pytest.mark.parametrize("close", [True, False])
def test_a_thousand_rings_opened_and_left_leave_no_open_file_and_no_lock(close: bool) -> None:
    files = open_files()
    for _ in range(1000):
        held = Producer.open(NAME, MARK, capacity=2), Consumer.open(NAME), Observer.open(NAME)
        held[0].append(**mark(1))
        if held[1].poll():
            held[1].acknowledge(held[1].position - 1)
        if close:
            held[0].close()
            held[1].close()
            held[2].close()
        del held
        assert open_files() == files


def test_an_attachment_that_fails_leaves_no_open_file() -> None:
    Producer.open(NAME, MARK, capacity=2).close()
    with Producer.open(NAME, MARK), Consumer.open(NAME):
        files = open_files()
        for refused in (Producer.open, Consumer.open, registry.remove):
            with pytest.raises(RingInUse):
                refused(NAME)
        with pytest.raises(RingNotFound):
            Consumer.open("absent")
        assert open_files() == files
    ring_file().write_bytes(b"something else")
    files = open_files()
    for attach in (Producer.open, Consumer.open, Observer.open, registry.remove):
        with pytest.raises(RingError):
            attach(NAME)
    assert open_files() == files


def test_views_outlive_their_consumer_and_its_ring() -> None:
    with Producer.open(NAME, MARK, capacity=4) as producer:
        producer.append(**mark(77))
        with Consumer.open(NAME) as consumer:
            (view,) = consumer.poll()
    registry.remove(NAME, force=True)
    del producer, consumer
    assert view["value"].tolist() == [77]
    with pytest.raises(ValueError, match="read-only"):
        view["value"] = 1


def test_what_is_closed_says_so_and_can_be_closed_again() -> None:
    producer, consumer, observer = Producer.open(NAME, MARK, capacity=2), Consumer.open(NAME), Observer.open(NAME)
    producer.append(**mark(1))
    consumer.poll()
    for each in (producer, consumer, observer):
        each.close()
        each.close()
    closed: list[Callable[[], Any]] = [
        lambda: producer.append(**mark(2)),
        lambda: producer.extend(observer.read(0).records),
        producer.claim,
        producer.commit,
        producer.abort,
        consumer.poll,
        consumer.rewind,
        lambda: consumer.acknowledge(0),
        observer.state,
        lambda: observer.read(0),
    ]
    for act in closed:
        with pytest.raises(RingClosed, match="open it again"):
            act()
    assert (producer.head, consumer.lag, observer.head) == (1, 1, 1)


def test_a_claim_open_at_close_is_given_up() -> None:
    with Producer.open(NAME, MARK, capacity=2) as producer:
        assert producer.claim() is not None
    with pytest.raises(RingClosed):
        producer.commit()
    assert isinstance(at_once(1, lambda _: producer.append(**mark(1)))[0], RingClosed)  # and does not wait
    with Producer.open(NAME, MARK) as again:
        assert (again.head, again.append(**mark(1))) == (0, 0)


def test_a_claim_can_be_ended_only_by_its_thread() -> None:
    errors: list[str] = []

    def end() -> None:
        for act in (producer.commit, producer.abort):
            try:
                act()
            except RingError as error:
                errors.append(str(error))

    with Producer.open(NAME, MARK, capacity=2) as producer:
        producer.claim()
        other = threading.Thread(target=end)
        other.start()
        other.join()
        with pytest.raises(RingError, match="in the middle"):
            producer.claim()
        assert producer.commit() == 0
    assert len(errors) == 2 and all("claimed nothing" in error for error in errors)


# Who holds it


def test_the_lock_tells_who_is_alive_and_not_the_process_id() -> None:
    producer, consumer = Producer.open(NAME, MARK, capacity=2), Consumer.open(NAME)
    with Observer.open(NAME) as observer:
        state = observer.state()
        assert (state.producer_pid, state.consumer_pid) == (os.getpid(), os.getpid())
        assert (state.producer_alive, state.consumer_alive, state.closed_ns) == (True, True, 0)
        producer.close()
        consumer.close()
        state = observer.state()
        assert (state.producer_pid, state.consumer_pid) == (os.getpid(), os.getpid())
        assert (state.producer_alive, state.consumer_alive) == (False, False)
        assert state.attached_ns <= state.closed_ns != 0
    with Producer.open(NAME, MARK), Consumer.open(NAME):
        pass


def hold(connection: Any, namespace: str) -> None:
    held = Producer.open(NAME, MARK, namespace=namespace), Consumer.open(NAME, namespace=namespace)
    connection.send(os.getpid())
    connection.recv()
    del held


def test_a_second_producer_or_consumer_is_told_who_the_first_is(namespace: str) -> None:
    Producer.open(NAME, MARK, capacity=2).close()
    here, there = CONTEXT.Pipe()
    with process(hold, there, namespace):
        pid = here.recv()
        with pytest.raises(RingInUse, match=f"already has a producer, process {pid};") as caught:
            Producer.open(NAME, MARK)
        assert caught.value.retryable
        with pytest.raises(RingInUse, match=f"already has a consumer, process {pid};"):
            Consumer.open(NAME)
    here.close()
    there.close()
    Producer.open(NAME, MARK).close()


def test_a_ring_of_another_user_is_only_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    Producer.open(NAME, MARK, capacity=2).close()
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    for attach in (Producer.open, Consumer.open):
        with pytest.raises(RingError, match=f"belongs to user id {user}, this process runs as {user + 1}"):
            attach(NAME)
    with Observer.open(NAME) as observer:
        assert observer.state().head == 0


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_only_its_user_may_open_a_ring_whatever_the_umask(umask: int, namespace: str) -> None:
    program = f"import os; os.umask({umask}); from ringbuf import Producer; Producer.open({NAME!r}, capacity=2).close()"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
    assert stat.S_IMODE(ring_file().stat().st_mode) == 0o600
    assert registry.ring_names(namespace) == [NAME]


def test_the_counters_of_a_ring_outlive_its_producers() -> None:
    for turn in range(1, 4):
        with Producer.open(NAME, MARK, capacity=2) as producer, Observer.open(NAME) as observer:
            producer.append(**mark(1))
            producer.append(**mark(2))
            producer.append(**mark(3))
            assert producer.dropped == observer.state().dropped == 2 * turn - 1 + (turn - 1)


# Races, between threads: their locks exclude each other as those of processes do


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """What a function returns or raises (ring errors) in each of so many threads that begin together."""
    begin = threading.Barrier(count)
    results: list[Any] = [None] * count

    def run(number: int) -> None:
        begin.wait()
        try:
            results[number] = act(number)
        except RingError as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_many_producers_that_open_a_ring_at_once_exactly_one_gets_it() -> None:
    for turn in range(30):
        results = at_once(8, lambda _: Producer.open(NAME, MARK, capacity=2))
        assert sorted(type(result).__name__ for result in results) == ["Producer"] + ["RingInUse"] * 7
        (producer,) = (result for result in results if isinstance(result, Producer))
        assert (producer.append(**mark(turn)), registry.ring_names()) == (0, [NAME])
        producer.close()
        registry.remove(NAME, force=True)


def test_of_many_consumers_that_open_a_ring_at_once_exactly_one_gets_it() -> None:
    Producer.open(NAME, MARK, capacity=2).close()
    for _ in range(30):
        results = at_once(8, lambda _: Consumer.open(NAME))
        assert sorted(type(result).__name__ for result in results) == ["Consumer"] + ["RingInUse"] * 7
        (consumer,) = (result for result in results if isinstance(result, Consumer))
        consumer.close()


SHAPES = [
    MARK,
    Schema.define("marks", [("value", "f8")], version=2),
    Schema.define("marks", [("other", "u1")], version=3),
]


def test_producers_of_other_schemas_at_once_set_each_others_rings_aside_and_lose_no_record() -> None:
    sessions = set()

    def open_and_append(number: int) -> None:
        with Producer.open(NAME, SHAPES[number % 3], capacity=2) as producer:
            if producer.append() == 0:
                sessions.add(producer.session)

    for _ in range(20):
        at_once(6, open_and_append)
    found = set()
    for name in registry.ring_names():
        with Consumer.open(name) as consumer:
            assert consumer.lag in (1, 2)
            assert all((view["session"] == consumer.header.session).all() for view in consumer.poll())
            found.add(consumer.header.session)
    assert found == sessions and len(found) > 3
