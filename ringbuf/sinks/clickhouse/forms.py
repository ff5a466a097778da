"""In which form records go out: their bytes as they are, or, of few of them, rows of what the columns hold."""

from collections.abc import Callable, Sequence
from typing import Any

from ringbuf.record.schema import Schema
from ringbuf.sinks.clickhouse import table
from ringbuf.sinks.clickhouse.few_records import FEW, FewRecords, fits
from ringbuf.sinks.clickhouse.table import literal


class Forms:
    """Those for one database.

    Args:
        answer: asks the database.
    """

    def __init__(self, database: str, answer: Callable[[str], list[list[Any]]]) -> None:
        self._database = database
        self._answer = answer
        self._bytes: dict[int, tuple[str, memoryview]] = {}
        self._found: dict[int, dict[str, str]] = {}
        self._few: dict[int, FewRecords | None] = {}

    def of(self, schema: Schema, body: Sequence[memoryview], rows: int) -> tuple[str, list[memoryview]]:
        """The insert of some records up to its columns, and its body."""
        if rows <= FEW and (few := self._few_of(schema)) and (told := few.rows(body)) is not None:
            return few.into, [memoryview(few.header), memoryview(told)]
        if schema.schema_id not in self._bytes:
            self._bytes[schema.schema_id] = (
                table.insert_into(schema, self._database),
                memoryview(table.header(schema)),
            )
        into, header = self._bytes[schema.schema_id]
        return into, [header, *body]

    def is_outdated(self, schema: Schema) -> bool:
        """Whether a table's columns are of other types than when they were looked at; they are looked at again."""
        before = self._found.pop(schema.schema_id, None)
        self._few.pop(schema.schema_id, None)
        return before is not None and before != self._types(schema)

    def _few_of(self, schema: Schema) -> FewRecords | None:
        if schema.schema_id not in self._few:
            if not (found := self._types(schema)):
                return None
            self._found[schema.schema_id] = found
            few = FewRecords(schema, self._database, found) if fits(schema, found) else None
            self._few[schema.schema_id] = few
        return self._few[schema.schema_id]

    def _types(self, schema: Schema) -> dict[str, str]:
        rows = self._answer(
            "SELECT name, type FROM system.columns"
            f" WHERE database = {literal(self._database)} AND table = {literal(schema.name)}"
        )
        return {name: type_ for name, type_ in rows if name in schema.names}
