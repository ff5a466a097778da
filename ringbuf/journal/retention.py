"""How long segments stay whose records are in the database."""

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from ringbuf.errors import JournalError
from ringbuf.journal.reader import JournalReader
from ringbuf.journal.step import Step, reached


def retain(
    directory: Path,
    checkpoint: int,
    *,
    max_bytes: int | None,
    max_age_ns: int | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> int:
    """Remove old segments of a journal, oldest first; never the last, nor one that reaches beyond the checkpoint.

    Args:
        checkpoint: journal offset below which every sink has everything.
        max_bytes: segments are removed as long as all together have more bytes than this.
        max_age_ns: a segment last written longer ago than this is removed.
        clock: gives the time in ns since the epoch.

    Returns:
        How many segments were removed.

    Raises:
        JournalError: the directory cannot be read, or a segment not removed.
    """
    segments = JournalReader(directory).segments()
    total = sum(segment.size for segment in segments)
    removed = 0
    try:
        for segment, following in pairwise(segments):
            is_old = max_age_ns is not None and segment.path.stat().st_mtime_ns < clock() - max_age_ns
            is_large = max_bytes is not None and total > max_bytes
            if following.base > checkpoint or not (is_old or is_large):
                break
            segment.path.unlink()
            reached(Step.SEGMENT_REMOVED)
            total -= segment.size
            removed += 1
    except OSError as error:
        raise JournalError(f"segments of journal {directory} cannot be removed: {error}") from error
    return removed
