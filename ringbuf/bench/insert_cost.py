"""What an insert costs the server: the records alone, and the deriving of them."""

import statistics
import time
from contextlib import closing
from typing import Any, Final, NamedTuple, Self

import numpy as np

from ringbuf.bench.order_flow import PER_ORDER, STRATEGIES, OrderFlow
from ringbuf.bench.report import LABEL, Section
from ringbuf.errors import RingbufError
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.record.enumerations import ExecType
from ringbuf.record.execution import EXECUTION
from ringbuf.record.schema import Records
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.clickhouse.engine import Server
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from ringbuf.sinks.clickhouse.table import literal, quoted
from ringbuf.writer.derive.deriver import FEW, Deriver
from ringbuf.writer.derive.memory import rows_of

SIZES: Final = {100_000: 3, 10: 30}
"""How many inserts of each size are measured."""
QUICK_SIZES: Final = {10_000: 1, 10: 5}
EARLIER: Final = 1_000
"""So many records of the same orders are inserted before what is measured."""
CPU: Final = "ProfileEvents['UserTimeMicroseconds'] + ProfileEvents['SystemTimeMicroseconds']"
NOTE: Final = (
    "Medians of the inserts; CPU as the server's query log has it of each statement, which leaves out merges. Insert: "
    "the records alone, as the writer sends them. Deriving: the statements by which the writer's deriver makes rows of "
    "orders and fills from them. x insert: both together, as a multiple of the insert alone. Client: CPU of the "
    "deriver's own process. The records of an insert are captured one after another by 100 strategies, so most orders "
    "that few of them tell of are known already."
)


class Part(NamedTuple):
    """One of the two parts of one insert.

    Attributes:
        seconds: until it was done.
        cpu_ms: of the server.
        statements: how many it took.
        client_ms: CPU of this process.
    """

    seconds: float
    cpu_ms: float
    statements: int
    client_ms: float


class _Window:
    """The time of a part: what the server ran in it belongs to it.

    Attributes:
        begin_us, end_us: by the server's clock, us since the epoch.
    """

    def __init__(self, server: ClickHouse) -> None:
        self._server = server
        self.begin_us = self.end_us = 0
        self.seconds = self.client_ms = 0.0

    def __enter__(self) -> Self:
        self.begin_us = self._now_us()
        self.seconds, self.client_ms = -time.perf_counter(), -time.process_time() * 1e3
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter()
        self.client_ms += time.process_time() * 1e3
        self.end_us = self._now_us()

    def _now_us(self) -> int:
        return int(self._server.rows("SELECT toUnixTimestamp64Micro(now64(6))")[0][0])


def insert_cost(server: ClickHouse, database: str, flow: OrderFlow, first: int, sizes: dict[int, int]) -> Section:
    """Insert and derive records of orders that come after the history, as nobody else does meanwhile.

    Args:
        first: the number of the first order that is not recorded yet.
        sizes: how many inserts of each size.
    """
    rows = []
    session = flow.first_session
    with closing(ClickHouseSink(Server(server.url, timeout=600.0), database)) as sink:
        for size, count in sizes.items():
            session += 1_000
            deriver = Deriver(sink.unique, sink.sums)
            orders = -(-(EARLIER + size * count) // PER_ORDER)
            records = flow._replace(first_session=session).records(first, orders)
            first += orders
            _measured(server, sink, deriver, records[:EARLIER])
            begins = range(EARLIER, EARLIER + size * count, size)
            windows = [_measured(server, sink, deriver, records[each : each + size]) for each in begins]
            rows.append(_row(server, database, size, windows))
            _check(server, database, session, records[: begins.stop])
    return Section("an insert", rows, ("insert_cpu_ms", "both_cpu_ms"), "ms", NOTE)


def _check(server: ClickHouse, database: str, session: int, records: Records) -> None:
    """The answers must have every fill that was inserted.

    Raises:
        RingbufError: they have not.
    """
    ours = f"session >= {session} AND session < {session + STRATEGIES}"
    ((found,),) = server.rows(f"SELECT count() FROM {quoted(database)}.fills WHERE {ours}")
    expected = int((records["exec_type"] == ExecType.FILL).sum())
    if found != expected:
        raise RingbufError(f"of {expected} fills that were inserted and derived the view `fills` has {found}")


def _measured(server: ClickHouse, sink: ClickHouseSink, deriver: Deriver, records: Records) -> tuple[_Window, _Window]:
    """Insert some records, then derive them."""
    with _Window(server) as insert:
        token = f"cost {records['session'][0]} {records['seq'][0]}"
        sink.insert(EXECUTION, [memoryview(records.tobytes())], len(records), token)
    with _Window(server) as derive:
        deriver.remember(rows_of([memoryview(records.tobytes())]) if len(records) <= FEW else {})
        deriver.derive(_ranges(records))
    return insert, derive


def _ranges(records: Records) -> SeqSet:
    """The records by session; those of each are consecutive."""
    found = []
    for session in np.unique(records["session"]):
        seqs = records["seq"][records["session"] == session]
        found.append(Range.between(int(session), int(seqs.min()), int(seqs.max()) + 1))
    return SeqSet(found)


def _row(server: ClickHouse, database: str, size: int, windows: list[tuple[_Window, _Window]]) -> dict[str, Any]:
    server.command("SYSTEM FLUSH LOGS")
    inserts = [_part(server, database, insert) for insert, _ in windows]
    derivings = [_part(server, database, derive) for _, derive in windows]
    insert_ms = statistics.median(each.cpu_ms for each in inserts)
    both_ms = statistics.median(one.cpu_ms + other.cpu_ms for one, other in zip(inserts, derivings, strict=True))
    return {
        LABEL: f"{size:,} records",
        "insert_cpu_ms": insert_ms,
        "deriving_cpu_ms": statistics.median(each.cpu_ms for each in derivings),
        "both_cpu_ms": both_ms,
        "x_insert": both_ms / insert_ms if insert_ms else None,
        "insert_ms": statistics.median(each.seconds for each in inserts) * 1e3,
        "deriving_ms": statistics.median(each.seconds for each in derivings) * 1e3,
        "deriving_statements": round(statistics.median(each.statements for each in derivings)),
        "client_cpu_ms": statistics.median(each.client_ms for each in derivings),
        "count": len(windows),
    }


def _part(server: ClickHouse, database: str, window: _Window) -> Part:
    """What the server's query log has of a time."""
    ((cpu_us, statements),) = server.rows(
        f"SELECT sum({CPU}), count() FROM system.query_log WHERE type = 'QueryFinish'"
        f" AND query_start_time_microseconds >= fromUnixTimestamp64Micro(toInt64({window.begin_us}))"
        f" AND query_start_time_microseconds <= fromUnixTimestamp64Micro(toInt64({window.end_us}))"
        f" AND (has(databases, {literal(database)}) OR position(query, {literal(database)}) > 0)"
    )
    return Part(window.seconds, cpu_us / 1e3, int(statements), window.client_ms)
