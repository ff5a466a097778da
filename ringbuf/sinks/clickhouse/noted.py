"""Which records are derived, as ranges in the table `derived`.

Whoever has everything derived again empties the table and begins a new *generation* of it. What was derived before that
is derived no more, also if another writer, which did not notice yet, remembers that it was.
"""

from typing import Final

from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.clickhouse.derived_table import Statements
from ringbuf.sinks.clickhouse.table import quoted

RANGES_AT_ONCE: Final = 10_000
"""So many ranges are noted by one statement."""
_GENERATION: Final = "session = 0 AND first_seq = 1"
"""True of the row of which `end` is the generation; no record has these numbers."""


class Noted:
    """The table of one database."""

    def __init__(self, statements: Statements) -> None:
        self._ask, self._run, self._now = statements.ask, statements.run, statements.layout.now
        self._table = f"{quoted(statements.database)}.derived"
        self._of_generation = f"FROM {self._table} WHERE {_GENERATION}"

    def ranges(self) -> SeqSet:
        """The records that are derived."""
        rows = self._ask(f"SELECT toString(session), toString(first_seq), toString(end) FROM {self._table} FINAL")
        return SeqSet(Range.between(*map(int, row)) for row in rows)

    def generation(self) -> int:
        """That of now; 0 if the table is that of a release which did not know of any."""
        ((found,),) = self._ask(f"SELECT toString(max(end)) {self._of_generation}")
        return int(found)

    def begin(self) -> None:
        """Begin a new generation, in a table that is empty."""
        self._run(f"INSERT INTO {self._table} (session, first_seq, end) SELECT 0, 1, {self._now}")

    def note(self, records: SeqSet, generation: int) -> None:
        """Note that these records were derived since a generation began; does nothing if another one has begun."""
        for begin in range(0, len(records.ranges), RANGES_AT_ONCE):
            some = records.ranges[begin : begin + RANGES_AT_ONCE]
            listed = ", ".join(f"({each.session}, {each.first_seq}, {each.end})" for each in some)
            self._run(
                f"INSERT INTO {self._table} (session, first_seq, end) SELECT each.1, each.2, each.3 FROM"
                f" (SELECT arrayJoin(CAST([{listed}], 'Array(Tuple(UInt64, UInt64, UInt64))')) AS each)"
                f" WHERE (SELECT max(end) {self._of_generation}) = {generation}"
            )
