"""The sink: one database, as the loader needs it.

The bytes of records go out as they are, or few of them as rows (`forms.py`), in one insert that becomes one block, all
of it or nothing, with the token the loader gives. Nothing is sent twice here: to settle a doubt is the loader's task.
An insert counts as acknowledged only if the answer names as many rows, since anything that listens can say 200.

Errors: `SinkRefused` if the server says that it will not have these bytes (`REFUSALS`) and the table is as it should
be, `TableMismatch` if it is not, `SinkUnavailable` for everything else. Messages are one line, without any password.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from ringbuf.errors import RingbufError, SinkError, SinkRefused, SinkUnavailable
from ringbuf.record.execution import EXECUTION
from ringbuf.record.schema import Schema
from ringbuf.record.seqs import SeqSet
from ringbuf.record.session import SessionInfo
from ringbuf.sinks.clickhouse import failure, presence, table, withheld
from ringbuf.sinks.clickhouse.derived_table import Statements, insert_rows
from ringbuf.sinks.clickhouse.engine import ANSWER_SECONDS, Engine
from ringbuf.sinks.clickhouse.failure import REFUSALS
from ringbuf.sinks.clickhouse.forms import Forms
from ringbuf.sinks.clickhouse.layers import Layers
from ringbuf.sinks.clickhouse.layout import Layout
from ringbuf.sinks.clickhouse.lines import as_lines
from ringbuf.sinks.clickhouse.old_orders import OldOrders
from ringbuf.sinks.clickhouse.old_records import delete_old
from ringbuf.sinks.clickhouse.profit_rows import ProfitRows
from ringbuf.sinks.clickhouse.question import in_one_row, rows_in
from ringbuf.sinks.clickhouse.sessions import insert_sessions
from ringbuf.sinks.clickhouse.settings import (
    ASKING,
    AT_ONCE,
    DEFINING,
    DERIVING,
    DROPPING,
    NOW,
    OF_ROWS,
    ON_CLUSTER,
    ONE_BLOCK,
    PLANNING,
    PLANNING_CLUSTER,
    QUESTION,
    READING,
    READING_CLUSTER,
    Needs,
    Settings,
    at_shard,
    inserting,
)
from ringbuf.sinks.clickhouse.sums import Sums
from ringbuf.sinks.clickhouse.tables import Tables
from ringbuf.sinks.clickhouse.unique_rows import UniqueRows
from ringbuf.sinks.sink import Withheld

_NONE: Mapping[int, str] = {}
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`(?:[^`\\]|\\.)*`|/\*.*?\*/|--[^\n]*", re.DOTALL)
_WRITES_FILE = re.compile(r"\bINTO\s+OUTFILE\b", re.IGNORECASE)


class ClickHouseSink:
    """One database. Connects at its first use. For one thread.

    Args:
        engine: where the database is.
        database: its name.

    Raises:
        InvalidName: no database can be called that, or one of the server's own is.
    """

    def __init__(self, engine: Engine, database: str) -> None:
        self.database = database
        self._layout = Layout(database, engine.cluster)
        self._layout.check()
        self._engine = engine
        self._shards = 0
        self._client: Client | None = None
        self._settings = Settings([], self.where)
        self._forms = Forms(database, self._answer)

    @property
    def where(self) -> str:
        """What this sink is, for messages."""
        return f"database {self.database} of {self._engine.where}"

    @property
    def destination(self) -> str:
        """What a checkpoint is for: the database, wherever an embedded one is moved to and whoever the user is."""
        if self._layout.cluster is not None:
            return f"database {self.database}, cluster {self._layout.cluster.name}"
        scheme, slashes, server = (self._engine.url or "embedded").rpartition("://")
        return f"database {self.database}, {scheme}{slashes}{server.rpartition('@')[2]}"

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    # What must be there

    def prepare(self) -> None:
        """Create the database and its table `sessions` if they are missing.

        Raises:
            TableMismatch: `sessions` is something else, or the database is of a kind that keeps no tables.
            SinkUnavailable: the database cannot be reached, or does not allow it.
            ConfigurationError: the embedded database is not installed.
        """
        self._tables.prepare()

    def ensure(self, schema: Schema) -> bool:
        """Create the table of a schema, or add to it what it lacks; for EXECUTION also the views.

        Returns:
            whether something had to be done about the table.

        Raises:
            TableMismatch: there is something else of that name.
            SinkUnavailable: the database cannot be reached, or does not allow it.
        """
        is_changed = self._tables.ensure(schema)
        if schema.name == EXECUTION.name:
            self._ensure_views()  # also if the table is as it should be: the connection may have failed between the two
        return is_changed

    def _ensure_views(self) -> None:
        """Create the tables of orders and fills, and the views, or replace those of an earlier version."""
        self.layers.ensure()
        needs = PLANNING if self._layout.cluster is None else {**PLANNING, **PLANNING_CLUSTER}
        self._tables.ensure_views(self._settings.to_send(needs))

    @property
    def _tables(self) -> Tables:
        return Tables(self._layout, self._count_shards(), self._look, self._define)

    # Rows derived from records

    @property
    def unique(self) -> UniqueRows:
        """The layer of unique orders and fills."""
        return UniqueRows(self._statements(self._ask_deriving))

    def old_orders(self, before_ns: int) -> OldOrders:
        """What may be dropped of executions that were captured before a time, ns since the epoch."""
        return OldOrders(self._statements(self._ask_deriving), before_ns)

    @property
    def layers(self) -> Layers:
        """The tables of what is derived."""
        return Layers(self._statements(self._ask_for_tables))

    @property
    def sums(self) -> Sums:
        """The layer of sums."""
        return Sums(self._statements(self._ask_deriving))

    def _statements(self, ask: Callable[[str], list[list[Any]]]) -> Statements:
        return Statements(
            self._layout,
            self._count_shards(),
            ask,
            run=self._run_deriving,
            insert=self._insert_derived,
            run_at_each=self._run_at_each,
            define=partial(self._define, doing="making the tables of orders and fills"),
            clear=self._clear,
        )

    @property
    def profit(self) -> ProfitRows:
        """The layer of profit."""
        return ProfitRows(self._statements(self._ask_deriving))

    def _ask_for_tables(self, sql: str) -> list[list[Any]]:
        with self._errors("looking for the tables of orders and fills"):
            return self._answer(sql)

    def _ask_deriving(self, sql: str) -> list[list[Any]]:
        with self._errors("deriving orders and fills"):
            client = self._connected()
            sent = self._sent_with({**DERIVING, **ASKING}, writes=False)
            return rows_in(client.raw_query(in_one_row(sql), settings=sent, fmt="RawBLOB"))

    def _run_deriving(self, sql: str) -> None:
        self._command(sql, "deriving orders and fills", DERIVING)

    def _run_at_each(self, sql: str) -> None:
        """Run an insert of rows that every shard has."""
        if self._layout.cluster is None:
            self._run_deriving(sql)
            return
        for shard in range(1, self._count_shards() + 1):
            self._command(sql, "deriving orders and fills", {**DERIVING, **at_shard(shard)})

    def _clear(self, sql: str) -> None:
        self._define(sql, "removing what is old", DROPPING)

    def _insert_derived(self, name: str, types: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> None:
        into, pieces = insert_rows(self.database, name, types, rows)
        with self._errors(f"inserting rows into {name}"):
            self._engine.insert(self._connected(), into, pieces, self._sent_with(inserting(len(rows), OF_ROWS)))

    # Records

    def insert(self, schema: Schema, body: Sequence[memoryview], rows: int, token: str) -> None:
        """Insert records as one block; returns when they are acknowledged.

        Args:
            body: their bytes, in as many pieces as convenient; not copied on the way to a server.
            rows: how many they are; at most 1,048,576.
            token: deduplication token; the database ignores a second insert with the same one.

        Raises:
            SinkRefused: the database will never take these bytes.
            TableMismatch: the table was altered so that no such record fits.
            SinkUnavailable: anything else; the records may be stored or not.
        """
        try:
            with self._errors(f"inserting {rows} records into {schema.name}", REFUSALS):
                client = self._connected()
                into, pieces = self._forms.of(schema, body, rows)
                sent = {**self._sent_with(inserting(rows, ONE_BLOCK)), "insert_deduplication_token": token}
                written = self._engine.insert(client, into, pieces, sent)
        except SinkRefused as error:
            if self._tables.ensure(schema) or self._is_outdated(schema):
                raise SinkUnavailable(f"{error.what}; its table was not as it should be and is mended") from error
            raise
        if written is not None and written < rows:  # more: those of materialized views count, too
            raise SinkUnavailable(
                f"{self.where}: the answer to an insert of {rows} records names {written}", "is it a ClickHouse server?"
            )

    def _is_outdated(self, schema: Schema) -> bool:
        with self._errors("looking for columns"):
            return self._forms.is_outdated(schema)

    def missing(self, schema: Schema, records: SeqSet) -> SeqSet:
        """Which of these records are not in the table of their schema.

        Raises:
            SinkUnavailable: the database cannot be asked.
        """
        with self._errors("looking for records"):
            return presence.missing(self._answer, table.table_name(schema, self.database), records)

    def withheld(self, schema: Schema, body: Sequence[memoryview]) -> Withheld:
        """Which of these records have expired by their table's TTL, and which a row policy hides from this user.

        Args:
            body: their bytes, in as many pieces as convenient.

        Raises:
            SinkUnavailable: the database cannot be asked.
        """
        with self._errors("looking why records are not there"):
            return withheld.withheld(self._answer, self._layout.local, schema, body)

    def drop(self, schema: Schema, records: SeqSet, column: str, before_ns: int) -> int:
        """Remove those of these records that a column says are old. The database does it in its own time.

        Args:
            column: of times.
            before_ns: what is earlier is old, ns since the epoch.

        Returns:
            how many are being removed.

        Raises:
            SinkUnavailable: the database cannot be reached, or does not allow it.
        """
        name = table.table_name(schema, self.database)
        with self._errors("looking for old records"):
            itself = self._layout.itself(schema.name)
            return delete_old(self._answer, self._clear, name, itself, records, column, before_ns)

    def note_sessions(self, sessions: Iterable[tuple[SessionInfo, int]]) -> None:
        """Add to what the table `sessions` knows.

        Args:
            sessions: each session and when it was last seen, ns since the epoch.

        Raises:
            SinkUnavailable: the database cannot be reached.
        """
        if statement := insert_sessions(self.database, sessions):
            try:
                self._command(statement, "noting sessions", AT_ONCE)
            except SinkUnavailable:
                self.prepare()  # perhaps the table is gone
                raise

    def stream_json(self, sql: str, timeout: float = ANSWER_SECONDS) -> Iterator[bytes]:
        """Run a statement that only reads, in this database; the rows as JSONEachRow, cut anywhere, as they come.

        Args:
            timeout: seconds to wait for the first row, and for each piece after it; the embedded engine waits on.

        Raises:
            SinkUnavailable: the database cannot be reached, or cannot run it.
        """
        if _WRITES_FILE.search(_QUOTED.sub(" ", sql)):  # the embedded engine would, whatever its settings
            raise SinkUnavailable(f"{self.where}: a query: INTO OUTFILE writes a file", "redirect the output instead")
        client = self._connected()
        client.database = self.database
        try:
            needs = READING if self._layout.cluster is None else {**READING_CLUSTER, **READING}
            answer = self._engine.stream(client, sql, self._settings.to_send(needs), timeout)
            yield from as_lines(answer)
        except SinkError:
            raise
        except Exception as error:  # as in connecting
            raise self._translated(error, "a query") from error
        finally:
            self.close()  # in chDB a connection that was read-only once remains so

    # Asking

    def _connected(self) -> Client:
        if self._client is None:
            try:
                client = self._engine.connect()
                self._settings = Settings(
                    rows_in(client.raw_query(in_one_row(QUESTION), settings=NOW, fmt="RawBLOB")), self.where
                )
                self._client = client
            except RingbufError:
                raise
            except Exception as error:  # the driver decodes whatever answers, and that fails in many ways
                raise self._translated(error, "connecting") from error
        return self._client

    def _sent_with(self, needs: Needs, *, writes: bool = True) -> dict[str, int | str]:
        """The settings of a statement; if they cannot be right, the next try asks for them anew."""
        if self._layout.cluster is not None:
            needs = {**ON_CLUSTER, **needs}
        try:
            return self._settings.to_write(needs) if writes else self._settings.to_send(needs)
        except SinkUnavailable:
            self.close()
            raise

    def _answer(self, sql: str) -> list[list[Any]]:
        client = self._connected()
        sent = self._sent_with(ASKING, writes=False)
        return rows_in(client.raw_query(in_one_row(sql), settings=sent, fmt="RawBLOB"))

    def _command(self, sql: str, doing: str, needs: Needs = DEFINING) -> None:
        with self._errors(doing):
            client = self._connected()
            client.command(sql, settings=self._sent_with(needs))

    def _define(self, sql: str, doing: str, needs: Needs = DEFINING) -> None:
        """Run a statement that changes a table itself, if the cluster does not pass it on at each of its servers."""
        if not self._engine.shards:
            self._command(sql, doing, needs)
            return
        self._connected()
        for engine in self._engine.shards:
            with self._errors(f"{doing} at {engine.where}"), closing(engine.connect()) as client:
                client.command(sql, settings=self._sent_with(needs))

    def _count_shards(self) -> int:
        """At how many shards the tables are."""
        if self._layout.cluster is not None and not self._shards:
            self._shards = self._layout.cluster.count_shards(self._look)
        return self._shards or 1

    def _look(self, sql: str, doing: str) -> list[list[str]]:
        with self._errors(doing):
            return [[str(value) for value in row] for row in self._answer(sql)]

    # What went wrong

    @contextlib.contextmanager
    def _errors(self, doing: str, refusals: Mapping[int, str] = _NONE) -> Iterator[None]:
        try:
            yield
        except (ClickHouseError, HTTPError, OSError, ValueError, LookupError, TypeError) as error:
            raise self._translated(error, doing, refusals) from error

    def _translated(self, error: Exception, doing: str, refusals: Mapping[int, str] = _NONE) -> SinkError:
        if failure.is_cut(error) or failure.code_of(error) in failure.MAY_NOT_SET:
            self.close()  # the owner may have changed something since our user's settings were asked for
        return failure.translated(error, f"{self.where}: {doing}", self._engine.without_secrets, refusals)
