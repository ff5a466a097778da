"""The drain on a disk that fails: what is acknowledged is durable, and comes once."""

import errno
import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from ringbuf.journal import step
from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.reader import RECORDS, Frame, JournalReader
from ringbuf.journal.step import Step
from ringbuf.ring import layout, registry
from ringbuf.ring.producer import Producer
from ringbuf.writer.drain.drain import Drain
from ringbuf.writer.problems import Problems
from tests.drains import drain_of
from tests.failing_disk import FailingDisk, Killed, refusal
from tests.journals import TICK


class Disk(FailingDisk):
    """Fails a share of the calls that write, cut or sync."""

    def __init__(self, share: float) -> None:
        super().__init__(written=10)
        self.share = share
        self.failed = 0
        self._draw = random.Random(5)

    def failure(self, call: str) -> OSError | None:
        if self._draw.random() >= self.share:
            return None
        self.failed += 1
        return refusal(errno.ENOSPC if call == "pwritev" else errno.EIO)


@pytest.fixture
def producers() -> Iterator[list[Producer]]:
    rings = [Producer.open(f"ring-{number}", TICK, capacity=1024) for number in range(3)]
    yield rings
    for ring in rings:
        ring.close()


def make_drain(directory: Path, disk: Disk, namespace: str) -> tuple[Drain, JournalAppender]:
    """A drain whose journal is on the disk."""
    share, disk.share = disk.share, 0
    journal = JournalAppender.open(directory, files=disk.files, segment_size=4096)
    drain = drain_of(journal, Problems(), namespace)
    drain.rings.discover()
    disk.share = share
    return drain, journal


def journaled(directory: Path, end: int) -> dict[int, list[int]]:
    """Seqs by session, in the order of the journal, up to an offset; their values are checked."""
    found: dict[int, list[int]] = {}
    for item in JournalReader(directory).frames(end=end):
        assert isinstance(item, Frame), item
        if item.kind == RECORDS:
            records = item.records(TICK)
            assert np.array_equal(records["value"], records["seq"] * 3)
            found.setdefault(item.session, []).extend(records["seq"].tolist())
    return found


def append(producer: Producer, count: int) -> None:
    """Append ticks whose value is three times their seq."""
    for _ in range(count):
        assert producer.append(value=producer.head * 3) >= 0


def test_nothing_is_acknowledged_before_it_is_synced(
    tmp_path: Path, namespace: str, producers: list[Producer], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(0)
    acknowledged = []

    def watch(reached: Step) -> None:
        if reached is Step.RING_ACKNOWLEDGED:
            acknowledged.append(disk.unsynced)
        elif reached is Step.FRAMES_WRITTEN:
            assert disk.unsynced

    drain, _ = make_drain(tmp_path, disk, namespace)
    monkeypatch.setattr(step, "watch", watch)
    for _ in range(5):
        for producer in producers:
            append(producer, 10)
        drain.cycle()
    assert acknowledged == [0] * 15
    assert not any(producer.lag for producer in producers)
    drain.rings.close()


def test_on_a_failing_disk_only_what_is_durable_is_acknowledged_and_all_comes_once(
    tmp_path: Path, namespace: str, producers: list[Producer]
) -> None:
    disk = Disk(0)
    drain, journal = make_drain(tmp_path, disk, namespace)
    draw = random.Random(6)
    disk.share = 0.3
    for number in range(300):
        for producer in producers:
            append(producer, draw.randrange(4))
        drain.cycle()
        if number % 10 == 9:
            durable = journaled(tmp_path, journal.durable_end)
            for producer in producers:
                acknowledged = producer.head - producer.lag
                assert durable.get(producer.session, [])[:acknowledged] == list(range(acknowledged))
    assert disk.failed > 100
    disk.share = 0
    drain.cycle()
    assert not any(producer.lag for producer in producers)
    durable = journaled(tmp_path, journal.durable_end)
    assert durable == {producer.session: list(range(producer.head)) for producer in producers}
    drain.rings.close()


def test_a_drain_that_dies_at_any_step_leaves_nothing_out_and_nothing_twice(
    tmp_path: Path, namespace: str, producers: list[Producer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records journaled and not acknowledged are recognised by whoever comes next."""
    draw = random.Random(7)
    deaths: Counter[Step] = Counter()

    def watch(reached: Step) -> None:
        if draw.random() < 0.2:
            deaths[reached] += 1
            raise Killed

    while min(deaths[each] for each in (Step.FRAMES_WRITTEN, Step.JOURNAL_SYNCED, Step.RING_ACKNOWLEDGED)) < 10:
        drain, journal = make_drain(tmp_path, Disk(0.1), namespace)
        monkeypatch.setattr(step, "watch", watch)
        with suppress(Killed):
            while True:
                for producer in producers:
                    append(producer, draw.randrange(4))
                drain.cycle()
        monkeypatch.setattr(step, "watch", None)
        drain.rings.close()
        journal.close()  # without a sync
    drain, journal = make_drain(tmp_path, Disk(0), namespace)
    drain.cycle()
    assert not any(producer.lag for producer in producers)
    assert journaled(tmp_path, journal.durable_end) == {
        producer.session: list(range(producer.head)) for producer in producers
    }
    drain.rings.close()


def test_a_slot_that_something_else_wrote_into_is_named_and_never_journaled(
    tmp_path: Path, namespace: str, producers: list[Producer]
) -> None:
    problems = Problems()
    journal = JournalAppender.open(tmp_path)
    drain = drain_of(journal, problems, namespace)
    drain.rings.discover()
    broken, *others = producers
    for producer in producers:
        append(producer, 5)
    slot = registry.ring_path(broken.name, namespace)
    with slot.open("r+b") as file:
        os.pwrite(file.fileno(), b"\xee" * 24, layout.HEADER_SIZE + 3 * TICK.record_size)
    drain.cycle()
    assert journaled(tmp_path, journal.durable_end) == {each.session: list(range(5)) for each in others}
    assert broken.lag == 5
    assert problems.counts() == {"RingCorrupt": 1}
    drain.rings.close()
