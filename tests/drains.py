"""A drain as the writer puts it together, what it is given and what comes of it."""

from pathlib import Path

from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.frame import RECORDS
from ringbuf.journal.reader import Frame, JournalReader
from ringbuf.ring.producer import Producer
from ringbuf.writer.drain.attached_rings import AttachedRings
from ringbuf.writer.drain.drain import Drain
from ringbuf.writer.problems import Problems
from tests.journals import TICK


def drain_of(journal: JournalAppender, problems: Problems, namespace: str) -> Drain:
    """The drain of a namespace's rings into a journal."""
    return Drain(AttachedRings(journal, problems, namespace), journal, problems)


def append(producer: Producer, count: int = 1) -> None:
    """Append ticks; the value of each is its seq."""
    for _ in range(count):
        assert producer.append(value=producer.head) >= 0


def journaled(directory: Path) -> dict[int, list[int]]:
    """Seqs of ticks by session, in the order of the journal."""
    found: dict[int, list[int]] = {}
    for item in JournalReader(directory).frames():
        assert isinstance(item, Frame)
        if item.kind == RECORDS:
            found.setdefault(item.session, []).extend(item.records(TICK)["seq"].tolist())
    return found
