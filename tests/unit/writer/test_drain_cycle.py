"""What one cycle of the drain takes, of few rings and of many."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ringbuf.errors import RingCorrupt
from ringbuf.journal.appender import JournalAppender
from ringbuf.ring import layout
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.producer import Producer
from ringbuf.writer.drain import disk_space
from ringbuf.writer.drain import drain as drain_module
from ringbuf.writer.drain.attached_ring import check_identity
from ringbuf.writer.drain.drain import Drain
from ringbuf.writer.problems import Problems
from tests.drains import append, drain_of, journaled
from tests.journals import TICK, UNSYNCED

RINGS = 4
CAPACITY = 64


@pytest.fixture
def producers() -> Iterator[list[Producer]]:
    made = [Producer.open(f"ring-{number}", TICK, capacity=CAPACITY) for number in range(RINGS)]
    yield made
    for producer in made:
        producer.close()


@pytest.fixture
def drain(tmp_path: Path, namespace: str, producers: list[Producer]) -> Iterator[Drain]:
    made = drain_of(JournalAppender.open(tmp_path, files=UNSYNCED), Problems(), namespace)
    made.rings.discover()
    yield made
    made.rings.close()


def test_without_news_a_cycle_says_so(drain: Drain) -> None:
    assert drain.cycle() is None
    assert not drain.is_pressed


def test_what_rings_count_is_known_of_those_that_are_attached(drain: Drain, producers: list[Producer]) -> None:
    append(producers[1], CAPACITY)
    for _ in range(3):
        assert producers[1].append(value=0) < 0
    drain.rings.look_after()
    nothing = {"lag": 0, "dropped": 0, "rejected": 0, "flagged": 0, "recreated": 0}
    assert drain.rings.counters["ring-0"] == nothing
    assert drain.rings.counters["ring-1"] == nothing | {"lag": CAPACITY, "dropped": 3}
    assert drain.rings.counters.keys() == {each.name for each in producers}


def test_a_ring_that_appears_or_goes_leaves_the_others_their_places(
    drain: Drain, producers: list[Producer], namespace: str
) -> None:
    append(producers[1], 5)
    assert drain.cycle() == 5
    with Producer.open("late", TICK, capacity=CAPACITY) as late:
        drain.rings.discover()
        append(late, 2)
        append(producers[3], 1)
        assert drain.cycle() == 3
        assert drain.cycle() is None
    producers[0].close()
    Path(f"/dev/shm/ringbuf.{namespace}.ring-0").unlink()
    drain.rings.discover()
    append(producers[2], 4)
    assert drain.cycle() == 4
    assert len(drain.rings.listed) == RINGS


def test_in_a_burst_every_ring_gets_its_share_of_each_cycle(
    drain: Drain, producers: list[Producer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    per_ring = 10
    monkeypatch.setattr(drain_module, "CYCLE_BYTES", RINGS * per_ring * TICK.record_size)
    for producer in producers:
        append(producer, 25)
    cycles = [(drain.cycle(), drain.is_pressed, [producer.lag for producer in producers]) for _ in range(4)]
    assert cycles == [
        (RINGS * per_ring, True, [15] * RINGS),
        (RINGS * per_ring, True, [5] * RINGS),
        (RINGS * 5, False, [0] * RINGS),
        (None, False, [0] * RINGS),
    ]
    assert journaled(tmp_path) == {producer.session: list(range(25)) for producer in producers}


def test_a_share_smaller_than_a_record_still_moves_one(
    drain: Drain, producers: list[Producer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain_module, "CYCLE_BYTES", 1)
    for producer in producers:
        append(producer, 2)
    assert [drain.cycle(), drain.cycle(), drain.cycle()] == [RINGS, RINGS, None]


def test_a_ring_more_than_half_full_after_its_cycle_is_pressing(
    drain: Drain, producers: list[Producer], monkeypatch: pytest.MonkeyPatch
) -> None:
    append(producers[0], 4)

    def check_identity(*_: object) -> None:
        append(producers[0], CAPACITY // 2 + 1)  # arrives while the cycle runs

    monkeypatch.setattr(drain_module, "check_identity", check_identity)
    assert drain.cycle() == 4
    assert drain.is_pressed


def test_a_truncated_ring_is_left_before_its_memory_is_touched(
    drain: Drain, producers: list[Producer], namespace: str
) -> None:
    path = Path(f"/dev/shm/ringbuf.{namespace}.ring-2")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size - 4096)
    drain.rings.look_after()
    assert len(drain.rings.listed) == RINGS - 1
    append(producers[1], 1)
    assert drain.cycle() == 1


def test_a_heartbeat_is_shown_in_every_ring(drain: Drain) -> None:
    def heartbeats() -> list[int]:
        return [ring.consumer.cursors[layout.CONSUMER_HEARTBEAT_NS // 8] for ring in drain.rings.listed]

    before = heartbeats()
    drain.rings.look_after()
    assert all(new > old for old, new in zip(before, heartbeats(), strict=True))


# The disk


def test_the_disk_is_asked_for_its_space_once_for_all_rings(
    drain: Drain, producers: list[Producer], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def free_bytes(directory: Path) -> int:
        asked.append(directory)
        return 10**9

    monkeypatch.setattr(disk_space, "free_bytes", free_bytes)
    for producer in producers:
        append(producer, 1)
    assert drain.cycle() == RINGS
    assert len(asked) == 1


def test_what_a_cycle_journals_is_counted_as_taken_from_the_disk(
    drain: Drain, producers: list[Producer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last of the disk stays the loader's, also when many rings have a little each."""
    monkeypatch.setattr(disk_space, "ENOUGH_BYTES", 5 * TICK.record_size)
    free = 12

    def free_bytes(_: Path) -> int:
        left = free - sum(map(len, journaled(tmp_path).values()))
        return disk_space.RESERVED_BYTES + left * TICK.record_size

    monkeypatch.setattr(disk_space, "free_bytes", free_bytes)
    for producer in producers:
        append(producer, 8)
    assert drain.cycle() == 8, "the second ring was given what the first had taken"
    assert sorted(producer.lag for producer in producers) == [0, 8, 8, 8]
    assert drain.cycle() == 0
    free = 1000
    assert drain.cycle() == 24


# Identity


@pytest.mark.parametrize("count", [1, 2, 32, 33, CAPACITY])
def test_a_record_that_is_not_the_one_it_should_be_is_found_among_few_and_among_many(count: int) -> None:
    first = 40
    with Producer.open("ticks", TICK, capacity=CAPACITY) as producer, Consumer.open("ticks") as consumer:
        append(producer, first)
        consumer.poll()
        consumer.acknowledge(first - 1)
        append(producer, count)
        views = consumer.poll()
        check_identity(consumer, views, first)
        records = np.frombuffer(producer.memory, TICK.dtype, offset=layout.HEADER_SIZE)
        for place in range(first, first + count):
            for field in ("session", "seq"):
                slot = records[place % CAPACITY]
                sound = slot[field]
                slot[field] ^= np.uint64(1 << 63)
                with pytest.raises(RingCorrupt, match=f"record {place} says it is record {slot['seq']} of session"):
                    check_identity(consumer, views, first)
                slot[field] = sound
        check_identity(consumer, views, first)
