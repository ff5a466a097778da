"""A drain as the writer puts it together."""

from ringbuf.journal.appender import JournalAppender
from ringbuf.writer.drain.attached_rings import AttachedRings
from ringbuf.writer.drain.drain import Drain
from ringbuf.writer.problems import Problems


def drain_of(journal: JournalAppender, problems: Problems, namespace: str) -> Drain:
    """The drain of a namespace's rings into a journal."""
    return Drain(AttachedRings(journal, problems, namespace), journal, problems)
