"""The segment files of the writer's journal: which there are, and which are no longer needed."""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from ringbuf.errors import JournalFull
from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.reader import MAX_PAYLOAD, JournalReader, SegmentFile
from ringbuf.journal.retention import retain
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.verified import Passage, Verified, VerifiedFile, pass_through
from ringbuf.writer.drain.disk_space import RESERVED_BYTES, free_bytes

LOGGER: Final = logging.getLogger("ringbuf.writer")
RETAIN_SECONDS: Final = 10.0


class JournalSegments:
    """For the monitor's thread alone, but for `present`.

    Args:
        loaded: journal offset below which the database has everything.
        segment_bytes: size at which the journal begins a new segment.
        retain_bytes: size of the journal above which loaded segments are deleted.
        verified: is told which records they had.
    """

    def __init__(
        self,
        directory: DataDirectory,
        journal: JournalAppender,
        loaded: Callable[[], int],
        segment_bytes: int,
        retain_bytes: int,
        verified: VerifiedFile,
    ) -> None:
        self._directory = directory
        self._verified = verified
        self._unnoted: list[Passage] = []
        self._journal = journal
        self._reader = JournalReader(journal.directory)
        self._loaded = loaded
        self._segment_bytes = segment_bytes
        self._retain_bytes = retain_bytes
        self._retain_at = 0.0
        self._removed = 0
        self._known: tuple[tuple[int, int] | None, list[SegmentFile]] = None, []

    def present(self) -> list[SegmentFile]:
        """The files, as they were when the journal grew last or lost one."""
        state = self._journal.durable_end, self._removed
        known, segments = self._known
        if state != known:
            segments = self._reader.segments()
            self._known = state, segments
        return segments

    def retain(self) -> None:
        """Remove loaded segments: now and then what is too much, at once all if the drain is about to lack space.

        Raises:
            JournalError: they cannot be removed.
            OSError: the disk does not say how much it has left.
        """
        free = free_bytes(self._journal.directory)
        is_short = free < RESERVED_BYTES + MAX_PAYLOAD + self._segment_bytes
        if not is_short and time.monotonic() < self._retain_at:
            return
        max_bytes = 0 if is_short else self._retain_bytes
        note = partial(self._note, is_short)
        removed = retain(self._journal.directory, self._loaded(), max_bytes=max_bytes, note=note)
        self._write_unnoted()
        self._retain_at = time.monotonic() + RETAIN_SECONDS
        self._removed += removed
        if removed:
            LOGGER.info("journal: %d loaded segments removed", removed)

    def _note(self, is_short: bool, begin: int, end: int) -> None:
        """Keep what segments that are about to be removed say of the database.

        If the disk has no room even for that, they go first: they make room, and the rings must not run full.
        """
        self._unnoted.append(pass_through(self._directory, begin, end))
        try:
            self._write_unnoted()
        except JournalFull:
            if not is_short:
                raise

    def _write_unnoted(self) -> None:
        while self._unnoted:
            self._verified.change(partial(Verified.with_journaled, passage=self._unnoted[0]))
            del self._unnoted[0]
