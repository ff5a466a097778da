"""One ring the drain is attached to, and the check that its records are the ring's own."""

from typing import Final

import numpy as np

from ringbuf.errors import RingCorrupt
from ringbuf.record.schema import Records
from ringbuf.ring import layout
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.segment import FileId

FEW: Final = 32
"""Up to so many records Python checks faster than numpy."""
COUNTERS: Final = {
    "dropped": layout.DROPPED,
    "rejected": layout.REJECTED,
    "flagged": layout.FLAGGED,
    "recreated": layout.RECREATED,
}
"""What a producer counts in its ring, and where."""


class AttachedRing:
    """A ring the drain is attached to.

    Attributes:
        file: its file.
        session: its session.
        record_size: bytes of one of its records.
        half: half of its capacity, in records.
        journal_end: journal offset below which all its acknowledged records are.
    """

    __slots__ = ("consumer", "file", "half", "journal_end", "record_size", "session")

    def __init__(self, file: FileId, consumer: Consumer, journal_end: int) -> None:
        self.file = file
        self.consumer = consumer
        self.session = consumer.header.session
        self.record_size = consumer.header.schema.record_size
        self.half = consumer.header.capacity // 2
        self.journal_end = journal_end

    def counters(self) -> dict[str, int]:
        """What its producer counts, and its lag: records that are not acknowledged yet."""
        cursors = self.consumer.cursors
        return {"lag": self.consumer.lag, **{name: cursors[offset // 8] for name, offset in COUNTERS.items()}}


def check_identity(consumer: Consumer, views: tuple[Records, ...], first_seq: int) -> None:
    """Make sure that the slots hold the records they should.

    Raises:
        RingCorrupt: something else wrote into the ring's memory.
    """
    for view in views:
        wrong = _wrong(view, consumer.header.session, first_seq)
        if wrong is not None:
            slot = view[wrong]
            raise RingCorrupt(
                f"ring {consumer.name!r}: record {first_seq + wrong} says it is record {int(slot['seq'])} of "
                f"session {int(slot['session']):016x}",
                "something overwrote the ring's memory; keep a copy of the file, then see `ringbuf rm --force`",
            )
        first_seq += len(view)


def _wrong(view: Records, session: int, first_seq: int) -> int | None:
    """Place of the first record with another session or seq than it should have, None if there is none."""
    end = first_seq + len(view)
    sessions, seqs = view["session"], view["seq"]
    if len(view) <= FEW and seqs.tolist() == [*range(first_seq, end)] and sessions.tolist() == [session] * len(view):
        return None
    wrong = (seqs != np.arange(first_seq, end, dtype=np.uint64)) | (sessions != session)
    return int(wrong.argmax()) if wrong.any() else None
