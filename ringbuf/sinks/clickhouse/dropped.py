"""What was dropped by age, and what came too late: orders of which records are gone, and reports about them.

A row follows from all records of its order. If some of them are not there any more, whoever removed them, nothing can
be derived that says as much as the row does. So the row stays as it is, and what is told of its order later is listed.

    dropped         of which records some may have been dropped, as ranges; noted before they are dropped
    retired         which records, of any schema, are meant to be gone, as ranges: an audit of another writer asks it
    late_records    which records came too late; the view `late_reports` shows them
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from ringbuf.record.execution import EXECUTION
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.clickhouse import unique
from ringbuf.sinks.clickhouse.derived_table import DerivedTable, Statements
from ringbuf.sinks.clickhouse.keys import (
    INSTRUMENT_OF_RECORD,
    NONE,
    ORDER_OF_RECORD,
    RECORD_IDS,
    Chosen,
    FillKey,
    NamedId,
    RecordId,
    as_tuple,
    instrument_in,
    listed_orders,
    listed_records,
    of_fills,
    records_in,
)
from ringbuf.sinks.clickhouse.noted import RANGES_AT_ONCE
from ringbuf.sinks.clickhouse.table import quoted, table_name
from ringbuf.sinks.clickhouse.views.columns import of_execution
from ringbuf.sinks.clickhouse.views.expression import INSTRUMENT

TABLES: Final = {
    "dropped": unique.RANGES,
    "retired": unique.RANGES,
    "late_records": DerivedTable(
        {
            **of_execution(("exchange", "account", "symbol")),
            "simulated": "Bool",
            "order_key": "String",
            **unique.RECORD,
            **unique.VERSION,
        },
        unique.REPLACING,
        f"{unique.ORDER_KEY}, session, seq",
        {"exchange": "''", "order_key": "''", "session": "0", "version": "0"},
    ),
}
"""These tables, by name."""


class StandingOrder(NamedTuple):
    """An order that keeps its row, since records of it are gone.

    Attributes:
        version: of the row.
        captured_ns: when what was told of it last was captured, ns since the epoch.
        records: those that the row was derived from.
        client_ids: under which it is known.
    """

    version: int
    captured_ns: int
    records: frozenset[RecordId]
    client_ids: frozenset[str]


class Dropped:
    """What was dropped of one database, and what came too late."""

    def __init__(self, statements: Statements) -> None:
        database, self._ask, self._run = statements.database, statements.ask, statements.run
        self._records = table_name(EXECUTION, database)
        self._fills, self._orders, self._ids, self._late, self._dropped, self._retired = (
            f"{quoted(database)}.{each}"
            for each in ("unique_fills", "unique_orders", "known_ids", "late_records", "dropped", "retired")
        )
        self._has_late: bool | None = None

    # What was dropped

    def ranges(self) -> SeqSet:
        """Of these records some may have been dropped."""
        rows = self._ask(
            f"SELECT toString(session), toString(first_seq), toString(end) FROM {self._dropped} FINAL WHERE end != 0"
        )
        return SeqSet(Range.between(*map(int, row)) for row in rows)

    def note(self, records: SeqSet) -> None:
        """Note that some of these records are about to be dropped."""
        self._note(self._dropped, records)

    def note_retired(self, records: SeqSet) -> None:
        """Note that all of these records were verified, and are meant to be gone."""
        self._note(self._retired, records)

    def _note(self, table: str, records: SeqSet) -> None:
        for begin in range(0, len(records.ranges), RANGES_AT_ONCE):
            some = records.ranges[begin : begin + RANGES_AT_ONCE]
            listed = ", ".join(f"({each.session}, {each.first_seq}, {each.end})" for each in some)
            self._run(
                f"INSERT INTO {table} (session, first_seq, end) SELECT each.1, each.2, each.3"
                f" FROM (SELECT arrayJoin(CAST([{listed}], 'Array(Tuple(UInt64, UInt64, UInt64))')) AS each)"
            )

    # Orders that keep their rows

    def standing(self, keys: Iterable[NamedId], gone: Iterable[RecordId]) -> dict[NamedId, StandingOrder]:
        """Of some orders those that were derived from any of these records."""
        listed = listed_orders(keys)
        return self._standing(f"({unique.ORDER_KEY}) IN ({listed})", gone) if listed else {}

    def standing_of(self, chosen: Chosen, gone: Iterable[RecordId]) -> dict[NamedId, StandingOrder]:
        """Of the orders that chosen records name by their order ids or client ids those that were derived from any."""
        records = f"{self._records} WHERE ({chosen.condition()})"
        told = f"SELECT arrayJoin([client_order_id, orig_client_order_id]), {INSTRUMENT_OF_RECORD}"
        named = f"""({unique.ORDER_KEY}) IN (
            SELECT {ORDER_OF_RECORD} FROM {records} AND order_id NOT IN ({NONE})
        ) OR ({unique.ORDER_KEY}) IN (
            SELECT {unique.ORDER_KEY} FROM {self._ids} WHERE (id, {INSTRUMENT}) IN ({told} FROM {records})
        )"""
        return self._standing(f"({named})", gone)

    def _standing(self, condition: str, gone: Iterable[RecordId]) -> dict[NamedId, StandingOrder]:
        listed = listed_records(sorted(gone))
        if not listed:
            return {}
        rows = self._ask(
            f"SELECT {unique.ORDER_KEY}, toString(version), toString(toUnixTimestamp64Nano(captured_ns)),"
            f" {RECORD_IDS}, client_ids"
            f" FROM {self._orders} FINAL WHERE {condition} AND NOT is_hard"
            f" AND hasAny(record_ids, CAST([{listed}], 'Array(Tuple(UInt64, UInt64))'))"
        )
        return {
            (instrument_in(row), str(row[4])): StandingOrder(
                int(row[5]),
                int(row[6]),
                frozenset(records_in(row[7])),
                frozenset(row[8]),
            )
            for row in rows
        }

    def naming(self, ranges: Sequence[Range], orders: dict[NamedId, StandingOrder]) -> list[RecordId]:
        """Those of some records that name any of these orders, by its order id or a client id."""
        keys = listed_orders(orders)
        names = ", ".join(
            as_tuple(instrument, name)
            for (instrument, _), each in sorted(orders.items())
            for name in sorted(each.client_ids)
        )
        by_name = [
            f" OR ({INSTRUMENT_OF_RECORD}, {column}) IN ({names})"
            for column in ("client_order_id", "orig_client_order_id")
        ]
        rows = self._ask(
            f"SELECT DISTINCT toString(session), toString(seq) FROM {self._records}"
            f" WHERE ({Chosen(ranges).condition()})"
            f" AND (({ORDER_OF_RECORD}) IN ({keys}){''.join(by_name if names else [])})"
        )
        return sorted(records_in(rows))

    def remove_fills(self, keys: Collection[FillKey], after: int, version: int) -> None:
        """Remove the fills under these keys, see `of_fills`, whose rows have a version greater than `after`."""
        if keys:
            self._run(
                f"INSERT INTO {self._fills} ({unique.FILL_KEY}, version, is_removed)"
                f" SELECT {unique.FILL_KEY}, {version}, 1 FROM {self._fills} FINAL"
                f" WHERE {of_fills(keys)} AND version > {after}"
            )

    # Reports that came too late

    def late(self, keys: Iterable[NamedId]) -> set[tuple[NamedId, RecordId]]:
        """The records that are listed as late for these orders."""
        listed = listed_orders(keys)
        if not listed or not self._is_any_late():
            return set()
        rows = self._ask(
            f"SELECT {unique.ORDER_KEY}, toString(session), toString(seq) FROM {self._late} FINAL"
            f" WHERE ({unique.ORDER_KEY}) IN ({listed})"
        )
        return {((instrument_in(row), str(row[4])), (int(row[5]), int(row[6]))) for row in rows}

    def count_late(self) -> int:
        """How many records are listed as late."""
        ((count,),) = self._ask(f"SELECT toString(uniqExact(session, seq)) FROM {self._late} FINAL WHERE session != 0")
        self._has_late = int(count) > 0
        return int(count)

    def note_late(self, records: Iterable[tuple[NamedId, RecordId]], version: int, *, removed: bool = False) -> None:
        """List records as late, or no longer."""
        rows = ", ".join(
            f"({as_tuple(instrument, key)}, {session}, {seq})"
            for (instrument, key), (session, seq) in sorted(set(records))
        )
        if rows:
            kind = "Array(Tuple(Tuple(String, String, String, Bool, String), UInt64, UInt64))"
            self._run(
                f"INSERT INTO {self._late} ({unique.ORDER_KEY}, session, seq, version, is_removed)"
                f" SELECT each.1.1, each.1.2, each.1.3, each.1.4, each.1.5, each.2, each.3, {version}, {int(removed)}"
                f" FROM (SELECT arrayJoin(CAST([{rows}], '{kind}')) AS each)"
            )
            self._has_late = True

    def _is_any_late(self) -> bool:
        """Whether any record is listed; if another writer lists the first, it is noticed when they are counted next."""
        return self.count_late() > 0 if self._has_late is None else self._has_late
