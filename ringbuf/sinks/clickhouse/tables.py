"""What must be there: the database, the tables of sessions and records, and the views."""

from collections.abc import Callable, Mapping

from ringbuf.errors import TableMismatch
from ringbuf.record.schema import Schema
from ringbuf.sinks.clickhouse import table
from ringbuf.sinks.clickhouse.views.definitions import MARK, create_views


class Tables:
    """Those of one database.

    Args:
        look: asks the database; given what for, as an error says it.
        define: runs a statement, likewise.
    """

    def __init__(
        self, database: str, look: Callable[[str, str], list[list[str]]], define: Callable[[str, str], None]
    ) -> None:
        self._database = database
        self._look = look
        self._define = define

    def prepare(self) -> None:
        """See `ClickHouseSink.prepare`."""
        name = table.literal(self._database)
        found_engine = self._look(
            f"SELECT engine FROM system.databases WHERE name = {name}", "looking for the database"
        )
        if not found_engine:
            self._define(table.create_database(self._database), "creating the database")
        elif found_engine[0][0] not in table.DATABASE_ENGINES:
            raise TableMismatch(
                f"database {self._database} has the engine {found_engine[0][0]}, which keeps no tables of ours",
                f"choose another database; possible engines are {', '.join(table.DATABASE_ENGINES)}",
            )
        found = self._find(table.SESSIONS)
        if found is None:
            self._define(table.create_sessions(self._database), "creating table sessions")
        else:
            table.check_sessions(self._database, found)

    def ensure(self, schema: Schema) -> bool:
        """Create the table of a schema, or add to it what it lacks; whether something had to be done."""
        found = self._find(schema.name)
        if found is None:
            self.prepare()  # perhaps the database is gone too
            self._define(table.create_table(schema, self._database), f"creating table {schema.name}")
            return True
        statement = table.alter_table(schema, self._database, found)
        if statement is not None:
            self._define(statement, f"altering table {schema.name}")
        return statement is not None

    def ensure_views(self, settings: Mapping[str, int | str]) -> None:
        """Create the views, or replace those of an earlier version.

        Args:
            settings: under which their queries are planned.
        """
        views = create_views(self._database, settings)
        of_database = f"database = {table.literal(self._database)} AND name IN ({', '.join(map(table.literal, views))})"
        rows = self._look(
            f"SELECT name, engine, comment FROM system.tables WHERE {of_database}", "looking for the views"
        )
        found = {name: (engine, comment) for name, engine, comment in rows}
        for name, view in views.items():
            engine, comment = found.get(name, ("View", MARK))
            if engine != "View" or not comment.startswith(MARK):
                raise TableMismatch(
                    f"{self._database}.{name} is not ours: engine {engine}, comment {comment!r}",
                    "choose another database, or give it another name",
                )
            if comment != view.comment:
                self._define(view.statement, f"creating view {name}")

    def _is(self, name: str, column: str) -> str:
        return f"database = {table.literal(self._database)} AND {column} = {table.literal(name)}"

    def _find(self, name: str) -> table.FoundTable | None:
        doing = f"looking for table {name}"
        found = self._look(f"SELECT engine, sorting_key FROM system.tables WHERE {self._is(name, 'name')}", doing)
        if not found:
            return None
        described = self._look(
            "SELECT name, type, default_kind, default_expression, comment FROM system.columns"
            f" WHERE {self._is(name, 'table')}",
            doing,
        )
        ((engine, sorting_key),) = found
        columns = {column: table.FoundColumn(*rest) for column, *rest in described}
        return table.FoundTable(engine, sorting_key, columns)
