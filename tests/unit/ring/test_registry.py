"""Names of rings, and how a ring is removed."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ringbuf.errors import ConfigurationError, InvalidName, RingCorrupt, RingError, RingInUse, RingNotFound
from ringbuf.record.execution import EXECUTION
from ringbuf.record.schema import Schema
from ringbuf.ring import registry
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.observer import Observer
from ringbuf.ring.producer import Producer
from ringbuf.ring.registry import Presence, check_name, is_retired, remove, resolve_namespace, ring_files, ring_names

TICK = Schema.define("ticks", [("price", "f8")])
TICK_2 = Schema.define("ticks", [("price", "f8"), ("size", "f8")], version=2)

BAD_NAMES = [
    *("", ".", "..", "...", "a..b", ".a", "a.", "-a", "_a", "a/b", "/a", "../etc/passwd", "a b", " a", "a\n", "\n"),
    *("a\0b", "ä", "a~", "~a", "a~b", "a~0123456789abcde", "a~0123456789ABCDEF", "a~0123456789abcdef~0123456789abcdef"),
    *("~0123456789abcdef", "a" * 101, "a" * 101 + "~0123456789abcdef", "a*", "a?", "$HOME", "a;b", "%n", "a\\b", "²"),
]


@pytest.mark.parametrize("name", ["a", "mm-btc", "mm_btc.2", "A1", "0", "a" * 100, "a.-", "mm~0123456789abcdef"])
def test_a_plain_name_is_good(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_is_refused_everywhere_and_makes_nothing(name: str, namespace: str) -> None:
    for use in (Producer.open, Consumer.open, Observer.open, remove):
        with pytest.raises(InvalidName, match="cannot be used"):
            use(name)
    assert not [entry for entry in os.listdir("/dev/shm") if namespace in entry]


@pytest.mark.parametrize("bad", ["", "a.b", "a/b", "..", "-a", "a" * 49, "a b", "a\n", "ä"])
def test_a_bad_namespace_is_refused(bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidName, match="RINGBUF_NAMESPACE"):
        Producer.open("ticks", namespace=bad)
    monkeypatch.setenv("RINGBUF_NAMESPACE", bad)
    with pytest.raises(InvalidName, match="RINGBUF_NAMESPACE"):
        ring_names()


def test_the_namespace_is_the_one_given_else_the_environment_else_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_namespace("mine") == "mine"
    monkeypatch.setenv("RINGBUF_NAMESPACE", "from-environment")
    assert resolve_namespace() == "from-environment"
    monkeypatch.delenv("RINGBUF_NAMESPACE")
    assert resolve_namespace() == "default"


def test_the_longest_names_make_a_ring() -> None:
    name, namespace = "n" * 100, f"test-{os.getpid()}".ljust(48, "x")
    try:
        Producer.open(name, TICK, capacity=2, namespace=namespace).close()
        Producer.open(name, TICK_2, capacity=2, namespace=namespace).close()
        assert [is_retired(found) for found in ring_names(namespace)] == [False, True]
    finally:
        for found in ring_names(namespace):
            remove(found, namespace=namespace, force=True)


def test_namespaces_keep_rings_apart(namespace: str) -> None:
    with Producer.open("ticks", TICK, capacity=2) as producer:
        with pytest.raises(RingNotFound):
            Observer.open("ticks", namespace=f"{namespace}-2")
        assert (ring_names(), ring_names(f"{namespace}-2")) == (["ticks"], [])
        assert list(ring_files().values()) == ["ticks"]
        assert producer.name == "ticks"


def test_files_no_ring_can_be_called_like_are_no_rings(namespace: str) -> None:
    foreign = [Path(f"/dev/shm/ringbuf.{namespace}.{name}") for name in ("not a ring", "a..b", "a~b")]
    try:
        for file in foreign:
            file.touch()
        assert ring_names() == []
    finally:
        for file in foreign:
            file.unlink()


@pytest.mark.parametrize("capacity", [0, 1, 3, -2, 1000, 1 << 31])
def test_a_capacity_that_is_no_power_of_two_is_refused(capacity: int) -> None:
    with pytest.raises(ConfigurationError, match=f"capacity {capacity} "):
        Producer.open("ticks", TICK, capacity=capacity)
    assert ring_names() == []


def test_what_is_missing_is_named_and_what_there_is_listed() -> None:
    with pytest.raises(RingNotFound, match="there is none yet"):
        Observer.open("nothing")
    Producer.open("ticks", TICK, capacity=2).close()
    with pytest.raises(RingNotFound, match="there is ticks"):
        Observer.open("nothing")
    for use in (Consumer.open, remove):
        with pytest.raises(RingNotFound, match="there is no ring 'nothing'"):
            use("nothing")
    with pytest.raises(RingNotFound):
        remove("nothing", force=True)


# Rings that come and go


def test_rings_are_found_as_they_come_and_go(namespace: str) -> None:
    """By the real clock and directory, without a pause."""
    presence = Presence(namespace)
    assert presence.rings() == {}
    for number in range(50):
        Producer.open(f"ring-{number}", TICK, capacity=2).close()
        assert presence.rings() == ring_files()
        assert len(presence.rings()) == number + 1
    for number in range(50):
        remove(f"ring-{number}")
        assert presence.rings() == ring_files()


def stand_still(monkeypatch: pytest.MonkeyPatch, seconds_ago: float) -> None:
    """From now on the kernel says that the directory changed last so long ago, whatever happens."""
    changed_ns = time.time_ns() - int(seconds_ago * 1e9)
    monkeypatch.setattr(registry, "_changed_ns", lambda: changed_ns)


def test_a_directory_that_did_not_change_is_not_scanned_again(namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_still(monkeypatch, 1.0)
    presence = Presence(namespace)
    assert presence.rings() == {}
    Producer.open("ticks", TICK, capacity=2).close()
    assert presence.rings() == {}, "it was scanned"
    stand_still(monkeypatch, 0.5)
    assert list(presence.rings().values()) == ["ticks"]


def test_a_ring_that_comes_in_the_very_tick_of_a_scan_is_found(namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_still(monkeypatch, 0.0)
    presence = Presence(namespace)
    for number in range(3):
        Producer.open(f"ring-{number}", TICK, capacity=2).close()
        assert len(presence.rings()) == number + 1


def test_a_directory_whose_time_of_change_says_nothing_is_scanned_after_a_while(
    namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_still(monkeypatch, 1.0)
    presence = Presence(namespace)
    presence.rings()
    Producer.open("ticks", TICK, capacity=2).close()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + registry.RESCAN_SECONDS + 1)
    assert list(presence.rings().values()) == ["ticks"]


def test_the_same_rings_are_the_same_answer_however_often_the_directory_changes(namespace: str) -> None:
    presence = Presence(namespace)
    with Producer.open("ticks", TICK, capacity=2) as producer:
        first = presence.rings()
        other = Path(f"/dev/shm/ringbuf.{namespace}-2.other")
        other.touch()
        other.unlink()
        assert presence.rings() is first
    assert list(first.values()) == [producer.name]


# Removal


def test_an_empty_ring_nobody_holds_is_removed() -> None:
    Producer.open("ticks", TICK, capacity=2).close()
    remove("ticks")
    assert ring_names() == []


def test_a_ring_with_a_live_producer_is_kept_unless_forced() -> None:
    with Producer.open("ticks", TICK, capacity=2) as producer:
        with pytest.raises(RingInUse, match=f"live producer, process {os.getpid()}"):
            remove("ticks")
        assert producer.append(price=1.0) == 0
        remove("ticks", force=True)
        assert ring_names() == []


def test_a_ring_whose_live_consumer_has_everything_can_be_removed() -> None:
    with Producer.open("ticks", TICK, capacity=2) as producer:
        producer.append(price=1.0)
    with Consumer.open("ticks") as consumer:
        with pytest.raises(RingInUse, match="holds 1 unread records"):
            remove("ticks")
        consumer.poll()
        consumer.acknowledge(0)
        remove("ticks")
        assert ring_names() == []


def test_a_ring_with_unread_records_is_kept() -> None:
    with Producer.open("ticks", TICK, capacity=2) as producer:
        producer.append(price=1.0)
    with pytest.raises(RingInUse, match="holds 1 unread records"):
        remove("ticks")
    with Consumer.open("ticks") as consumer:
        consumer.poll()
        consumer.acknowledge(0)
    remove("ticks")
    assert ring_names() == []


def test_to_be_refused_removal_costs_a_ring_nothing() -> None:
    with Producer.open("ticks", TICK, capacity=2) as producer:
        producer.append(price=1.0)
    with pytest.raises(RingInUse):
        remove("ticks")
    with Producer.open("ticks", TICK) as producer, Consumer.open("ticks") as consumer:
        assert (producer.append(price=2.0), consumer.lag) == (1, 2)


@pytest.fixture
def path(namespace: str) -> Iterator[Path]:
    path = Path(f"/dev/shm/ringbuf.{namespace}.ticks")
    yield path
    if path.is_dir() and not path.is_symlink():
        path.rmdir()


def make_symlink(path: Path) -> None:
    path.symlink_to(__file__)


def make_dangling_symlink(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def make_foreign_file(path: Path) -> None:
    path.write_bytes(b"something else")


MAKE: list[Callable[[Path], None]] = [os.mkfifo, make_symlink, make_dangling_symlink, make_foreign_file]


@pytest.mark.parametrize("make", MAKE)
def test_what_is_no_ring_is_refused_and_only_force_removes_it(make: Callable[[Path], None], path: Path) -> None:
    make(path)
    for use in (Producer.open, Consumer.open, remove):
        with pytest.raises(RingCorrupt):
            use("ticks")
    with pytest.raises((RingCorrupt, RingNotFound)):
        Observer.open("ticks")
    remove("ticks", force=True)
    assert not path.exists() and Path(__file__).exists()


def test_a_directory_is_refused_even_by_force(path: Path) -> None:
    path.mkdir()
    for use in (Producer.open, Consumer.open, Observer.open, remove):
        with pytest.raises(RingCorrupt):
            use("ticks")
    with pytest.raises(RingError, match="cannot be removed"):
        remove("ticks", force=True)
    assert path.is_dir()


# Rings set aside


def test_a_ring_of_another_schema_is_set_aside_with_its_records_and_can_be_consumed() -> None:
    with Producer.open("ticks", TICK, capacity=4) as old:
        old.append(price=1.0)
        old.append(price=2.0)
    with Producer.open("ticks", TICK_2, capacity=4) as new:
        new.append(price=3.0, size=1.0)
        assert new.session != old.session
        retired = f"ticks~{old.session:016x}"
        assert ring_names() == ["ticks", retired]
        with Consumer.open(retired) as consumer, Consumer.open("ticks") as other:
            (view,) = consumer.poll()
            assert view["price"].tolist() == [1.0, 2.0]
            assert consumer.header.schema == TICK
            assert (consumer.header.session, other.header.session) == (old.session, new.session)
            consumer.acknowledge(1)
        remove(retired)
        assert ring_names() == ["ticks"]


def test_a_consumer_keeps_its_ring_when_that_is_set_aside() -> None:
    with Producer.open("ticks", TICK, capacity=4) as old:
        old.append(price=1.0)
    with Consumer.open("ticks") as consumer, Producer.open("ticks", TICK_2) as new:
        new.append(price=2.0)
        (view,) = consumer.poll()
        assert view["price"].tolist() == [1.0]
        with pytest.raises(RingInUse):
            Consumer.open(f"ticks~{old.session:016x}")


def test_a_ring_of_another_capacity_is_set_aside_only_if_a_capacity_is_asked_for() -> None:
    Producer.open("ticks", TICK, capacity=4).close()
    with Producer.open("ticks", TICK) as same:
        assert same.capacity == 4
    Producer.open("ticks", TICK, capacity=8).close()
    assert ring_names() == ["ticks", f"ticks~{same.session:016x}"]


def test_a_ring_with_a_live_producer_is_not_set_aside() -> None:
    with Producer.open("ticks", TICK, capacity=4), pytest.raises(RingInUse):
        Producer.open("ticks", TICK_2)
    assert ring_names() == ["ticks"]


def test_no_producer_takes_the_name_of_a_ring_set_aside() -> None:
    with pytest.raises(InvalidName, match="set aside"):
        Producer.open("ticks~0123456789abcdef", TICK)
    assert ring_names() == []


def test_by_default_a_ring_holds_16384_executions() -> None:
    with Producer.open("mm-btc") as producer:
        assert (producer.capacity, producer.schema) == (16_384, EXECUTION)
