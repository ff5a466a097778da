"""How an audit accounts for one session, and how it puts what it sees together."""

import time
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ringbuf import Consumer, Producer, Schema
from ringbuf.audit.audit import Audit
from ringbuf.audit.places import JournalContent, RingContent, Stored, look_at_journal, look_at_quarantine, look_at_rings
from ringbuf.audit.reconciliation import (
    UNKNOWN,
    Account,
    Ending,
    LostRing,
    Reconciliation,
    account,
    with_ending,
)
from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.frame import HEADER_SIZE
from ringbuf.journal.reader import Damage
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.ring import name_watch
from ringbuf.ring.registry import ring_path
from ringbuf.state import checkpoint
from ringbuf.state.checkpoint import Checkpoint
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.quarantine import Quarantine
from tests.checkout import ROOT
from tests.journals import UNSYNCED, info, ticks

NONE = SeqSet()
SIGNALS = Schema.define("signals", [("captured_ns", "i8"), ("bid", "f8")])


def seqs(*bounds: tuple[int, int], session: int = 1) -> SeqSet:
    """The records of a session between these bounds."""
    return SeqSet(Range.between(session, begin, end) for begin, end in bounds)


def bounds(found: SeqSet) -> list[tuple[int, int]]:
    return [(each.first_seq, each.end) for each in found.ranges]


def accounted(
    ring_: RingContent | None,
    journal_end: int,
    journaled: SeqSet,
    kept: SeqSet,
    found: Stored,
    verified: SeqSet = NONE,
    expired: SeqSet = NONE,
    retired: SeqSet = NONE,
) -> Account:
    """A session of which nothing is known but this."""
    return account(1, UNKNOWN, ring_, journal_end, journaled, kept, found, verified, expired, retired)


SEQS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=5).map(lambda each: seqs(*each))


def ring(tail: int, head: int) -> RingContent:
    return RingContent("mm", "host", "executions", head, seqs((tail, head)), 0, 0, 0)


def stored(*ranges: tuple[int, int]) -> Stored:
    return Stored(seqs(*ranges), 0, 0)


def test_what_is_on_its_way_is_pending_and_a_record_seen_twice_counts_once() -> None:
    found = accounted(ring(80, 100), 90, seqs((40, 90)), SeqSet(), stored((0, 60)))
    assert bounds(found.stored) == [(0, 60)]
    assert bounds(found.pending) == [(60, 100)]
    assert found.recorded.count == 100
    assert found.lost.count == 0


def test_what_no_place_has_is_lost_with_its_exact_ranges() -> None:
    found = accounted(ring(80, 100), 80, seqs((70, 80)), seqs((5, 6)), stored((0, 5), (8, 60)))
    assert bounds(found.quarantined) == [(5, 6)]
    assert bounds(found.lost) == [(6, 8), (60, 70)]


def test_what_arrived_after_the_ring_was_looked_at_is_not_asked_for() -> None:
    found = accounted(ring(90, 100), 120, seqs((90, 110)), SeqSet(), stored((0, 90), (115, 120)))
    assert found.recorded.count == 100
    assert found.lost.count == 0


def test_of_a_ring_that_is_gone_the_journal_knows_how_many_records_there_were() -> None:
    found = accounted(None, 50, SeqSet(), SeqSet(), stored((0, 40)))
    assert bounds(found.lost) == [(40, 50)]


def test_of_a_session_only_the_database_knows_gaps_are_found() -> None:
    found = accounted(None, 0, SeqSet(), SeqSet(), stored((3, 10), (12, 20)))
    assert found.recorded.count == 20
    assert bounds(found.lost) == [(0, 3), (10, 12)]


def test_what_the_database_was_seen_to_have_and_has_no_more_was_removed_and_is_not_lost() -> None:
    found = accounted(None, 0, seqs((90, 95)), SeqSet(), stored((40, 60)), seqs((0, 30), (50, 95)), seqs((30, 35)))
    assert found.recorded.count == 95
    assert bounds(found.removed) == [(0, 35), (60, 90)], "those that wait in the journal come again"
    assert bounds(found.expired) == [(30, 35)]
    assert bounds(found.lost) == [(35, 40)]
    assert not Reconciliation([found], []).is_complete
    assert not Reconciliation([found], []).is_proven
    kept = accounted(None, 0, SeqSet(), SeqSet(), stored((10, 20)), seqs((0, 15)))
    assert bounds(kept.removed) == [(0, 10)]
    assert Reconciliation([kept], []).is_proven


@given(st.integers(0, 30), st.integers(0, 30), SEQS, SEQS, SEQS, SEQS, SEQS, st.booleans())
def test_each_record_is_exactly_one_of_stored_quarantined_pending_removed_and_lost(
    tail: int,
    head: int,
    journaled: SeqSet,
    kept: SeqSet,
    found: SeqSet,
    verified: SeqSet,
    expired: SeqSet,
    has_ring: bool,
) -> None:
    present = ring(min(tail, head), max(tail, head)) if has_ring else None
    result = accounted(present, journaled.end, journaled, kept, Stored(found, 0, 0), verified, expired)
    parts = (result.stored, result.quarantined, result.pending, result.removed, result.lost)
    assert sum(part.count for part in parts) == result.recorded.count
    together = SeqSet()
    for part in parts:
        together |= part
    assert together == result.recorded
    assert (result.lost & (journaled | kept | found | verified | expired)).count == 0
    assert result.removed - verified == result.expired - verified


def test_every_key_of_the_json_is_documented() -> None:
    document = (ROOT / "docs" / "TOOL.md").read_text()
    journal = JournalContent({1: replace(info(1), ended=False)}, {1: 1}, {1: 1})
    seen_once = with_ending(accounted(None, 0, SeqSet(), SeqSet(), stored((0, 1))), journal)
    printed = Audit("default", Path("data"), "ringbuf", Reconciliation([seen_once], []), 0).described()
    for each in (printed, printed["totals"], printed["sessions"][0], printed["sessions"][0]["lost_ring"]):
        assert [key for key in each if f'"{key}":' not in document] == []


def test_a_ring_holds_what_is_not_acknowledged(namespace: str) -> None:
    with Producer.open("mm", SIGNALS, capacity=4) as producer, Consumer.open("mm") as consumer:
        for _ in range(6):
            producer.append(captured_ns=1)
        consumer.poll()
        consumer.acknowledge(2)
        found = look_at_rings(namespace)
        assert found.problems == []
        seen = found.by_session[producer.session]
    assert (seen.name, seen.head, seen.dropped) == ("mm", 4, 2)
    assert bounds(seen.unread) == [(3, 4)]


def test_the_quarantine_holds_records_whose_bytes_are_kept_and_no_others(tmp_path: Path) -> None:
    quarantine = Quarantine(DataDirectory(tmp_path).quarantine)
    quarantine.add_records(SIGNALS, Range(7, 3, 2), bytes(2 * SIGNALS.record_size), "refused")
    quarantine.add_damage(Damage(64, 128, "torn"))
    assert look_at_quarantine(DataDirectory(tmp_path).quarantine) == {7: seqs((3, 5), session=7)}


def test_a_directory_without_a_journal_has_nothing_pending(tmp_path: Path) -> None:
    found = look_at_journal(DataDirectory(tmp_path))
    assert (found.pending, found.ends, found.problems) == ({}, {}, [])


def test_pending_in_the_journal_is_what_lies_above_the_checkpoint(tmp_path: Path) -> None:
    journal = JournalAppender.open(tmp_path / "journal", files=UNSYNCED)
    journal.add_session(info(7), 10)
    journal.append(7, 10, [ticks(7, 10, 5)])
    loaded = journal.sync()
    journal.append(7, 15, [ticks(7, 15, 2)])
    journal.sync()
    journal.close()
    assert bounds(look_at_journal(DataDirectory(tmp_path)).pending[7]) == [(10, 17)], "nothing is known to be loaded"
    checkpoint.save(DataDirectory(tmp_path).checkpoint, Checkpoint("somewhere", loaded))
    found = look_at_journal(DataDirectory(tmp_path))
    assert bounds(found.pending[7]) == [(15, 17)]
    assert found.ends == {7: 17}
    assert found.sessions[7].ring == "ring-7"
    assert found.problems == []


def test_of_a_session_without_records_the_journal_knows_where_it_stands(tmp_path: Path) -> None:
    journal = JournalAppender.open(tmp_path / "journal", files=UNSYNCED)
    journal.add_session(info(7), 1_000)
    journal.sync()
    journal.close()
    assert look_at_journal(DataDirectory(tmp_path)).ends == {7: 1_000}


def test_damage_in_the_journal_is_a_problem_and_what_stood_there_is_known_from_its_header(tmp_path: Path) -> None:
    journal = JournalAppender.open(tmp_path / "journal", files=UNSYNCED)
    journal.add_session(info(7), 0)
    damaged = journal.sync()
    journal.append(7, 0, [ticks(7, 0, 2)])
    journal.append(7, 2, [ticks(7, 2, 1)])
    journal.sync()
    journal.close()
    (segment,) = (tmp_path / "journal").iterdir()
    image = bytearray(segment.read_bytes())
    image[damaged + HEADER_SIZE] ^= 1
    segment.write_bytes(image)
    found = look_at_journal(DataDirectory(tmp_path))
    assert bounds(found.pending[7]) == [(2, 3)]
    assert found.ends == {7: 3}
    (problem,) = found.problems
    assert problem.startswith(f"journal damaged from {damaged} to ")


# How sessions ended


def ended(ring_: RingContent | None, journal: JournalContent) -> Account:
    return with_ending(accounted(ring_, 10, SeqSet(), SeqSet(), stored((0, 10))), journal)


def test_a_ring_that_is_gone_is_lost_unless_the_journal_says_that_it_had_ended() -> None:
    running = JournalContent({1: replace(info(1), ended=False)}, {1: 10}, {1: time.time_ns()})
    over = JournalContent({1: replace(info(1), ended=True)}, {1: 10}, {1: 1})
    assert ended(ring(10, 10), running).ending is Ending.OPEN
    assert ended(ring(10, 10), over).ending is Ending.OPEN
    assert ended(None, over).ending is Ending.ENDED
    assert ended(None, JournalContent()).ending is None, "of a session that only the database knows"
    assert ended(None, JournalContent({1: info(1)}, {1: 10}, {1: 1})).ending is None, "of release 0.1.0"
    lost = ended(None, running)
    assert (lost.ending, lost.lost.count) == (Ending.LOST, 0)
    assert lost.lost_ring == LostRing(42, 10, running.written_ns[1], rebooted=False)
    assert not Reconciliation([lost], []).is_proven
    assert Reconciliation([ended(None, over)], []).is_proven


def test_a_ring_lost_before_the_host_was_started_is_known_as_such() -> None:
    lost = ended(None, JournalContent({1: replace(info(1), ended=False)}, {1: 10}, {1: 1_600_000_000_000_000_000}))
    assert lost.lost_ring is not None and lost.lost_ring.rebooted


def test_records_after_the_end_open_a_session_again(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    journal = JournalAppender.open(directory.journal, files=UNSYNCED, segment_size=4096)
    journal.add_session(info(7), 0)
    journal.append(7, 0, [ticks(7, 0, 2)])
    journal.add_session(replace(info(7), ended=True), 2)
    journal.sync()
    assert look_at_journal(directory).sessions[7].ended
    journal.append(7, 2, [ticks(7, 2, 1)])
    journal.sync()
    assert not look_at_journal(directory).sessions[7].ended
    for seq in range(3, 300):  # into the next segments, which begin with what is known of each session
        journal.append(7, seq, [ticks(7, seq, 1)])
    journal.sync()
    journal.close()
    assert len(list(directory.journal.iterdir())) > 2
    again = JournalAppender.open(directory.journal, files=UNSYNCED)
    found = again.info(7)
    assert found is not None and not found.ended
    again.add_session(replace(info(7), ended=True), 300)
    again.sync()
    again.close()
    found = JournalAppender.open(directory.journal, files=UNSYNCED).info(7)
    assert found is not None and found.ended


def test_of_a_ring_and_its_old_file_the_new_one_counts(namespace: str) -> None:
    with Producer.open("a", SIGNALS, capacity=4) as producer:
        for renamed in ("0", "z"):  # in front of it and behind it in the order of names
            producer.append(captured_ns=1)
            ring_path("a").rename(ring_path(renamed))
            name_watch.look(producer)
            assert look_at_rings(namespace).by_session[producer.session].name == "a"
