"""A table of what is derived from records, of which a row replaces those of its key that have a lower version."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ringbuf.sinks.clickhouse import row_binary
from ringbuf.sinks.clickhouse.table import quoted


class Statements(NamedTuple):
    """How what is derived is read and written.

    Attributes:
        database: its name.
        ask: runs a question and gives its rows.
        run: runs a statement.
        insert: inserts rows, by column as `row_binary` takes them, into a table of these columns.
    """

    database: str
    ask: Callable[[str], list[list[Any]]]
    run: Callable[[str], None]
    insert: Callable[[str, Mapping[str, str], Sequence[Mapping[str, Any]]], None]


class DerivedTable(NamedTuple):
    """How such a table is.

    Attributes:
        columns: their types by name.
        engine: as the server writes it.
        key: what it is sorted by.
        sign: some columns of a row that no question sees, and their values; a table without it is not whole.
        indexes: skip indexes, each `NAME EXPRESSION TYPE …`.
        granularity: so many rows are read at once at least.
    """

    columns: Mapping[str, str]
    engine: str
    key: str
    sign: Mapping[str, str]
    indexes: tuple[str, ...] = ()
    granularity: int = 8_192

    def statement(self, database: str, name: str) -> str:
        """What creates it."""
        columns = [f"{quoted(column)} {kind}" for column, kind in self.columns.items()]
        indexes = [f"INDEX {each} GRANULARITY 1" for each in self.indexes]
        listed = ",\n    ".join(columns + indexes)
        return (
            f"CREATE TABLE IF NOT EXISTS {quoted(database)}.{quoted(name)} (\n    {listed}\n)"
            f" ENGINE = {self.engine} ORDER BY ({self.key})"
            f" SETTINGS non_replicated_deduplication_window = 0, index_granularity = {self.granularity}"
        )


def insert_rows(
    database: str, name: str, types: Mapping[str, str], rows: Sequence[Mapping[str, Any]]
) -> tuple[str, list[memoryview]]:
    """The insert of rows up to its columns, and its body.

    Args:
        types: of the columns that are given, by name.
    """
    into = f"INSERT INTO {quoted(database)}.{quoted(name)} ({', '.join(map(quoted, types))})"
    return into, [memoryview(row_binary.header(types)), memoryview(row_binary.body(types, rows))]
