"""How long segments stay whose records are in the database."""

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from ringbuf.errors import JournalError
from ringbuf.journal.reader import JournalReader, SegmentFile
from ringbuf.journal.step import Step, reached


def retain(
    directory: Path,
    checkpoint: int,
    *,
    max_bytes: int | None,
    max_age_ns: int | None = None,
    clock: Callable[[], int] = time.time_ns,
    note: Callable[[int, int], None] = lambda begin, end: None,
) -> int:
    """Remove old segments of a journal, oldest first; never the last, nor one that reaches beyond the checkpoint.

    Args:
        checkpoint: journal offset below which every sink has everything.
        max_bytes: segments are removed as long as all together have more bytes than this.
        max_age_ns: a segment last written longer ago than this is removed.
        clock: gives the time in ns since the epoch.
        note: told the journal range that is about to be removed; what it raises prevents that.

    Returns:
        How many segments were removed.

    Raises:
        JournalError: the directory cannot be read, or a segment not removed.
    """
    segments = JournalReader(directory).segments()
    written_before = None if max_age_ns is None else clock() - max_age_ns
    try:
        count = _removable(segments, checkpoint, max_bytes, written_before)
        if count:
            note(segments[0].base, segments[count].base)
        for segment in segments[:count]:
            segment.path.unlink()
            reached(Step.SEGMENT_REMOVED)
    except OSError as error:
        raise JournalError(f"segments of journal {directory} cannot be removed: {error}") from error
    return count


def _removable(
    segments: Sequence[SegmentFile], checkpoint: int, max_bytes: int | None, written_before: int | None
) -> int:
    """How many segments may go, from the oldest on."""
    total = sum(segment.size for segment in segments)
    count = 0
    for segment, following in pairwise(segments):
        is_old = written_before is not None and segment.path.stat().st_mtime_ns < written_before
        is_large = max_bytes is not None and total > max_bytes
        if following.base > checkpoint or not (is_old or is_large):
            break
        total -= segment.size
        count += 1
    return count
