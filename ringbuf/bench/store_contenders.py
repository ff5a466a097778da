"""Stores that a strategy could write to directly, with nothing in between."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from socket import create_server
from typing import Any, ClassVar, Final

import clickhouse_connect

from ringbuf.bench.contender import Absent, ConsumerContender, Contender, Counter, package
from ringbuf.bench.fills import Fill, Tally
from ringbuf.bench.timing import Style

COLUMNS: Final = Fill._fields
SQLITE_TYPES: Final = {str: "TEXT", float: "REAL", int: "INTEGER"}
CLICKHOUSE_TYPES: Final = {str: "String", float: "Float64", int: "UInt64"}
INSERT: Final = f"INSERT INTO fills VALUES ({', '.join('?' * len(COLUMNS))})"
READ_SECONDS: Final = 0.020


def columns(types: dict[type, str]) -> str:
    """The columns of a table of fills."""
    return ", ".join(f"{name} {types[kind]}" for name, kind in Fill.__annotations__.items())


def consume_sqlite(counter: Counter, path: Path) -> None:
    """Read what is new, 50 times a second."""
    connection = sqlite3.connect(path, timeout=60)
    counter.set_ready()
    last = 0
    while True:
        rows = connection.execute("SELECT rowid, exchange_seq FROM fills WHERE rowid > ?", (last,)).fetchall()
        if rows:
            last = rows[-1][0]
            counter.add([seq for _, seq in rows])
        time.sleep(READ_SECONDS)


class Sqlite(ConsumerContender):
    """A commit for each fill."""

    name = "sqlite3, default"
    burst = 10
    consume = consume_sqlite
    journal_mode: ClassVar[str] = "DELETE"

    def open(self) -> None:
        """Make the database, on the disk of the system's temporary files."""
        path = self.workspace.new_directory("sqlite") / "fills.db"
        self._connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        self._connection.execute(f"PRAGMA journal_mode = {self.journal_mode}")
        self._connection.execute(f"CREATE TABLE fills ({columns(SQLITE_TYPES)})")
        self.start_consumer(path)

    @property
    def call(self) -> Callable[..., Any]:
        """Insert and commit."""
        execute = self._connection.execute
        return lambda fill: execute(INSERT, fill)


class SqliteWal(Sqlite):
    """With a write-ahead log, a commit for each fill."""

    name = "sqlite3, WAL"
    burst = 100
    journal_mode = "WAL"


class SqliteThread(SqliteWal):
    """In a thread, awaited: the loop goes on, the handler waits."""

    name = "asyncio.to_thread(sqlite3, WAL)"
    style = Style.AWAITED

    @property
    def call(self) -> Callable[..., Any]:
        """Insert and commit in a thread."""
        execute = self._connection.execute
        return lambda fill: asyncio.to_thread(execute, INSERT, fill)


def consume_redis(counter: Counter, path: str, stream: str) -> None:
    """Read the stream as it grows."""
    client = package("redis").Redis(unix_socket_path=path)
    counter.set_ready()
    last = b"0"
    while True:
        for _, entries in client.xread({stream: last}, block=0):
            last = entries[-1][0]
            counter.add([int(fields[b"exchange_seq"]) for _, fields in entries])


class Redis(ConsumerContender):
    """XADD over a Unix socket, one for each fill, no persistence."""

    name = "Redis XADD"
    burst = 200
    consume = consume_redis

    def open(self) -> None:
        """Connect."""
        redis = package("redis")
        if self.services.redis is None:
            raise Absent(self.services.no_redis)
        client = redis.Redis(unix_socket_path=self.services.redis)
        client.ping()
        stream = f"{self.workspace.namespace}-fills"
        self._add = client.xadd
        self._stream = stream
        self.start_consumer(self.services.redis, stream)

    @property
    def call(self) -> Callable[..., Any]:
        """One command and its answer."""
        add, stream = self._add, self._stream
        return lambda fill: add(stream, fill._asdict())


class ClickHouseRow(Contender):
    """One insert of one row, synchronous."""

    name = "ClickHouse, one row"
    burst = 5

    _client: Any = None

    def open(self) -> None:
        """Make the table."""
        if self.services.clickhouse is None:
            raise Absent(self.services.no_clickhouse)
        self._client = clickhouse_connect.get_client(dsn=self.services.clickhouse, autogenerate_session_id=False)
        self._table = f"default.{self.workspace.namespace.replace('-', '_')}_fills"
        self._client.command(
            f"CREATE TABLE {self._table} ({columns(CLICKHOUSE_TYPES)}) ENGINE = MergeTree ORDER BY exchange_ns"
        )

    @property
    def call(self) -> Callable[..., Any]:
        """One insert."""
        insert, table, names = self._client.insert, self._table, list(COLUMNS)
        types = [CLICKHOUSE_TYPES[kind] for kind in Fill.__annotations__.values()]
        settings = {"async_insert": 0}
        return lambda fill: insert(table, [fill], column_names=names, column_type_names=types, settings=settings)

    def received(self) -> Tally | None:
        """What a query sees."""
        query = f"SELECT count(), groupBitXor(exchange_seq), sum(exchange_seq) FROM {self._table}"
        return Tally(*self._client.query(query).result_rows[0])

    def close(self) -> None:
        """Drop the table."""
        if self._client is not None:
            self._client.command(f"DROP TABLE IF EXISTS {self._table}")
            self._client.close()


def consume_lines(counter: Counter, port_file: Path) -> None:
    """Listen as QuestDB does, and count lines."""
    with create_server(("127.0.0.1", 0)) as listener:
        port_file.write_text(str(listener.getsockname()[1]))
        counter.set_ready()
        connection, _ = listener.accept()
        for line in connection.makefile("rb"):
            counter.add([int(line.rpartition(b"exchange_seq=")[2].partition(b"i")[0])])


class QuestDb(ConsumerContender):
    """The client's `row`, which writes into a buffer, sent at times. A process counts lines in QuestDB's place."""

    name = "QuestDB client row"
    burst = 1_000
    consume = consume_lines

    _sender: Any = None

    def open(self) -> None:
        """Connect."""
        questdb = package("questdb")
        port_file = self.workspace.new_directory("questdb") / "port"
        self.start_consumer(port_file)
        self._nanoseconds = questdb.TimestampNanos
        port = port_file.read_text()
        self._sender = questdb.Sender.from_conf(f"tcp::addr=127.0.0.1:{port};protocol_version=1;")
        self._sender.establish()

    @property
    def call(self) -> Callable[..., Any]:
        """One row."""
        row, at = self._sender.row, self._nanoseconds

        def send(fill: Fill) -> None:
            status, side, liquidity, price, quantity, total, fee, client_id, order_id, trade_id, currency, ns, seq = (
                fill
            )
            row(
                "fills",
                symbols={"order_status": status, "side": side, "liquidity": liquidity, "commission_currency": currency},
                columns={
                    "last_price": price,
                    "last_quantity": quantity,
                    "cumulative_quantity": total,
                    "commission": fee,
                    "client_order_id": client_id,
                    "order_id": order_id,
                    "trade_id": trade_id,
                    "exchange_seq": seq,
                },
                at=at(ns),
            )

        return send

    def finish_slice(self) -> None:
        """Send what the client still keeps."""
        self._sender.flush()

    def close(self) -> None:
        """Disconnect."""
        if self._sender is not None:
            self._sender.close()
        super().close()
