"""The tables of what is derived from records: are they there, and is anything of them lost?

Each of them has a row of its own that no question sees. A table that was dropped, altered or truncated has none. What
was in it is made again: rows of orders and fills from the records, sums and totals from the rows.
"""

import logging
from typing import Final

from ringbuf.sinks.clickhouse import funding_records, open_orders, profit_states, sums, unique
from ringbuf.sinks.clickhouse.derived_table import Statements
from ringbuf.sinks.clickhouse.open_orders import OpenOrders
from ringbuf.sinks.clickhouse.sums import Sums
from ringbuf.sinks.clickhouse.table import literal, quoted

LOGGER: Final = logging.getLogger("ringbuf.writer")
TABLES: Final = {
    **unique.TABLES,
    **funding_records.TABLES,
    **sums.TABLES,
    **open_orders.TABLES,
    **profit_states.TABLES,
}
_SIGNS: Final = {
    "unique_fills": {"minute": "-1000000000000", "version": "0"},
    "unique_orders": {"exchange": "''", "order_key": "''", "is_hard": "true"},
    "known_ids": {"id": "''", "exchange": "''", "order_key": "''"},
    "derived": {"session": "0", "first_seq": "0", "end": "0"},
    "funding_records": {"session": "0", "seq": "0"},
    "fill_sums": {"span": "0", "begin": "0"},
    "buckets": {"span": "0", "begin": "0", "is_closed": "false"},
    "open_orders": {"snapshot": "0", "order_key": "''"},
    "profit_states": {"span": "0", "begin": "-1"},
}
"""By table the row that tells that it is whole."""


class Layers:
    """The tables of one database.

    Attributes:
        open_orders: the copies of orders that are open.
    """

    def __init__(self, statements: Statements) -> None:
        self._database, self._ask, self._run, _ = statements
        self.open_orders = OpenOrders(statements)
        self._sums = Sums(statements)

    def ensure(self) -> None:
        """Create the tables that are missing or are not as they should be; `make_again` notices those."""
        listed = ", ".join(map(literal, TABLES))
        rows = self._ask(
            f"SELECT table, groupArray((name, type)) FROM (SELECT table, name, type FROM system.columns"
            f" WHERE database = {literal(self._database)} AND table IN ({listed}) ORDER BY table, position)"
            " GROUP BY table"
        )
        found = {table: [f"{name} {type_}" for name, type_ in columns] for table, columns in rows}
        for name, table in TABLES.items():
            if name in found and found[name] != [f"{column} {type_}" for column, type_ in table.columns.items()]:
                LOGGER.warning("table %s is not as it should be; what is in it is made again", name)
                self._run(f"DROP TABLE IF EXISTS {self._table(name)} SYNC")
                del found[name]
            if name not in found:
                self._run(table.statement(self._database, name))

    def forget(self) -> None:
        """Have all records derived again; the rows that there are stay until others replace them."""
        for name in ("derived", *profit_states.TABLES):
            self._run(f"TRUNCATE TABLE {self._table(name)}")
            self._sign(name)
        self._sums.reopen()

    def make_again(self) -> list[str]:
        """Have made again what was in tables that are lost.

        Returns:
            which were; if any, whoever derives begins with all that is pending.
        """
        lost = self._lost()
        ((noted,),) = self._ask(f"SELECT count() FROM {self._table('derived')}")
        if int(noted) and {*unique.TABLES, *funding_records.TABLES} & {*lost}:
            self.forget()
        elif {*sums.TABLES} & {*lost}:
            self._sums.reopen()
        if "unique_orders" in lost and "open_orders" not in lost:
            self._run(f"TRUNCATE TABLE {self._table('open_orders')}")  # nothing would replace orders that are gone
            lost.append("open_orders")
        for name in lost:
            self._sign(name)
        return lost

    def _lost(self) -> list[str]:
        """The tables that were emptied, or were just created.

        Raises:
            SinkUnavailable: one is not there, or the database cannot be asked.
        """
        counts = " UNION ALL ".join(
            f"SELECT {literal(name)}, count() FROM {self._table(name)}"
            f" WHERE {' AND '.join(f'{column} = {value}' for column, value in sign.items())}"
            for name, sign in _SIGNS.items()
        )
        return [name for name, count in self._ask(f"SELECT * FROM ({counts})") if not int(count)]

    def _sign(self, name: str) -> None:
        sign = _SIGNS[name]
        self._run(f"INSERT INTO {self._table(name)} ({', '.join(sign)}) SELECT {', '.join(sign.values())}")

    def _table(self, name: str) -> str:
        return f"{quoted(self._database)}.{quoted(name)}"
