"""Records of EXECUTION that may be dropped by age: those of orders that are over, and of which nothing else is known.

A record may be dropped when it is old, and all that is derived from it is there: its order has a row, is over, was told
of last when it was old, and shares no client id with another one. So nothing that may still come can change another row
than that of its order, and that one stays as it is. What else is old stays: records of orders that work, or that others
took the place of; of orders that no venue gave an id; reports of trades without an order; funding.
"""

from collections.abc import Iterator
from typing import Final

from ringbuf.record.execution import EXECUTION
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.clickhouse.derived_table import Statements
from ringbuf.sinks.clickhouse.keys import INSTRUMENT_OF_RECORD, NONE, ORDER_OF_RECORD, Chosen
from ringbuf.sinks.clickhouse.table import quoted, table_name
from ringbuf.sinks.clickhouse.unique import ORDER_KEY
from ringbuf.sinks.clickhouse.views.expression import INSTRUMENT
from ringbuf.sinks.clickhouse.views.reports import words
from ringbuf.trading.states import ENDS

AT_ONCE: Final = 500_000
"""So many records at most are looked at together."""
MOST_RUNS: Final = 10_000
"""So many runs of consecutive records at most are dropped by one statement."""
_BLOCK: Final = 100_000
_OF_ID: Final = f"id, {INSTRUMENT}"
_OVER: Final = words(ENDS)


class OldOrders:
    """Those of one database.

    Args:
        before_ns: what was captured earlier is old, ns since the epoch.
    """

    def __init__(self, statements: Statements, before_ns: int) -> None:
        database, self._ask, self._clear = statements.database, statements.ask, statements.clear
        self._itself = statements.layout.itself(EXECUTION.name)
        self._records = table_name(EXECUTION, database)
        self._orders, self._ids = (f"{quoted(database)}.{each}" for each in ("unique_orders", "known_ids"))
        self._is_old = f"captured_ns < fromUnixTimestamp64Nano(toInt64({before_ns}), 'UTC')"

    def portions(self, records: SeqSet) -> Iterator[SeqSet]:
        """Those of some records that may be old, of one session at a time, as many as are looked at together."""
        rows = self._ask(
            f"SELECT toString(session), toString(min(seq)), toString(max(seq) + 1), toString(count())"
            f" FROM {self._records} WHERE {self._is_old} GROUP BY session, intDiv(seq, {_BLOCK})"
            " ORDER BY session, min(seq)"
        )
        blocks = [(Range.between(*map(int, row[:3])), int(row[3])) for row in rows]
        while blocks:
            together, count = [blocks[0][0]], blocks.pop(0)[1]
            while blocks and blocks[0][0].session == together[0].session and count + blocks[0][1] <= AT_ONCE:
                together.append(blocks[0][0])
                count += blocks.pop(0)[1]
            if found := records & SeqSet(together):
                yield found

    def droppable(self, portion: SeqSet, pending: SeqSet, now_ns: int) -> SeqSet:
        """Those of a portion that may be dropped.

        Args:
            pending: records that are not derived yet, asked for after `now_ns`.
            now_ns: the server's time. A row that is younger may not be whole yet.
        """
        session = portion.ranges[0].session
        rows = self._ask(f"""
            SELECT toString(min(seq)), toString(max(seq) + 1)
            FROM (
                SELECT seq, seq - row_number() OVER (ORDER BY seq) AS run
                FROM (
                    SELECT DISTINCT seq FROM {self._records}
                    WHERE {self._old(portion)} AND (session, seq) IN ({self._of_orders(portion, pending, now_ns)})
                )
            )
            GROUP BY run""")
        return SeqSet(Range.between(session, int(begin), int(end)) for begin, end in rows)

    def drop(self, records: SeqSet) -> None:
        """Drop records of one session; the database does it in its own time."""
        for begin in range(0, len(records.ranges), MOST_RUNS):
            runs = records.ranges[begin : begin + MOST_RUNS]
            begins, ends = ([*each] for each in zip(*((run.first_seq, run.end) for run in runs), strict=True))
            listed = ", ".join(f"CAST({each}, 'Array(UInt64)')" for each in (begins, ends))
            self._clear(
                f"DELETE FROM {self._itself} WHERE session = {runs[0].session} AND {self._is_old}"
                f" AND seq BETWEEN {begins[0]} AND {ends[-1] - 1}"
                f" AND seq IN (SELECT arrayJoin(arrayFlatten(arrayMap((one, end) -> range(one, end), {listed}))))"
            )

    def _old(self, portion: SeqSet) -> str:
        return f"({Chosen(portion.ranges).condition()}) AND {self._is_old}"

    def _of_orders(self, portion: SeqSet, pending: SeqSet, now_ns: int) -> str:
        """The records of the orders that may go, and of which there are records in a portion."""
        old, waiting = f"{self._records} WHERE {self._old(portion)}", f"{self._records} WHERE ({_condition(pending)})"
        names = f"SELECT arrayJoin([client_order_id, orig_client_order_id]), {INSTRUMENT_OF_RECORD}"
        by_id = f"SELECT {ORDER_OF_RECORD}"
        orders = f"""
            SELECT {ORDER_KEY}, client_ids, record_ids FROM {self._orders} FINAL
            WHERE (
                ({ORDER_KEY}) IN ({by_id} FROM {old} AND order_id NOT IN ({NONE}))
                OR ({ORDER_KEY}) IN (
                    SELECT {ORDER_KEY} FROM {self._ids}
                    WHERE ({_OF_ID}) IN ({names} FROM {old} AND order_id IN ({NONE}))
                )
            )
            AND NOT is_hard AND startsWith(order_key, 'id:') AND order_status IN ({_OVER}) AND open_quantity = 0
            AND {self._is_old} AND version < {now_ns} AND ({ORDER_KEY}) NOT IN ({by_id} FROM {waiting})"""
        of_them = f"SELECT arrayJoin(client_ids), {INSTRUMENT} FROM ({orders})"
        known = f"{self._ids} WHERE ({_OF_ID}) IN ({of_them})"
        keys = f"SELECT {ORDER_KEY} FROM {known}"
        there = f"SELECT {ORDER_KEY} FROM {self._orders} FINAL WHERE ({ORDER_KEY}) IN ({keys}) AND NOT is_hard"
        shared = f"""
            SELECT {_OF_ID} FROM {known} AND (order_key = '' OR ({ORDER_KEY}) IN ({there}))
            GROUP BY {_OF_ID} HAVING uniqExact(order_key, session, seq) > 1"""
        held = f"""
            SELECT {ORDER_KEY} FROM ({orders}) ARRAY JOIN client_ids AS id
            WHERE ({_OF_ID}) IN ({shared}) OR ({_OF_ID}) IN ({names} FROM {waiting})"""
        return f"""
            SELECT each.1, each.2 FROM (
                SELECT arrayJoin(record_ids) AS each FROM ({orders}) WHERE ({ORDER_KEY}) NOT IN ({held})
            )"""


def _condition(records: SeqSet) -> str:
    return Chosen(records.ranges).condition()
