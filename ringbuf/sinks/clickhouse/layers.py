"""The tables of what is derived from records: are they there, and is anything of them lost?

Each of them has a row of its own that no question sees. A table that was dropped, altered or truncated has none. What
was in it is made again: rows of orders and fills from the records, sums and totals from the rows. If somebody has
changed or deleted rows (`altered.py`), nobody knows what followed from them, and everything is made again.

When records were dropped by age, rows stand for them that cannot be made again. Then a table of rows that was altered
is altered back, and one that was emptied is an error: its owner has a backup, or gives the rows up.

Tables of a later release are not altered back, but left alone: that release marks them by a comment, `ringbuf: form N`.
"""

import logging
import re
from collections.abc import Mapping
from typing import Final

from ringbuf.errors import TableMismatch
from ringbuf.sinks.clickhouse import dropped, funding_records, merging, open_orders, profit_states, sums, unique
from ringbuf.sinks.clickhouse.altered import altered
from ringbuf.sinks.clickhouse.derived_table import DerivedTable, Statements
from ringbuf.sinks.clickhouse.noted import Noted
from ringbuf.sinks.clickhouse.open_orders import OpenOrders
from ringbuf.sinks.clickhouse.sums import Sums
from ringbuf.sinks.clickhouse.table import DISTRIBUTED, FoundTable, check_engine, literal, quoted
from ringbuf.sinks.clickhouse.unique_rows import UniqueRows

LOGGER: Final = logging.getLogger("ringbuf.writer")
TABLES: Final = {
    **unique.TABLES,
    **funding_records.TABLES,
    **dropped.TABLES,
    **sums.TABLES,
    **open_orders.TABLES,
    **profit_states.TABLES,
}
FORM: Final = 1
"""Of these tables, and of those without a mark. Who changes them for a release counts on, and marks them."""
_MARK: Final = re.compile(r"ringbuf: form (\d+)")
_ROWS: Final = ("unique_fills", "unique_orders", "known_ids")
"""Tables of rows that stand for records, also for those that are gone."""


class Layers:
    """The tables of one database.

    Attributes:
        open_orders: the copies of orders that are open.
    """

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._database, self._ask, self._define = statements.database, statements.ask, statements.define
        self._itself = statements.layout.itself
        self.open_orders = OpenOrders(statements)
        self._sums = Sums(statements)

    def ensure(self) -> None:
        """Create the tables that are missing or are not as they should be; `make_again` notices those.

        Raises:
            TableMismatch: something of such a name is not ours, or is of a later release.
        """
        layout, shards = self._statements.layout, self._statements.shards
        for name, engine in self._check(layout.local):
            merging.give_settings(name, self._itself(name), engine, self._define)
        found = self._found(layout.local)
        for name, table in TABLES.items():
            wrong = next((each for each in found.get(name, []) if each != _right(table)), None)
            if wrong is not None:
                if name in _ROWS and "dropped" in found and self._has_dropped():
                    self._alter(name, dict(each.split(" ", 1) for each in wrong))
                    continue  # its rows stand for records that are gone
                LOGGER.warning("table %s is not as it should be; what is in it is made again", name)
                self._define(f"DROP TABLE IF EXISTS {self._itself(name)} SYNC")
            if wrong is not None or len(found.get(name, [])) < shards:
                self._define(layout.create(name, table.definition))
        if layout.cluster is not None:
            self._distribute()

    def _distribute(self) -> None:
        """Make the tables of a cluster that are not over its shards as they should be."""
        layout, shards = self._statements.layout, self._statements.shards
        self._check(layout.database, DISTRIBUTED)
        found = self._found(layout.database)
        for name, table in TABLES.items():
            if found.get(name) != [_right(table)] * shards:
                self._define(layout.distribute(name, table.definition))

    def _check(self, database: str, engine: str = "") -> set[tuple[str, str]]:
        """Make sure that what has the name of a table of ours is one: its columns may be others, its key is not.

        Args:
            engine: of all of them, where they have no key.

        Returns:
            of each its name, and its engine with all that stands behind it.
        """
        rows = self._ask(
            "SELECT name, engine, sorting_key, engine_full, comment"
            f" FROM {self._statements.layout.everywhere('system.tables')}"
            f" WHERE database = {literal(database)} AND name IN ({', '.join(map(literal, TABLES))})"
        )
        for name, its_engine, key, _, comment in rows:
            if (mark := _MARK.match(comment)) and int(mark[1]) > FORM:
                raise TableMismatch(
                    f"table {database}.{name} is of a later release: form {mark[1]}, this one knows {FORM}",
                    "run a writer of that release; records wait in the journal for it",
                )
            expected = (engine, "") if engine else (TABLES[name].engine.partition("(")[0], TABLES[name].key)
            check_engine(f"{database}.{name}", FoundTable(its_engine, key, {}), *expected)
        return {(name, engine_full) for name, _, _, engine_full, _ in rows}

    def _found(self, database: str) -> dict[str, list[list[str]]]:
        """The columns of each table, with their types, at each shard that has it."""
        rows = self._ask(
            "SELECT table, groupArray((name, type)) FROM ("
            f"SELECT shardNum() AS shard, table, name, type FROM {self._statements.layout.everywhere('system.columns')}"
            f" WHERE database = {literal(database)} AND table IN ({', '.join(map(literal, TABLES))})"
            " ORDER BY shard, table, position) GROUP BY shard, table"
        )
        found: dict[str, list[list[str]]] = {}
        for table, columns in rows:
            found.setdefault(table, []).append([f"{name} {type_}" for name, type_ in columns])
        return found

    def _alter(self, name: str, found: Mapping[str, str]) -> None:
        """Bring a table back to what it should be without losing a row, and have what can be derived again.

        Args:
            found: its columns where they are not as they should be; at other shards they may be.
        """
        odd = [each for each in found if each not in TABLES[name].columns]
        place, changes = "FIRST", [f"DROP COLUMN IF EXISTS {quoted(each)}" for each in odd]
        for column, kind in TABLES[name].columns.items():
            if found.get(column) != kind:
                change = "MODIFY COLUMN IF EXISTS" if column in found else "ADD COLUMN IF NOT EXISTS"
                changes.append(f"{change} {quoted(column)} {kind} {place}")
            place = f"AFTER {quoted(column)}"
        if changes:
            LOGGER.warning("table %s is not as it should be; it is altered, and what is in it derived again", name)
            # Of what is derived first: later nothing tells that it is due.
            self._define(f"TRUNCATE TABLE IF EXISTS {self._itself('derived')}")
            self._define(f"ALTER TABLE {self._itself(name)} {', '.join(changes)}")

    def _has_dropped(self) -> bool:
        """Whether records were dropped by age."""
        ((count,),) = self._ask(f"SELECT count() FROM {self._table('dropped')} WHERE end != 0")
        return bool(int(count))

    def forget(self) -> None:
        """Have all records derived again; the rows that there are stay until others replace them."""
        for name in profit_states.TABLES:
            self._empty(name)
        self._sums.reopen()
        version = UniqueRows(self._statements).version()
        self.open_orders.copy(version, whole=True)  # of orders whose rows somebody removed nothing else tells
        self.open_orders.complete(version)
        self._empty("derived")  # last: then nothing tells any more that all this is due

    def _empty(self, name: str) -> None:
        self._define(f"TRUNCATE TABLE {self._itself(name)}")
        self._sign(name)

    def make_again(self) -> list[str]:
        """Have made again what was in tables that are lost, or of which somebody has changed rows.

        Returns:
            which they are; if any, whoever derives begins with all that is pending.

        Raises:
            TableMismatch: rows were lost that cannot be made again, or a later release has the tables now.
        """
        self._check(self._statements.layout.local)
        if not (lost := self._lost()):
            if changed := altered(self._statements, TABLES):
                self.forget()
            return changed
        if (gone := [name for name in lost if name in _ROWS]) and self._has_dropped():
            layout = self._statements.layout
            raise TableMismatch(
                f"table {self._database}.{gone[0]} was emptied, and records it was derived from were dropped by age",
                f"restore it from a backup and run `ringbuf rebuild`, or give up its rows of that time for good with"
                f" TRUNCATE TABLE {layout.local}.dropped{layout.on}",
            )
        ((noted,),) = self._ask(f"SELECT count() FROM {self._table('derived')}")
        if int(noted) and {*unique.TABLES, *funding_records.TABLES, "late_records"} & {*lost}:
            self.forget()
        elif {*sums.TABLES} & {*lost}:
            self._sums.reopen()
        if "unique_orders" in lost and "open_orders" not in lost:
            self._define(f"TRUNCATE TABLE {self._itself('open_orders')}")  # nothing would replace orders that are gone
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
            f"SELECT {literal(name)}, uniqExact({self._statements.layout.shard}) FROM {self._table(name)}"
            f" WHERE {' AND '.join(f'{column} = {value}' for column, value in table.sign.items())}"
            for name, table in TABLES.items()
        )
        return [name for name, count in self._ask(f"SELECT * FROM ({counts})") if int(count) < self._statements.shards]

    def _sign(self, name: str) -> None:
        sign = TABLES[name].sign
        self._statements.run_at_each(
            f"INSERT INTO {self._table(name)} ({', '.join(sign)}) SELECT {', '.join(sign.values())}"
        )
        if name == "derived":
            Noted(self._statements).begin()

    def _table(self, name: str) -> str:
        return f"{quoted(self._database)}.{quoted(name)}"


def _right(table: DerivedTable) -> list[str]:
    """Its columns as they should be, with their types."""
    return [f"{column} {type_}" for column, type_ in table.columns.items()]
