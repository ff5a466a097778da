"""How the drain goes from the old file of a ring to the one that took its place: nothing twice, nothing left out."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.reader import Frame, JournalReader
from ringbuf.ring import layout, name_watch, registry
from ringbuf.ring.producer import Producer
from ringbuf.ring.registry import ring_names, ring_path
from ringbuf.writer.drain import attached_rings
from ringbuf.writer.drain.drain import Drain
from ringbuf.writer.problems import Problems
from tests.drains import append, drain_of, journaled
from tests.journals import TICK, UNSYNCED

CAPACITY = 16


@pytest.fixture(autouse=True)
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the tests look after the names, and what is missing is missed at once."""
    monkeypatch.setattr(name_watch, "watch", lambda _: None)
    monkeypatch.setattr(attached_rings, "LOST_SECONDS", -1.0)


@pytest.fixture
def problems() -> Problems:
    return Problems()


@pytest.fixture
def drain(tmp_path: Path, namespace: str, problems: Problems) -> Iterator[Drain]:
    made = drain_of(JournalAppender.open(tmp_path, files=UNSYNCED), problems, namespace)
    yield made
    made.rings.close()


@pytest.fixture
def producer() -> Iterator[Producer]:
    with Producer.open("ticks", TICK, capacity=CAPACITY) as producer:
        yield producer


def kill(producer: Producer) -> None:
    """Its process is no more."""
    assert producer._segment is not None
    producer._segment.close()


def ended(directory: Path) -> dict[int, bool | None]:
    """What the journal says last of each session."""
    reader = JournalReader(directory)
    assert all(isinstance(item, Frame) for item in reader.frames())
    return {session: info.ended for session, info in reader.sessions.items()}


@pytest.mark.parametrize("journaled_before", [0, 2, 5])
@pytest.mark.parametrize("read_meanwhile", [False, True])
def test_the_journal_gets_each_record_once_whichever_file_it_is_read_from(
    journaled_before: int, read_meanwhile: bool, drain: Drain, producer: Producer, problems: Problems, tmp_path: Path
) -> None:
    append(producer, journaled_before)
    drain.rings.discover()
    drain.cycle()
    append(producer, 5 - journaled_before)
    ring_path("ticks").unlink()
    drain.rings.discover()
    assert producer.ensure_named()
    if read_meanwhile:
        drain.cycle()
    append(producer, 3)
    for _ in range(3):
        drain.rings.discover()
        drain.cycle()
    assert journaled(tmp_path) == {producer.session: list(range(8))}
    assert (producer.lag, len(drain.rings.listed), problems.counts()) == (0, 1, {})


def test_a_ring_made_anew_before_its_records_were_acknowledged_is_only_acknowledged(
    drain: Drain, producer: Producer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(producer, 4)
    drain.rings.discover()
    with monkeypatch.context() as patch:
        patch.setattr(Drain, "_acknowledge", lambda *_: 0)
        drain.cycle()
    assert producer.lag == 4
    ring_path("ticks").unlink()
    assert producer.ensure_named()
    drain.rings.discover()
    assert producer.lag == 0
    assert journaled(tmp_path) == {producer.session: list(range(4))}


def test_a_renamed_file_beside_the_new_one_is_read_by_nobody_and_costs_nobody(
    drain: Drain, producer: Producer, problems: Problems, tmp_path: Path
) -> None:
    append(producer, 4)
    ring_path("ticks").rename(ring_path("renamed"))
    assert producer.ensure_named()
    for _ in range(3):
        append(producer, 2)
        drain.rings.discover()
        drain.cycle()
    assert (producer.lag, problems.counts()) == (0, {})
    assert journaled(tmp_path) == {producer.session: list(range(10))}
    registry.remove("renamed")  # nothing of it is unread


def test_a_live_ring_whose_name_was_taken_is_drained_until_its_producer_ends_and_then_removed(
    drain: Drain, producer: Producer, problems: Problems, tmp_path: Path
) -> None:
    append(producer, 2)
    ring_path("ticks").unlink()
    with Producer.open("ticks", TICK, capacity=CAPACITY) as other:
        assert producer.ensure_named()
        append(other, 1)
        for _ in range(2):
            append(producer, 2)
            drain.rings.discover()
            drain.cycle()
        assert len(ring_names()) == 2
        producer.close()
        drain.rings.discover()
        assert ring_names() == ["ticks"]
        assert journaled(tmp_path) == {producer.session: list(range(6)), other.session: [0]}
    assert problems.counts() == {}


# How a session ends


def test_a_ring_that_is_closed_and_read_has_ended_until_another_process_goes_on_with_it(
    drain: Drain, tmp_path: Path
) -> None:
    with Producer.open("ticks", TICK, capacity=CAPACITY) as producer:
        append(producer, 2)
        drain.rings.discover()
        drain.cycle()
        drain.rings.look_after()
        assert ended(tmp_path) == {producer.session: False}
        append(producer, 1)
    drain.rings.look_after()
    assert ended(tmp_path) == {producer.session: False}, "a record is not journaled yet"
    drain.cycle()
    for _ in range(3):
        drain.rings.look_after()
    assert ended(tmp_path) == {producer.session: True}
    with Producer.open("ticks", TICK) as producer:
        append(producer, 1)
        drain.cycle()
        assert ended(tmp_path) == {producer.session: False}


@pytest.mark.parametrize("restarted", [False, True])
def test_a_ring_removed_after_its_end_is_forgotten(
    restarted: bool, drain: Drain, problems: Problems, tmp_path: Path, namespace: str
) -> None:
    with Producer.open("ticks", TICK, capacity=CAPACITY) as producer:
        append(producer, 2)
    drain.rings.discover()
    drain.cycle()
    drain.rings.look_after()
    if restarted:
        drain.rings.close()
        registry.remove("ticks")
        drain = drain_of(JournalAppender.open(tmp_path, files=UNSYNCED), problems, namespace)
    else:
        registry.remove("ticks")
    drain.rings.discover()
    assert (drain.rings.listed, drain.rings.lost, problems.counts()) == ((), set(), {})
    assert ended(tmp_path) == {producer.session: True}


def test_a_ring_that_loses_its_name_while_it_is_drained_ends_with_its_process(
    drain: Drain, producer: Producer, problems: Problems, tmp_path: Path
) -> None:
    append(producer, 2)
    drain.rings.discover()
    ring_path("ticks").unlink()
    append(producer, 2)
    kill(producer)  # before it could look
    for _ in range(2):
        drain.cycle()
        drain.rings.discover()
    assert (drain.rings.listed, drain.rings.lost, problems.counts()) == ((), set(), {})
    assert journaled(tmp_path) == {producer.session: list(range(4))}
    assert ended(tmp_path) == {producer.session: True}


def test_of_a_ring_that_went_while_no_writer_looked_it_is_said_that_records_may_be_lost(
    drain: Drain, producer: Producer, problems: Problems, tmp_path: Path, namespace: str
) -> None:
    append(producer, 2)
    drain.rings.discover()
    drain.cycle()
    drain.rings.close()
    append(producer, 2)
    ring_path("ticks").unlink()
    for _ in range(3):
        drain = drain_of(JournalAppender.open(tmp_path, files=UNSYNCED), problems, namespace)
        for _ in range(3):
            drain.rings.discover()
        assert drain.rings.lost == {producer.session}
        drain.rings.close()
    assert problems.counts() == {"RingLost": 3}, "once for each writer"
    assert ended(tmp_path) == {producer.session: False}


def test_a_ring_that_comes_back_is_lost_no_longer(
    drain: Drain, producer: Producer, problems: Problems, tmp_path: Path, namespace: str
) -> None:
    append(producer, 2)
    drain.rings.discover()
    drain.rings.close()
    ring_path("ticks").unlink()
    drain = drain_of(JournalAppender.open(tmp_path, files=UNSYNCED), problems, namespace)
    drain.rings.discover()
    assert drain.rings.lost == {producer.session}
    assert producer.ensure_named()
    drain.rings.discover()
    assert (drain.rings.lost, drain.cycle()) == (set(), 2)
    drain.rings.close()


def test_a_producer_that_died_while_its_ring_was_made_anew_left_nothing_unread(
    drain: Drain, producer: Producer, problems: Problems, tmp_path: Path
) -> None:
    append(producer, 2)
    drain.rings.discover()
    ring_path("ticks").unlink()
    producer.cursors[layout.MOVED_NS // 8] = 1
    kill(producer)
    assert drain.cycle() == 2
    for _ in range(3):
        drain.rings.discover()
    assert (drain.rings.listed, drain.rings.lost, problems.counts()) == ((), set(), {})
    assert ended(tmp_path) == {producer.session: True}


def test_sessions_of_another_namespace_are_not_missed(
    drain: Drain, producer: Producer, problems: Problems, tmp_path: Path
) -> None:
    append(producer, 2)
    drain.rings.discover()
    drain.cycle()
    drain.rings.close()
    elsewhere = drain_of(JournalAppender.open(tmp_path, files=UNSYNCED), problems, f"other-{os.getpid()}")
    for _ in range(2):
        elsewhere.rings.discover()
    assert (elsewhere.rings.lost, problems.counts()) == (set(), {})
    elsewhere.rings.close()
