"""A whole journal as batches."""

from collections.abc import Mapping
from pathlib import Path

from ringbuf.journal.reader import Buffer, JournalReader
from ringbuf.writer.load.batch import EVERYTHING, Batch, Selection, collect
from tests.journals import reopen, ticks


def collected(
    directory: Path, buffer: Buffer, selection: Selection = EVERYTHING, counted: Mapping[str, int] | None = None
) -> list[Batch]:
    """All of a journal as batches; their bytes are looked at before the buffer is used again."""
    journal = reopen(directory)
    reader = JournalReader(directory)
    begin = reader.segments()[0].base
    found: list[Batch] = []
    while begin < journal.durable_end:
        each = collect(reader, begin, journal.durable_end, buffer, selection, counted or {})
        assert each.begin == begin < each.end
        for insert in each.inserts:
            for piece in insert.pieces:
                whole = piece.range
                assert bytes(piece.payload) == ticks(whole.session, whole.first_seq, whole.count).tobytes()
        found.append(each)
        begin = each.end
    journal.close()
    return found
