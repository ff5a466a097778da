"""The numbers of parts, which tell what was inserted: each insert has one, in the order in which they can be read."""

from collections import Counter
from typing import Final

from ringbuf.errors import SinkUnavailable
from ringbuf.sinks.clickhouse.derived_table import Statements
from ringbuf.sinks.clickhouse.table import literal

TABLES: Final = ("unique_fills", "unique_orders", "known_ids")


class PartNumbers:
    """Those of the tables of orders, fills and ids of one database.

    Attributes:
        inserts: how many of our own each table had; whoever begins to count clears it.
    """

    def __init__(self, statements: Statements) -> None:
        self.inserts: Counter[str] = Counter()
        self._database, self._ask = statements.database, statements.ask
        self._is_one = statements.layout.cluster is None

    def count(self, **rows: int | str) -> None:
        """Count inserts of so many rows into the tables of these names.

        One of none makes no part. One of very many makes several, which then look like those of somebody else.
        """
        self.inserts.update(name for name, number in rows.items() if int(number))

    def last(self) -> dict[str, int] | None:
        """The greatest number in each table; None if that tells nothing.

        Shards and replicas number in another way, and a user may be forbidden to see parts.
        """
        if not self._is_one:
            return None
        try:
            rows = self._ask(
                "SELECT table, toString(max(max_block_number)) FROM system.parts"
                f" WHERE database = {literal(self._database)} AND table IN {TABLES} AND engine = 'ReplacingMergeTree'"
                " GROUP BY table"
            )
        except SinkUnavailable:
            return None
        return {name: int(number) for name, number in rows} if len(rows) == len(TABLES) else None
