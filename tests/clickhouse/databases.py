"""The sink under test, on a server and embedded, with what a test needs besides.

chDB lives in a process of its own: once it is loaded, a process must not fork any more, and other tests do.
"""

import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import numpy as np
import pytest

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.record.execution import EXECUTION
from ringbuf.record.schema import Schema
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.record.session import SessionInfo
from ringbuf.record.value import blank
from ringbuf.sinks.clickhouse import open_orders
from ringbuf.sinks.clickhouse.engine import PASSWORD_VARIABLE, Embedded, Server
from ringbuf.sinks.clickhouse.keys import Chosen
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from ringbuf.sinks.sink import Withheld
from ringbuf.state.data_directory import DataDirectory
from ringbuf.writer.derive import deriver
from ringbuf.writer.derive.deriver import FEW, Deriver
from ringbuf.writer.derive.dropping import drop_old
from ringbuf.writer.derive.folding import Folding
from ringbuf.writer.derive.memory import rows_of

Records = np.ndarray[Any, np.dtype[np.void]]
ON_SERVER = pytest.mark.parametrize("_prepared", ["open_on_server"], indirect=True)
"""For tests of statements that are the same for both engines, and of which others show that both run them."""
ON_SERVER_AND_CLUSTER = pytest.mark.parametrize("_prepared", ["open_on_server", "open_on_cluster"], indirect=True)
"""For tests that show, besides, that a cluster comes to the same."""


class Database:
    """A sink, its arguments and results in shapes that can go from process to process."""

    def __init__(self, engine: Server | Embedded, name: str) -> None:
        self._sink = ClickHouseSink(engine, name)
        self._deriver: Deriver | None = None
        self._name = name
        self._foldings: dict[int, Folding] = {}
        self._is_embedded = isinstance(engine, Embedded)

    def name(self) -> str:
        """Name of the database."""
        return self._name

    def is_embedded(self) -> bool:
        """Whether it has no server."""
        return self._is_embedded

    def prepare(self) -> None:
        self._sink.prepare()

    def ensure(self, schema: Schema = EXECUTION) -> bool:
        return self._sink.ensure(schema)

    def set_up(self) -> None:
        """Everything a writer creates when it starts."""
        self.prepare()
        self.ensure()

    def insert(
        self,
        records: Records,
        schema: Schema = EXECUTION,
        token: str | None = None,
        pieces: int = 1,
        few: int | None = FEW,
    ) -> None:
        """Insert records, their bytes cut into as many pieces; and derive, up to `few` of them by the rules at once."""
        content = memoryview(records.tobytes())
        step = -(-len(content) // pieces)
        body = [content[start : start + step] for start in range(0, len(content), step)]
        self._sink.insert(schema, body, len(records), token or uuid4().hex)
        if schema.name == EXECUTION.name and few is not None:
            self.derive(few, new=body if schema == EXECUTION else None)

    def insert_bytes(self, content: bytes, rows: int, schema: Schema = EXECUTION) -> None:
        """Insert whatever these bytes are."""
        self._sink.insert(schema, [memoryview(content)], rows, uuid4().hex)

    def missing(self, *ranges: Range, schema: Schema = EXECUTION) -> list[Range]:
        return list(self._sink.missing(schema, SeqSet(ranges)).ranges)

    def withheld(self, records: Records, schema: Schema) -> Withheld:
        """Which of these records it withholds."""
        return self._sink.withheld(schema, [memoryview(records.tobytes())])

    def note_sessions(self, sessions: Iterable[tuple[SessionInfo, int]]) -> None:
        self._sink.note_sessions(sessions)

    def derive(self, few: int = FEW, *only: Range, new: Sequence[memoryview] | None = None) -> None:
        """Derive all records that are not derived yet, or some; up to `few` of them go through the rules at once.

        Args:
            new: the bytes of those that are to be derived, if nobody can have begun with it.
        """
        rows = self._sink.unique
        self._sink.layers.ensure()
        if self._sink.layers.make_again() or self._deriver is None or self._deriver.is_overtaken():
            self._deriver = Deriver(rows, self._sink.sums)
        made, self._deriver = self._deriver, None  # it knows nothing for certain after an error
        with mock.patch.object(deriver, "FEW", few):
            made.remember(rows_of(new or []))
            made.derive(SeqSet(only) if only else rows.pending(), again=new is None)
            made.note()
        self._deriver = made

    def rebuild(self, few: int = FEW) -> None:
        """Forget what is derived, and derive everything again, as another writer does."""
        self._sink.layers.forget()
        self.change_writers()
        self.derive(few)

    def change_writers(self) -> None:
        """Whoever derives next has nothing in its memory."""
        self._deriver = None

    def drop_old(self, before_ns: int, *only: Range) -> int | None:
        """Drop what is old of some records, as far as it may go; how many are dropped."""
        return drop_old(self._sink, SeqSet(only), before_ns, is_over=lambda: False)

    def read(self, *ranges: Range) -> list[dict[str, Any]]:
        """Records as they are read to be derived."""
        return self._sink.unique.records(Chosen(ranges))

    def read_back(self, types: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> bytes:
        """Insert rows into a table that has just these columns; what it gives in the format in which they came."""
        columns = ", ".join(f"`{name}` {type_}" for name, type_ in types.items())
        name = f"{self._name}.read_back"
        self.command(f"DROP TABLE IF EXISTS {name} SYNC")
        self.command(f"CREATE TABLE {name} ({columns}) ENGINE = MergeTree ORDER BY tuple()")
        self._sink._insert_derived("read_back", types, rows)
        return bytes(self._sink._connected().raw_query(f"SELECT * FROM {name}", fmt="RowBinaryWithNamesAndTypes"))

    def copy_open_orders(
        self, *, whole: bool = False, ahead_ns: int = 0, margin_ns: int = 0, is_complete: bool = True
    ) -> None:
        """Copy the orders that are open, so long after now; so much before it is read beside the copies."""
        orders, version = self._sink.layers.open_orders, self._sink.unique.version() + ahead_ns
        with mock.patch.object(open_orders, "MARGIN_NS", margin_ns):
            orders.copy(version, whole=whole)
            if is_complete:
                orders.complete(version)

    def close_sums(self) -> None:
        """Sum and close all buckets that are over, and copy the orders that are open."""
        self.copy_open_orders()
        sums = self._sink.sums
        while (over := sums.due()) is not None:
            sums.sum_up(over)
            sums.close(over)

    def fold(self) -> int:
        """Keep the totals of all positions up to what there is; gives how many calls that took."""
        folding, calls = Folding(self._sink.profit), 1
        while folding.fold():
            calls += 1
        return calls

    def fold_a_little(self, number: int, calls: int = 1) -> None:
        """The same as one of several writers, and only so many calls."""
        folding = self._foldings.setdefault(number, Folding(self._sink.profit))
        for _ in range(calls):
            folding.fold()

    def command(self, sql: str) -> None:
        """Do something to the database that the product would not do."""
        self._sink._connected().command(sql, settings={"allow_suspicious_fixed_string_types": 1})

    def empty(self, table: str) -> None:
        """Remove all rows of a table, and the one that says that it is whole."""
        self._sink._define(f"TRUNCATE TABLE IF EXISTS {self._sink._layout.itself(table)}", "emptying a table")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask as a user of clickhouse-connect would."""
        return [tuple(row) for row in self._sink._connected().query(sql).result_rows]

    def dicts(self, sql: str) -> list[dict[str, Any]]:
        """Ask as a user of clickhouse-connect would; rows by column name."""
        return [dict(row) for row in self._sink._connected().query(sql).named_results()]

    def json(self, sql: str) -> list[dict[str, Any]]:
        """Ask in JSON."""
        rows = json.loads(self._sink._connected().raw_query(sql, fmt="JSON"))["data"]
        assert isinstance(rows, list)
        return rows

    def query_json(self, sql: str) -> bytes:
        return b"".join(self._sink.stream_json(sql))

    def close(self) -> None:
        self._sink.close()


class EmbeddedProcess(BaseManager):
    """Runs embedded databases, all in one directory."""

    _open: Callable[[Path, str], Database]

    def __init__(self) -> None:
        super().__init__(ctx=multiprocessing.get_context("spawn"))

    def open(self, directory: Path, name: str) -> Database:
        """Open a database; what comes back behaves like a `Database`."""
        return self._open(directory, name)


def open_embedded(directory: Path, name: str) -> Database:
    """Open an embedded database in this process."""
    return Database(Embedded(directory), name)


EmbeddedProcess.register("_open", open_embedded)


def server_of(clickhouse: ClickHouse, **options: Any) -> Server:
    """The product's view of a server; the password its URL may hold goes through the environment."""
    parts = urlsplit(clickhouse.url)
    if parts.password:
        os.environ[PASSWORD_VARIABLE] = unquote(parts.password)
    user = f"{parts.username}@" if parts.username else ""
    return Server(f"{parts.scheme}://{user}{clickhouse.host}:{clickhouse.http_port}", **options)


def writer_was_here(data_dir: Path, server: ClickHouse, database: str) -> None:
    """Leave what a writer leaves that loaded into a server."""
    sink = {"kind": "server", "url": server_of(server).url, "database": database}
    DataDirectory(data_dir).status.write_text(json.dumps({"sink": sink}))


def executions(rows: Sequence[dict[str, Any]], session: int = 1, first_seq: int = 0) -> Records:
    """Records with these fields; what is not given is absent, words may stand for values."""
    records = np.zeros(len(rows), EXECUTION.dtype)
    values = {name: {word: value for value, word in words.items()} for name, words in EXECUTION.words.items()}
    for seq, row in enumerate(rows):
        records[seq] = blank(EXECUTION)[0]
        for name, value in {"session": session, "seq": first_seq + seq, **row}.items():
            encoded = value.encode() if isinstance(value, str) and name not in values else value
            records[seq][name] = values[name][encoded] if isinstance(encoded, str) else encoded
    return records


def check_line(error: BaseException, *parts: str) -> None:
    """The message is one line, and says all of that."""
    message = str(error)
    assert "\n" not in message and len(message) < 800, message
    for part in parts:
        assert part in message, message
