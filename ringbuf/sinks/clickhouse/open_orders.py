"""The orders that are open: copies of their rows, taken now and then, so that a question need not look at all orders.

    open_orders    rows of `unique_orders`, as they were at a moment (`snapshot`), of orders that worked or might trade

A snapshot is a version that is greater than those of all rows before it. A question takes the rows of the latest
snapshot, and those of `unique_orders` with a later version; of each order the latest row counts. Rows of up to
`MARGIN_NS` before the snapshot are read too, since another writer may have inserted them after it. Who needs longer
than that from a version to its rows copies anew from all orders.

A snapshot counts when a row without an order tells that it is complete: `version` is from where on `unique_orders` is
read. Each has a partition of its own, which is dropped when the one after it is read by nobody new any more.
"""

from collections.abc import Iterable
from typing import Final

from ringbuf.record.enumerations import OrderStatus
from ringbuf.sinks.clickhouse.derived_table import DerivedTable, Statements
from ringbuf.sinks.clickhouse.table import quoted
from ringbuf.sinks.clickhouse.unique import ORDER_KEY
from ringbuf.sinks.clickhouse.views.orders import ORDERS
from ringbuf.sinks.clickhouse.views.reports import words
from ringbuf.trading.states import ENDS

MARGIN_NS: Final = 30_000_000_000
FEW: Final = 1_000
"""So many rows of orders are read besides the snapshot before there is another one."""
_WORKING: Final = words(status for status in OrderStatus if status not in ENDS and status != OrderStatus.UNKNOWN)
_COPIED: Final = {**ORDERS, "order_key": "String", "version": "UInt64"}
TABLES: Final = {
    "open_orders": DerivedTable(
        {"snapshot": "UInt64", **_COPIED},
        "ReplacingMergeTree(version)",
        f"snapshot, {ORDER_KEY}",
        {"snapshot": "0", "order_key": "''"},
        partition="snapshot",
    )
}
"""The tables of the layer, by name."""


def is_open(source: str = "") -> str:
    """That an order works, or may still trade."""
    return f"({source}order_status IN ({_WORKING}) OR {source}open_quantity > {source}awaited_quantity)"


def latest_orders(database: str, columns: Iterable[str], conditions: Iterable[str] = ()) -> str:
    """The latest row of every order that is open, and of others; those with `is_shown` are in the view `orders`.

    Args:
        columns: of `ORDERS`; there are more.
        conditions: on columns of `ORDER_KEY`, which an order never changes; only such orders.
    """
    copies, conditions = _table(database), [*conditions]
    selected = ", ".join(dict.fromkeys((*columns, *ORDER_KEY.split(", "), "version")))
    complete = f"(SELECT (maxOrDefault(snapshot), maxOrDefault(version)) FROM {copies} WHERE order_key IN (''))"
    copied = " AND ".join((f"snapshot = {complete}.1", "order_key NOT IN ('')", *conditions))
    later = " AND ".join((f"version >= {complete}.2", *conditions))
    return f"""
    SELECT *
    FROM (
        SELECT {selected}, true AS is_shown FROM {copies} WHERE {copied}
        UNION ALL
        SELECT {selected}, NOT is_removed AND NOT is_hard FROM {quoted(database)}.unique_orders WHERE {later}
    )
    ORDER BY version DESC LIMIT 1 BY {ORDER_KEY}"""


class OpenOrders:
    """The layer of one database."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._database, self._ask = statements.database, statements.ask

    def is_due(self) -> bool:
        """Whether questions read so many rows besides the latest copies that there should be new ones."""
        copies = _table(self._database)
        latest = f"(SELECT max(snapshot) FROM {copies} WHERE order_key = '')"
        ((later, copied),) = self._ask(
            f"SELECT toString((SELECT count() FROM {quoted(self._database)}.unique_orders WHERE version >= {latest})),"
            f" toString((SELECT count() FROM {copies} WHERE snapshot = {latest}))"
        )
        return int(later) > max(FEW, int(copied))

    def copy(self, version: int, *, whole: bool = False) -> None:
        """Copy the orders that are open, as of a version that is greater than that of every row; nothing reads it yet.

        Args:
            whole: look at all orders, and not only at those that have changed; the copies before may lack some.
        """
        columns, rows = ", ".join(_COPIED), f"({latest_orders(self._database, _COPIED)}) WHERE is_shown"
        if whole:
            rows = f"{quoted(self._database)}.unique_orders FINAL WHERE NOT is_hard AND order_key != ''"
        self._statements.run(
            f"INSERT INTO {_table(self._database)} (snapshot, {columns})"
            f" SELECT {version}, {columns} FROM {rows} AND (open_quantity != 0 OR {is_open()})"
        )

    def complete(self, version: int) -> None:
        """Have these copies read, and drop those that nobody reads any more."""
        copies = _table(self._database)
        latest = f"(SELECT max(snapshot) FROM {copies} WHERE order_key = '')"
        old = self._ask(
            f"SELECT DISTINCT toString(snapshot) FROM {copies} WHERE snapshot NOT IN (0) AND snapshot < {latest}"
        )
        self._statements.run_at_each(
            f"INSERT INTO {copies} (snapshot, version) SELECT {version}, {max(0, version - MARGIN_NS)}"
        )
        for (snapshot,) in old:
            itself = self._statements.layout.itself("open_orders")
            self._statements.clear(f"ALTER TABLE {itself} DROP PARTITION {snapshot}")


def _table(database: str) -> str:
    return f"{quoted(database)}.open_orders"
