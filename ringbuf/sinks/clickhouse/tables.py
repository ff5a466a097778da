"""What must be there: the database, the tables of sessions and records, and the views."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ringbuf.errors import TableMismatch
from ringbuf.record.schema import RESERVED, Schema
from ringbuf.sinks.clickhouse import merging, table
from ringbuf.sinks.clickhouse.definition import Definition
from ringbuf.sinks.clickhouse.layout import Layout
from ringbuf.sinks.clickhouse.table import DISTRIBUTED, FoundTable, literal
from ringbuf.sinks.clickhouse.views.definitions import MARK, View, create_local_views, create_views

VIEW: Final = "View"


class Tables:
    """Those of one database.

    Args:
        shards: at how many shards it is.
        look: asks the database; given what for, as an error says it.
        define: runs a statement, likewise.
    """

    def __init__(
        self,
        layout: Layout,
        shards: int,
        look: Callable[[str, str], list[list[str]]],
        define: Callable[[str, str], None],
    ) -> None:
        self._layout = layout
        self._shards = shards
        self._look = look
        self._define = define

    def prepare(self) -> None:
        """See `ClickHouseSink.prepare`."""
        layout = self._layout
        found = self._look(
            f"SELECT name, engine FROM {layout.everywhere('system.databases')}"
            f" WHERE name IN ({', '.join(map(literal, layout.databases))})",
            "looking for the database",
        )
        for name, engine in found:
            if engine not in table.DATABASE_ENGINES:
                raise TableMismatch(
                    f"database {name} has the engine {engine}, which keeps no tables of ours",
                    f"choose another database; possible engines are {', '.join(table.DATABASE_ENGINES)}",
                )
        if len(found) < len(layout.databases) * self._shards:
            for each in layout.create_database():
                self._define(each, "creating the database")
        sessions = self._find(layout.local, table.SESSIONS)
        for one in sessions:
            table.check_sessions(layout.local, one)
        self._give_settings(table.SESSIONS, sessions)
        self._create(table.SESSIONS, table.of_sessions(), sessions)
        self._distribute(table.SESSIONS, table.of_sessions())

    def ensure(self, schema: Schema) -> bool:
        """Create the table of a schema, or add to it what it lacks; whether something had to be done."""
        definition, name = table.of_records(schema), schema.name
        found = self._find(self._layout.local, name)
        if name in RESERVED and (len(found) < self._shards or found[0].engine == VIEW):
            raise TableMismatch(
                f"schema {name} has the name of a view or table of this release, and no table of its own",
                "give the schema another name; docs/OPERATING.md says how records that wait get into its table",
            )
        altered = {table.alterations(schema, self._layout.local, each) for each in found} - {""}
        self._give_settings(name, found)  # none of the owner's own comes so far
        if len(found) < self._shards:
            self.prepare()  # perhaps the database is gone too
        is_created = self._create(name, definition, found)
        for each in sorted(altered):  # ADD comes first: what one shard lacks another one may have otherwise
            self._define(f"ALTER TABLE {self._layout.itself(name)} {each}", f"altering table {name}")
        return self._distribute(name, definition) or is_created or bool(altered)

    def ensure_views(self, settings: Mapping[str, int | str]) -> None:
        """Create the views, or replace those of an earlier version.

        Args:
            settings: under which their queries are planned.
        """
        if self._layout.cluster is not None:
            self._ensure_views(self._layout.local, create_local_views(self._layout, settings))
        self._ensure_views(self._layout.database, create_views(self._layout, settings))

    def _ensure_views(self, database: str, views: Mapping[str, View]) -> None:
        of_database = f"database = {literal(database)} AND name IN ({', '.join(map(literal, views))})"
        rows = self._look(
            f"SELECT name, engine, comment FROM {self._layout.everywhere('system.tables')} WHERE {of_database}",
            "looking for the views",
        )
        for name, view in views.items():
            found = [(engine, comment) for each, engine, comment in rows if each == name]
            for engine, comment in found:
                if engine != VIEW or not comment.startswith(MARK):
                    raise TableMismatch(
                        f"{database}.{name} is not ours: engine {engine}, comment {comment!r}",
                        "choose another database, or give it another name",
                    )
            if [comment for _, comment in found] != [view.comment] * self._shards:
                self._define(view.statement, f"creating view {name}")

    def _give_settings(self, name: str, found: Sequence[FoundTable]) -> None:
        for each in found:
            merging.give_settings(
                name,
                self._layout.itself(name),
                each.engine_full,
                lambda sql: self._define(sql, f"altering table {name}"),
            )

    def _create(self, name: str, definition: Definition, found: Sequence[FoundTable]) -> bool:
        """Create a table where it is not; whether it had to be done."""
        if is_missing := len(found) < self._shards:
            self._define(self._layout.create(name, definition), f"creating table {name}")
        return is_missing

    def _distribute(self, name: str, definition: Definition) -> bool:
        """On a cluster, make the table over that of the shards as that is; whether it had to be done."""
        if self._layout.cluster is None:
            return False
        itself, over = (self._find(each, name) for each in (self._layout.local, self._layout.database))
        for each in over:  # CREATE OR REPLACE would take records away: of a database on one server, as it was before
            table.check_engine(f"{self._layout.database}.{name}", each, DISTRIBUTED, "")
        if is_other := [each.columns for each in itself] != [each.columns for each in over]:
            self._define(self._layout.distribute(name, definition), f"creating table {name} over its shards")
        return is_other

    def _find(self, database: str, name: str) -> list[FoundTable]:
        """The table at each shard that has it."""
        doing, layout = f"looking for table {name}", self._layout
        found = self._look(
            f"SELECT shardNum() AS shard, engine, sorting_key, engine_full FROM {layout.everywhere('system.tables')}"
            f" WHERE database = {literal(database)} AND name = {literal(name)} ORDER BY shard",
            doing,
        )
        if not found:
            return []
        described = self._look(
            f"SELECT shardNum(), name, type, default_kind, default_expression, comment"
            f" FROM {layout.everywhere('system.columns')}"
            f" WHERE database = {literal(database)} AND table = {literal(name)}",
            doing,
        )
        columns: dict[str, dict[str, table.FoundColumn]] = {shard: {} for shard, *_ in found}
        for shard, column, *rest in (each for each in described if each[0] in columns):
            columns[shard][column] = table.FoundColumn(*rest)
        return [FoundTable(engine, key, columns[shard], whole) for shard, engine, key, whole in found]
