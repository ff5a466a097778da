"""How the drain finds rings and leaves them, while the directory of shared memory stands still or changes under it."""

import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ringbuf.journal import step
from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.reader import Frame, JournalReader
from ringbuf.journal.step import Step
from ringbuf.record.schema import Schema
from ringbuf.ring import layout, registry
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.producer import Producer
from ringbuf.ring.registry import ring_files, ring_names
from ringbuf.ring.segment import FileId
from ringbuf.writer.drain.drain import Drain
from ringbuf.writer.problems import Problems
from tests.drains import append, drain_of
from tests.journals import TICK, UNSYNCED

TICK_2 = Schema.define("tick", [("value", "u8"), ("size", "u8")], version=2)
CAPACITY = 16


@pytest.fixture
def problems() -> Problems:
    return Problems()


@pytest.fixture
def drain(tmp_path: Path, namespace: str, problems: Problems) -> Iterator[Drain]:
    made = drain_of(JournalAppender.open(tmp_path, files=UNSYNCED), problems, namespace)
    yield made
    made.rings.close()


@pytest.fixture
def stand_still(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and the kernel says that the directory changed a second ago and never again."""

    def stop() -> None:
        changed_ns = time.time_ns() - 10**9
        monkeypatch.setattr(registry, "_changed_ns", lambda: changed_ns)

    return stop


def ring_file(name: str) -> Path:
    return registry.ring_path(name)


def attached(drain: Drain) -> set[str]:
    return {ring.consumer.name for ring in drain.rings.listed}


def test_records_are_seen_although_the_directory_did_not_change_since_the_last_scan(
    drain: Drain, stand_still: Callable[[], None]
) -> None:
    with Producer.open("ticks", TICK, capacity=CAPACITY) as producer:
        stand_still()
        for _ in range(3):
            drain.rings.discover()
            append(producer)
            assert drain.cycle() == 1


def test_a_ring_that_is_in_use_is_tried_again_although_the_directory_did_not_change(
    drain: Drain, problems: Problems, stand_still: Callable[[], None]
) -> None:
    Producer.open("ticks", TICK, capacity=CAPACITY).close()
    stand_still()
    with Consumer.open("ticks"):
        drain.rings.discover()
        drain.rings.discover()
        assert not drain.rings.listed
    assert problems.counts() == {"RingInUse": 2}
    drain.rings.discover()
    assert attached(drain) == {"ticks"}


def test_a_ring_is_attached_when_it_is_complete_although_the_directory_did_not_change(
    drain: Drain, stand_still: Callable[[], None]
) -> None:
    ring_file("ticks").touch(0o600)
    stand_still()
    drain.rings.discover()
    assert not drain.rings.listed
    with Producer.open("ticks", TICK, capacity=CAPACITY):
        drain.rings.discover()
        assert attached(drain) == {"ticks"}


def test_a_ring_set_aside_is_removed_once_it_is_read_although_the_directory_did_not_change(
    drain: Drain, stand_still: Callable[[], None]
) -> None:
    with Producer.open("ticks", TICK, capacity=CAPACITY) as old:
        append(old, 2)
    with Producer.open("ticks", TICK_2, capacity=CAPACITY):
        stand_still()
        drain.rings.discover()
        assert (len(drain.rings.listed), len(ring_names())) == (2, 2)
        assert drain.cycle() == 2
        drain.rings.discover()
        assert (attached(drain), ring_names()) == ({"ticks"}, ["ticks"])


def test_a_ring_without_a_name_is_left_when_its_producer_is_gone_although_the_directory_did_not_change(
    drain: Drain, stand_still: Callable[[], None]
) -> None:
    with Producer.open("ticks", TICK, capacity=CAPACITY) as producer:
        drain.rings.discover()
        ring_file("ticks").unlink()
        stand_still()
        drain.rings.discover()
        append(producer)
        drain.rings.discover()
        assert attached(drain) == {"ticks"}
        assert drain.cycle() == 1
    drain.rings.discover()
    assert not drain.rings.listed


def test_when_nothing_is_left_to_try_nothing_is_tried_until_a_ring_is_left(
    drain: Drain, stand_still: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Producer.open("a", TICK, capacity=CAPACITY), Producer.open("b", TICK, capacity=CAPACITY):
        stand_still()
        asked: list[str] = []

        def is_retired(name: str) -> bool:
            asked.append(name)
            return False

        monkeypatch.setattr(registry, "is_retired", is_retired)
        drain.rings.discover()
        assert sorted(asked) == ["a", "b"]
        drain.rings.discover()
        assert len(asked) == 2
        os.truncate(ring_file("b"), layout.HEADER_SIZE)
        drain.rings.look_after()
        drain.rings.discover()
        assert asked[2:] == ["a"]
        drain.rings.discover()
        assert len(asked) == 3
        assert attached(drain) == {"a"}


# The directory changes between the look at it and the opening of a ring


def discover_late(drain: Drain, present: dict[FileId, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Discover with what was there before; then everything is as it is again."""
    with monkeypatch.context() as patch:
        patch.setattr(registry.Presence, "rings", lambda _: present)
        drain.rings.discover()


def test_a_ring_whose_name_another_got_since_is_not_taken_for_that(
    drain: Drain, problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Producer.open("ticks", TICK, capacity=CAPACITY) as old:
        append(old, 3)
    before = ring_files()
    with Producer.open("ticks", TICK_2, capacity=CAPACITY) as new:
        append(new, 2)
        discover_late(drain, before, monkeypatch)
        assert not drain.rings.listed
        drain.rings.discover()
        assert attached(drain) == set(ring_names())
        assert all(ring.consumer.segment.file_id == file for file, ring in drain.rings.by_file.items())
        assert drain.cycle() == 5
    assert problems.counts() == {}


def test_a_ring_that_lost_its_name_since_is_found_under_its_new_one(
    drain: Drain, problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Producer.open("ticks", TICK, capacity=CAPACITY) as producer:
        append(producer, 3)
    before = ring_files()
    ring_file("ticks").rename(ring_file(registry.retired_name("ticks", producer.session)))
    discover_late(drain, before, monkeypatch)
    assert not drain.rings.listed
    drain.rings.discover()
    assert drain.cycle() == 3
    assert problems.counts() == {}


def test_what_was_journaled_of_a_ring_that_lost_its_name_since_is_not_forgotten(
    tmp_path: Path, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(reached: Step) -> None:
        if reached is Step.JOURNAL_SYNCED:
            raise InterruptedError

    with Producer.open("ticks", TICK, capacity=CAPACITY) as producer:
        append(producer, 3)
        journal = JournalAppender.open(tmp_path, files=UNSYNCED)
        drain = drain_of(journal, Problems(), namespace)
        drain.rings.discover()
        monkeypatch.setattr(step, "watch", die)
        with pytest.raises(InterruptedError):
            drain.cycle()
        monkeypatch.setattr(step, "watch", None)
        drain.rings.close()
        journal.close()
        assert producer.lag == 3
        before = ring_files()
        ring_file("ticks").rename(ring_file(registry.retired_name("ticks", producer.session)))
        drain = drain_of(JournalAppender.open(tmp_path, files=UNSYNCED), Problems(), namespace)
        discover_late(drain, before, monkeypatch)
        drain.rings.discover()
        assert (len(drain.rings.listed), producer.lag) == (1, 0)
        assert drain.cycle() is None
        drain.rings.close()


def test_a_ring_closed_behind_the_drains_back_costs_that_ring_alone(drain: Drain, problems: Problems) -> None:
    """Its memory is still looked at, and still there."""
    with Producer.open("a", TICK, capacity=CAPACITY) as a, Producer.open("b", TICK, capacity=CAPACITY) as b:
        drain.rings.discover()
        assert drain.cycle() is None
        (closed,) = [ring.consumer for ring in drain.rings.listed if ring.consumer.name == "a"]
        closed.close()
        del closed
        assert not drain.wait(0.001, 0.002)
        append(a)
        append(b)
        assert drain.wait(0.001, 0.002)
        assert drain.cycle() == 1
        assert attached(drain) == {"b"}
        assert problems.counts() == {"RingClosed": 1}


def test_of_a_ring_and_its_copy_only_one_is_read_and_the_other_is_named(
    drain: Drain, problems: Problems, tmp_path: Path
) -> None:
    with Producer.open("a", TICK, capacity=CAPACITY) as a:
        append(a, 3)
        shutil.copy(ring_file("a"), ring_file("a.bak"))
        drain.rings.discover()
        assert len(attached(drain)) == 1
        assert drain.cycle() == 3
        append(a)
        drain.cycle()
        assert problems.counts() == {"RingInUse": 1}


def test_a_copy_of_an_attached_ring_comes_and_goes_and_the_ring_goes_on(drain: Drain, problems: Problems) -> None:
    with Producer.open("a", TICK, capacity=CAPACITY) as a:
        drain.rings.discover()
        append(a, 3)
        assert drain.cycle() == 3
        shutil.copy(ring_file("a"), ring_file("a.bak"))
        drain.rings.discover()
        ring_file("a.bak").unlink()
        drain.rings.discover()
        append(a, 2)
        assert (drain.cycle(), attached(drain)) == (2, {"a"})


def test_a_ring_refused_for_want_of_files_is_attached_when_there_are_some(
    drain: Drain, problems: Problems, stand_still: Callable[[], None]
) -> None:
    with Producer.open("a", TICK, capacity=CAPACITY) as a:
        append(a)
        stand_still()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.open("/dev/null", os.O_RDONLY)
        os.close(free)
        for few in range(4):  # files it may open: enough to scan, not enough to attach
            resource.setrlimit(resource.RLIMIT_NOFILE, (free + few, hard))
            try:
                drain.rings.discover()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert problems.counts().keys() == {"RingMemory"}
        drain.rings.discover()
        assert drain.cycle() == 1


@pytest.mark.parametrize("again", [False, True])
def test_a_ring_whose_schema_gives_a_field_another_format_is_refused_and_the_others_go_on(
    drain: Drain, problems: Problems, tmp_path: Path, namespace: str, again: bool
) -> None:
    other = Schema.define(TICK.name, [("value", "f8")], version=3)
    with Producer.open("a", TICK, capacity=CAPACITY) as a, Producer.open("b", TICK_2, capacity=CAPACITY) as b:
        drain.rings.discover()
        append(a)
        append(b)
        assert drain.cycle() == 2
        if again:  # what is in the journal still counts for the next writer
            drain.rings.close()
            drain = drain_of(JournalAppender.open(tmp_path, files=UNSYNCED), problems, namespace)
        with Producer.open("c", other, capacity=CAPACITY) as c:
            drain.rings.discover()
            assert c.append(value=1.5) == 0
            append(a)
            assert (drain.cycle(), attached(drain), problems.counts()) == (1, {"a", "b"}, {"RingError": 1})
        drain.rings.close()


def test_a_number_that_can_be_no_process_costs_no_record(drain: Drain, tmp_path: Path) -> None:
    with Producer.open("a", TICK, capacity=CAPACITY) as a:
        append(a)
        with ring_file("a").open("r+b") as file:
            file.seek(layout.PRODUCER_PID)
            file.write(b"\xff" * 8)
        drain.rings.discover()
        assert drain.cycle() == 1
    assert all(isinstance(item, Frame) for item in JournalReader(tmp_path).frames())


def test_a_ring_set_aside_and_removed_at_this_moment_is_left(drain: Drain, monkeypatch: pytest.MonkeyPatch) -> None:
    with Producer.open("a", TICK, capacity=CAPACITY) as a:
        append(a)
    drain.rings.discover()
    assert drain.cycle() == 1
    with Producer.open("a", TICK_2, capacity=CAPACITY):
        seen = ring_files()
        (retired,) = [name for name in seen.values() if registry.is_retired(name)]
        ring_file(retired).unlink()
        discover_late(drain, seen, monkeypatch)
        drain.rings.discover()
        assert attached(drain) == {"a"}
