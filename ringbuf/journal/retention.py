"""How long segments stay whose records are in the database."""

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
    max_bytes: int,
    note: Callable[[int, int], None] = lambda begin, end: None,
) -> int:
    """Remove old segments of a journal, oldest first; never the last, nor one that reaches beyond the checkpoint.

    Args:
        checkpoint: journal offset below which every sink has everything.
        max_bytes: segments are removed as long as all together have more bytes than this.
        note: told the journal range that is about to be removed; what it raises prevents that.

    Returns:
        How many segments were removed.

    Raises:
        JournalError: the directory cannot be read, or a segment not removed.
    """
    segments = JournalReader(directory).segments()
    try:
        count = _removable(segments, checkpoint, max_bytes)
        if count:
            note(segments[0].base, segments[count].base)
        for segment in segments[:count]:
            segment.path.unlink()
            reached(Step.SEGMENT_REMOVED)
    except OSError as error:
        raise JournalError(f"segments of journal {directory} cannot be removed: {error}") from error
    return count


def _removable(segments: Sequence[SegmentFile], checkpoint: int, max_bytes: int) -> int:
    """How many segments may go, from the oldest on."""
    total = sum(segment.size for segment in segments)
    count = 0
    for segment, following in pairwise(segments):
        if following.base > checkpoint or total <= max_bytes:
            break
        total -= segment.size
        count += 1
    return count
