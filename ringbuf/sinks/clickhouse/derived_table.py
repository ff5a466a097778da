"""A table of what is derived from records, of which a row replaces those of its key that have a lower version."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ringbuf.sinks.clickhouse import row_binary
from ringbuf.sinks.clickhouse.definition import BY_INSTRUMENT, Definition
from ringbuf.sinks.clickhouse.layout import Layout
from ringbuf.sinks.clickhouse.table import quoted

FEW_ROWS: Final = 1_024
"""A question that is about a few rows reads all columns of as many around each of them."""


class Statements(NamedTuple):
    """How what is derived is read and written.

    Attributes:
        layout: where the tables are.
        shards: at how many shards; 1 without a cluster.
        ask: runs a question and gives its rows.
        run: runs a statement.
        insert: inserts rows, by column as `row_binary` takes them, into a table of these columns.
        run_at_each: runs an insert so that each shard has its rows.
        define: runs a statement that defines a table or empties it.
        clear: runs one that removes what nobody reads; nobody waits for it.
    """

    layout: Layout
    shards: int
    ask: Callable[[str], list[list[Any]]]
    run: Callable[[str], None]
    insert: Callable[[str, Mapping[str, str], Sequence[Mapping[str, Any]]], None]
    run_at_each: Callable[[str], None]
    define: Callable[[str], None]
    clear: Callable[[str], None]

    @property
    def database(self) -> str:
        """Whose tables statements name."""
        return self.layout.database


class DerivedTable(NamedTuple):
    """How such a table is.

    Attributes:
        columns: their types by name.
        engine: as the server writes it.
        key: what it is sorted by.
        sign: some columns of a row that no question sees, and their values; a table without it is not whole.
        indexes: skip indexes, each `NAME EXPRESSION TYPE …`.
        granularity: so many rows are read at once at least.
        shard_by, partition: see `Definition`.
    """

    columns: Mapping[str, str]
    engine: str
    key: str
    sign: Mapping[str, str]
    indexes: tuple[str, ...] = ()
    granularity: int = 8_192
    shard_by: tuple[str, ...] = BY_INSTRUMENT
    partition: str = ""

    @property
    def definition(self) -> Definition:
        """The table."""
        columns = [f"{quoted(column)} {kind}" for column, kind in self.columns.items()]
        indexes = [f"INDEX {each} GRANULARITY 1" for each in self.indexes]
        return Definition(columns + indexes, self.engine, self.key, self.shard_by, 0, self.partition, self.granularity)


def insert_rows(
    database: str, name: str, types: Mapping[str, str], rows: Sequence[Mapping[str, Any]]
) -> tuple[str, list[memoryview]]:
    """The insert of rows up to its columns, and its body.

    Args:
        types: of the columns that are given, by name.
    """
    into = f"INSERT INTO {quoted(database)}.{quoted(name)} ({', '.join(map(quoted, types))})"
    return into, [memoryview(row_binary.header(types)), memoryview(row_binary.body(types, rows))]
