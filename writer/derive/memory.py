"""What a deriver remembers of what it has read from the database, or written there: it need not ask for that again.

Rows of orders it asks for each time. Ours replaces that of another writer, and if the two were merged before we look
for it (`Closure.has_grown`), nobody would notice what only the other one knew. Whatever else somebody writes meanwhile
does not go away, so that is noticed there, and then all is forgotten.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from ringbuf.record.execution import EXECUTION
from ringbuf.record.rows import rows as as_json
from ringbuf.record.seqs import SeqSet
from ringbuf.sinks.clickhouse import unique_rows
from ringbuf.sinks.clickhouse.keys import FillKey, NamedId, RecordId
from ringbuf.sinks.clickhouse.unique_rows import Known, KnownId, UniqueRows

REMEMBERED: Final = 10_000
"""Of so many records, ids and fills, each."""
_NUMBERS: Final = [name for name in EXECUTION.names if EXECUTION.dtype[name].kind == "f"]

Row = Mapping[str, Any]
"""A record, or what is derived from records, by the names of its columns."""


class Memory:
    """For one thread.

    Attributes:
        records: by (session, seq). A record never changes.
    """

    def __init__(self, rows: UniqueRows) -> None:
        self.records: dict[RecordId, Row] = {}
        self._rows = rows
        self._ids: dict[NamedId, set[KnownId]] = {}
        self._contents: dict[FillKey, int | None] = {}

    def known(self, keys: set[NamedId], ids: set[NamedId]) -> Known:
        """See `UniqueRows.known`; only for orders, and for ids that are not remembered, the database is asked.

        Raises:
            SinkUnavailable: the database cannot be asked.
        """
        new_ids = ids - self._ids.keys()
        found = self._rows.known(keys, new_ids)
        self._ids |= {each: set() for each in new_ids}
        for each in found.ids:
            self._ids[each.instrument, each.id].add(each)
        return found._replace(ids={each for name in ids for each in self._ids[name]})

    def contents(self, keys: set[FillKey]) -> dict[FillKey, int]:
        """See `UniqueRows.contents`; only what is not remembered is asked for.

        Raises:
            SinkUnavailable: the database cannot be asked.
        """
        if new := keys - self._contents.keys():
            found = self._rows.contents(new)
            self._contents |= {key: found.get(key) for key in new}
        return {key: content for key in keys if (content := self._contents[key]) is not None}

    def note_ids(self, ids: Iterable[KnownId]) -> None:
        """These ids were written; of a label not all are remembered."""
        for each in ids:
            known = self._ids.get((each.instrument, each.id))
            if known is not None and len(known) <= unique_rows.MOST_OF_AN_ID:
                known.add(each)

    def note_contents(self, contents: Mapping[FillKey, int | None]) -> None:
        """Fills were written under these keys, or removed: None."""
        self._contents |= contents

    def forget_records(self, records: SeqSet) -> None:
        """Forget these records: they are not in the database any more."""
        for each in records.ranges:
            for seq in range(each.first_seq, each.end):
                self.records.pop((each.session, seq), None)

    def forget(self) -> None:
        """Forget all but the records."""
        for each in (self._ids, self._contents):
            each.clear()

    def shrink(self) -> None:
        """Forget what is too much, the oldest first. Not while something is derived from it."""
        remembered: tuple[dict[Any, Any], ...] = (self.records, self._ids, self._contents)
        for each in remembered:
            while len(each) > REMEMBERED:
                del each[next(iter(each))]


def rows_of(body: Sequence[memoryview]) -> dict[RecordId, Row]:
    """Records of EXECUTION as `UniqueRows.records` gives them.

    Args:
        body: their bytes, in as many pieces as convenient.
    """
    records = np.frombuffer(b"".join(body), EXECUTION.dtype)
    numbers = zip(*(records[name].tolist() for name in _NUMBERS), strict=True)
    found = (
        row | dict(zip(_NUMBERS, each, strict=True))
        for row, each in zip(as_json(EXECUTION, records), numbers, strict=True)
    )
    return {(row["session"], row["seq"]): row for row in found}
