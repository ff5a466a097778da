"""Rings of ended processes are removed when all they held is in the database, and never before."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringbuf.errors import RingInUse
from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.reader import RECORDS, Frame, JournalReader
from ringbuf.ring import attachment, layout
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.producer import Producer
from ringbuf.ring.registry import ring_names, ring_path
from ringbuf.writer.drain.dead_rings import DeadRings
from ringbuf.writer.drain.drain import Drain
from ringbuf.writer.problems import Problems
from tests.drains import append, drain_of
from tests.journals import TICK, UNSYNCED

CAPACITY = 16
HOUR = 3600.0


@pytest.fixture
def journal(tmp_path: Path) -> JournalAppender:
    return JournalAppender.open(tmp_path, files=UNSYNCED)


@pytest.fixture
def drain(journal: JournalAppender, namespace: str) -> Iterator[Drain]:
    made = drain_of(journal, Problems(), namespace)
    yield made
    made.rings.close()


def leave_behind(name: str, count: int = 2) -> None:
    with Producer.open(name, TICK, capacity=CAPACITY) as producer:
        append(producer, count)


def drained(drain: Drain) -> None:
    """Everything a writer does within a second or two."""
    for _ in range(2):
        drain.rings.discover()
        drain.cycle()
        drain.rings.look_after()


def age(drain: Drain, seconds: float) -> None:
    """Let all rings without a producer have been so for so long."""
    for ring in drain.rings.listed:
        if not ring.consumer.abandoned_ns:
            continue
        for cursor in (layout.ABANDONED_NS, layout.ATTACHED_NS):
            ring.consumer.cursors[cursor // 8] -= int(seconds * 1e9)


def test_a_ring_goes_when_it_is_old_and_the_database_has_all_of_it(drain: Drain, journal: JournalAppender) -> None:
    leave_behind("dead")
    drained(drain)
    verified = 0
    dead = DeadRings(drain.rings, Problems(), lambda: verified, HOUR)
    dead.remove()
    age(drain, HOUR - 60)
    verified = journal.durable_end
    dead.remove()
    assert ring_names() == ["dead"], "its time has not come"
    age(drain, 120)
    verified = drain.rings.listed[0].journal_end - 1
    dead.remove()
    assert (ring_names(), dead.removed) == (["dead"], 0), "the database has not all of it"
    verified += 1
    dead.remove()
    assert (ring_names(), dead.removed, drain.rings.listed, drain.rings.lost) == ([], 1, (), set())
    drained(drain)
    assert drain.rings.lost == set()


@pytest.mark.parametrize("seconds", [None, HOUR])
def test_what_is_held_or_unread_or_to_stay_for_ever_stays(
    seconds: float | None, drain: Drain, journal: JournalAppender
) -> None:
    leave_behind("unread", 0)
    leave_behind("dead")
    with Producer.open("living", TICK, capacity=CAPACITY) as living:
        append(living, 1)
        drained(drain)
        age(drain, 2 * HOUR)
        with Producer.open("unread", TICK) as producer:
            append(producer, 1)
        DeadRings(drain.rings, Problems(), lambda: journal.durable_end, seconds).remove()
        assert ring_names() == (["dead", "living", "unread"] if seconds is None else ["living", "unread"])


def test_a_process_that_came_and_went_begins_the_time_anew(drain: Drain, journal: JournalAppender) -> None:
    leave_behind("dead")
    drained(drain)
    age(drain, 2 * HOUR)
    leave_behind("dead", 0)
    dead = DeadRings(drain.rings, Problems(), lambda: journal.durable_end, HOUR)
    dead.remove()
    assert ring_names() == ["dead"]
    drained(drain)
    dead.remove()
    assert ring_names() == ["dead"]
    age(drain, 2 * HOUR)
    dead.remove()
    assert ring_names() == []


def test_the_time_goes_on_when_the_writer_is_another_one(
    drain: Drain, journal: JournalAppender, tmp_path: Path, namespace: str
) -> None:
    leave_behind("dead")
    drained(drain)
    age(drain, 2 * HOUR)
    drain.rings.close()
    journal.close()
    journal = JournalAppender.open(tmp_path, files=UNSYNCED)
    drain = drain_of(journal, Problems(), namespace)
    drained(drain)
    end = journal.durable_end
    DeadRings(drain.rings, Problems(), lambda: end - 1, HOUR).remove()
    assert ring_names() == ["dead"], "what the writer before had journaled may not be stored"
    DeadRings(drain.rings, Problems(), lambda: end, HOUR).remove()
    assert ring_names() == []
    drain.rings.close()


def test_a_clock_that_is_put_back_keeps_a_ring_longer(drain: Drain, journal: JournalAppender) -> None:
    leave_behind("dead")
    drained(drain)
    age(drain, -10 * HOUR)
    DeadRings(drain.rings, Problems(), lambda: journal.durable_end, HOUR).remove()
    assert ring_names() == ["dead"]


def test_a_ring_whose_name_leads_elsewhere_is_left_alone(drain: Drain, journal: JournalAppender) -> None:
    leave_behind("dead")
    drained(drain)
    age(drain, 2 * HOUR)
    ring_path("dead").rename(ring_path("away"))
    ring_path("dead").touch()
    DeadRings(drain.rings, Problems(), lambda: journal.durable_end, HOUR).remove()
    assert ring_names() == ["away", "dead"]
    with Producer.open("away", TICK) as producer:
        assert producer.append(value=1) == 2


def test_who_opens_a_ring_at_the_moment_it_is_removed_has_it_or_a_new_one(
    drain: Drain, journal: JournalAppender
) -> None:
    """And is never refused: the writer is no producer."""
    stop = threading.Event()
    seqs: list[tuple[int, int]] = []
    refused = 0

    def open_and_append() -> None:
        nonlocal refused
        while not stop.is_set():
            try:
                with Producer.open("mm", TICK, capacity=CAPACITY) as producer:
                    if (seq := producer.append(value=producer.head)) >= 0:
                        seqs.append((producer.session, seq))
            except RingInUse:
                refused += 1

    dead = DeadRings(drain.rings, Problems(), lambda: journal.durable_end, 0.0)
    opening = threading.Thread(target=open_and_append)
    opening.start()
    end = time.monotonic() + 20
    while dead.removed < 30:
        assert time.monotonic() < end
        drain.rings.discover()
        drain.cycle()
        drain.rings.look_after()
        dead.remove()
    stop.set()
    opening.join()
    drained(drain)
    journal.sync()
    assert refused == 0
    assert set(journaled_seqs(journal)) == set(seqs)
    assert len({session for session, _ in seqs}) >= 30


def journaled_seqs(journal: JournalAppender) -> Iterator[tuple[int, int]]:
    for item in JournalReader(journal.directory).frames():
        assert isinstance(item, Frame)
        if item.kind == RECORDS:
            yield from ((item.session, seq) for seq in item.records(TICK)["seq"].tolist())


def test_a_remover_that_holds_the_lock_for_a_moment_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachment, "LOCK_SECONDS", 5.0)  # however late the other thread is on a busy machine
    leave_behind("mm")
    with Consumer.open("mm") as consumer:
        assert consumer.segment.lock(layout.PRODUCER_LOCK)
        remover = threading.Timer(0.01, consumer.segment.unlock, [layout.PRODUCER_LOCK])
        remover.start()
        with Producer.open("mm", TICK) as producer:
            assert producer.head == 2
        remover.join()
