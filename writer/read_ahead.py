"""Reading ahead: while one batch is on its way to the database, the next one is read from the journal.

What a batch holds follows from the journal alone, and nothing of it is sent before it is asked for, so reading ahead
changes nothing but when the reading is done.
"""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial

from ringbuf.journal import JournalReader

from .batch import Batch, collect


class ReadAhead:
    """Reads batches, one of them ahead. For one thread; what reads ahead is a thread of its own.

    Args:
        reader: nobody else may read frames through it between `begin` and the next `take` or `forget`.
        max_bytes: size of a batch.
    """

    def __init__(self, reader: JournalReader, max_bytes: int) -> None:
        self._collect = partial(collect, reader, max_bytes=max_bytes)
        self._threads = ThreadPoolExecutor(1, "read-ahead")
        self._begun: tuple[int, Future[Batch]] | None = None

    def begin(self, offset: int, end: int) -> None:
        """Begin to read the batch at a journal offset; the journal is durable up to `end`."""
        self._begun = offset, self._threads.submit(self._collect, offset, end)

    def take(self, offset: int, end: int) -> Batch:
        """The batch at a journal offset.

        Raises:
            JournalError: the journal cannot be read.
        """
        if self._begun is not None and self._begun[0] == offset:
            _, batch = self._begun
            self._begun = None
            return batch.result()
        self.forget()
        return self._collect(offset, end)

    def forget(self) -> None:
        """Give up what was read ahead; the reader is free on return."""
        if self._begun is not None:
            wait([self._begun[1]])
            self._begun = None
