"""The batches of a journal, one after the other; if there is plenty, the next is read while one is sent."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from functools import partial
from itertools import cycle
from typing import Final

from ringbuf.journal.reader import Buffer, Damage, JournalReader
from ringbuf.state.checkpoint import Checkpoint
from ringbuf.writer.load.batch import MAX_BYTES, Batch, Selection, collect
from ringbuf.writer.worker import Worker

PLENTY_BYTES: Final = MAX_BYTES // 4
"""Bytes of the journal for which a batch is made at once, and ahead of time."""
DAMAGE_SECONDS: Final = 2.0


class DamageWatch:
    """Waits for damage to go away: a segment that lost its name is put back by the drain."""

    def __init__(self) -> None:
        self._seen: list[tuple[int, int]] = []
        self._until = 0.0

    def is_lasting(self, damages: Sequence[Damage]) -> bool:
        """Whether damage is still there after a while; there may be none."""
        found = [(each.offset, each.end) for each in damages]
        if found != self._seen:
            self._seen, self._until = found, time.monotonic() + DAMAGE_SECONDS
        return not found or time.monotonic() >= self._until


class Batches:
    """Reads batches into the same two buffers again and again. For one thread.

    Args:
        durable_end: tells the journal offset up to which it can be read.
        is_ending: whether there is no time to wait for damage to go away.
    """

    def __init__(self, reader: JournalReader, durable_end: Callable[[], int], is_ending: Callable[[], bool]) -> None:
        self._reader = reader
        self._durable_end = durable_end
        self._is_ending = is_ending
        self._watch = DamageWatch()
        self._buffers = cycle([Buffer(MAX_BYTES), Buffer(MAX_BYTES)])
        self._worker = Worker("reader")
        self._ahead: Future[Batch] | None = None
        self._nothing_in = (0, 0)

    def reset(self) -> None:
        """Forget what was read ahead."""
        if self._ahead is not None:
            wait([self._ahead])  # it uses the reader
            self._ahead = None

    def between(self, begin: int, end: int, selection: Selection) -> Batch:
        """The batch of a journal range; shorter if the journal was damaged meanwhile."""
        return collect(self._reader, begin, end, next(self._buffers), selection)

    def next(self, begin: int, checkpoint: Checkpoint) -> Batch | None:
        """The batch that begins at a journal offset, valid until the one after the next; None if there is none yet."""
        ahead, self._ahead = self._ahead, None
        selection = selection_of(checkpoint)
        if ahead is not None and (batch := ahead.result()).begin == begin and batch.selection == selection:
            return self._if_lasting(batch)
        end = self._durable_end()
        if begin >= end or (begin, end) == self._nothing_in:
            return None
        batch = collect(self._reader, begin, end, next(self._buffers), selection, _counted(checkpoint))
        if batch.end > begin:
            return self._if_lasting(batch)
        self._nothing_in = begin, end
        return None

    def _if_lasting(self, batch: Batch) -> Batch | None:
        return batch if self._watch.is_lasting(batch.damages) or self._is_ending() else None

    def has_plenty(self, begin: int) -> bool:
        """Whether so much of the journal is to be sent that it need not gather first."""
        return self._durable_end() - begin >= PLENTY_BYTES

    def read_ahead(self, begin: int, checkpoint: Checkpoint) -> None:
        """Begin to read the batch behind the one that is being sent, if there is plenty."""
        if self.has_plenty(begin):
            selection, counted = selection_of(checkpoint), _counted(checkpoint)
            read = partial(collect, self._reader, begin, self._durable_end(), next(self._buffers), selection, counted)
            self._ahead = self._worker.submit(read)


def selection_of(checkpoint: Checkpoint) -> Selection:
    """All schemas but those that have a place of their own."""
    return Selection(without={name: each.until for name, each in checkpoint.stragglers.items()})


def _counted(checkpoint: Checkpoint) -> Mapping[str, int]:
    return {name: max(each.counted, each.offset) for name, each in checkpoint.behind.items()}
