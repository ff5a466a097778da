"""The segment that is written loses its name, or its directory: nothing counts as durable that a next start lacks."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from ringbuf.errors import JournalFull, JournalLost
from ringbuf.journal.appender import JournalAppender
from tests.journals import UNSYNCED, info, read, segments, seqs, ticks


def begun(directory: Path, check_owner: Callable[[], None] = lambda: None) -> JournalAppender:
    """A journal with two records, durable."""
    journal = JournalAppender.open(directory, files=UNSYNCED, check_owner=check_owner)
    journal.add_session(info(7), 0)
    append(journal, 2)
    journal.sync()
    return journal


def append(journal: JournalAppender, count: int) -> None:
    first = journal.next_seq(7) or 0
    journal.append(7, first, [ticks(7, first, count)])


@pytest.mark.parametrize("with_news", [False, True])
def test_a_segment_without_its_name_is_written_again_with_all_that_is_in_it(tmp_path: Path, with_news: bool) -> None:
    journal = begun(tmp_path)
    (segment,) = segments(tmp_path)
    segment.unlink()
    if with_news:
        append(journal, 3)
        assert journal.sync() == journal.durable_end
    else:
        journal.keep_name()
    assert read(tmp_path).records == seqs(0, 5 if with_news else 2)
    append(journal, 1)
    journal.sync()
    journal.close()
    assert read(tmp_path).records == seqs(0, 6 if with_news else 3)
    assert segments(tmp_path) == [segment]


def test_what_took_the_name_is_kept_beside_it_and_the_segments_before_stay(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    (segment,) = segments(tmp_path)
    segment.unlink()
    segment.write_bytes(b"something else")
    append(journal, 3)
    journal.sync()
    journal.close()
    assert read(tmp_path).records == seqs(0, 5)
    (replaced,) = tmp_path.glob("*.replaced-*")
    assert replaced.read_bytes() == b"something else"


def test_if_it_cannot_be_written_again_nothing_new_is_durable_and_the_next_append_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = begun(tmp_path)
    durable = journal.durable_end
    (segment,) = segments(tmp_path)
    segment.unlink()
    append(journal, 3)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", lambda *_: (_ for _ in ()).throw(OSError(5, "gone")))
        with pytest.raises(JournalFull, match="cannot be put back"):
            journal.sync()
    assert (journal.durable_end, journal.durable_seq(7), journal.next_seq(7)) == (durable, 2, 2)
    append(journal, 3)
    journal.sync()
    journal.close()
    assert read(tmp_path).records == seqs(2, 5), "what was durable before went with the file"


def test_on_a_directory_that_is_somebody_elses_nothing_becomes_durable(tmp_path: Path) -> None:
    is_ours = True

    def check_owner() -> None:
        if not is_ours:
            raise JournalLost("no longer ours")

    journal = begun(tmp_path, check_owner)
    durable = journal.durable_end
    is_ours = False
    append(journal, 3)
    with pytest.raises(JournalLost):
        journal.sync()
    assert (journal.durable_end, journal.durable_seq(7)) == (durable, 2)
    journal.close()


def test_what_somebody_else_writes_into_the_segment_is_noticed_before_anything_covers_it(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    (segment,) = segments(tmp_path)
    other = JournalAppender.open(tmp_path, files=UNSYNCED)  # as a second writer would
    append(other, 1)
    found = segment.read_bytes()
    for write in (partial(append, journal, 1), partial(journal.add_session, replace(info(7), pid=8), 2)):
        with pytest.raises(JournalLost, match="somebody else writes into segment 0"):
            write()
    assert segment.read_bytes() == found
    journal.close()
    other.close()


def test_what_somebody_else_writes_behind_a_frame_is_noticed_before_the_frame_counts(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    append(journal, 1)
    (segment,) = segments(tmp_path)
    with segment.open("ab") as file:
        file.write(b"something else")
    with pytest.raises(JournalLost, match="somebody else writes into segment 0"):
        journal.sync()
    assert journal.durable_seq(7) == 2
    journal.close()
