"""Few records: what they cost the server, and how long it takes until a fill is in an answer."""

import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ringbuf.bench.answering import Way
from ringbuf.bench.bench_writer import BenchWriter
from ringbuf.bench.distribution import Distribution, distribution
from ringbuf.bench.flow_process import FlowProcess, Recorded
from ringbuf.bench.order_flow import PER_ORDER
from ringbuf.bench.report import LABEL, Section
from ringbuf.bench.usage import Spent, watched
from ringbuf.errors import RingbufError
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.query.questions.selection import moment
from ringbuf.sinks.clickhouse.unique import MINUTE_NS, stored_fills

PER_SECOND: Final = 10.0
LOOK_SECONDS: Final = 0.05
LATE_SECONDS: Final = 30.0
IDLE: Final = "idle"
UNWATCHED: Final = f"{PER_SECOND:g} records/s"
WATCHED: Final = f"{PER_SECOND:g} records/s, a SELECT every {LOOK_SECONDS * 1e3:g} ms"
STATEMENTS: Final = "Query"
COUNTED: Final = "OSCPUVirtualTimeMicroseconds"
MERGES: Final = "MergeExecuteMilliseconds"
NOTE: Final = (
    "CPU of the server and of the writer as a share of a core. Of the server's, merges: how long it ran them; counted: "
    "merges and statements, what it counts itself; the rest is its own threads. Statements: all that it ran. p50, p99, "
    "max: from the append of a fill until a SELECT has seen it, which asks as `ringbuf fills --since` does, every "
    f"{LOOK_SECONDS * 1e3:g} ms and takes CPU of its own, so the same load runs once with nobody looking. Idle: the "
    "same writer without records, which is what its own watching and the server's housekeeping take."
)


class Span(NamedTuple):
    """What happened in some seconds.

    Attributes:
        events: how much the counters of the server grew, by their names; empty if there is no server.
        queryable: milliseconds until fills were seen, if anybody looked.
    """

    server: Spent
    writer: Spent
    events: Mapping[str, int]
    queryable: Distribution | None


class Trickle:
    """A load of few records a second in a database, whatever else is in there.

    Args:
        server: None for an embedded database; then the writer's process is the server.
        way: how to look.
    """

    def __init__(self, writer: BenchWriter, server: ClickHouse | None, way: Way, flow: FlowProcess) -> None:
        self._writer = writer
        self._server = server
        self._way = way
        self._flow = flow

    def measure(self, seconds: float) -> Section:
        """Each load for so many seconds."""
        found = {IDLE: self._span(seconds, orders=0, looks=False)}
        orders = max(1, round(PER_SECOND * seconds / PER_ORDER))
        found[UNWATCHED] = self._span(seconds, orders, looks=False)
        found[WATCHED] = self._span(seconds, orders, looks=True)
        rows = [_row(name, each) for name, each in found.items()]
        return Section(f"a trickle, {seconds:g} s each", rows, ("p50", "p99", "max"), "ms", NOTE)

    def wait_until_seen(self, since_ns: int, recorded: Recorded) -> None:
        """Look until all that was recorded since a time is in the answers, orders too."""
        self._watch_fills(since_ns, len(recorded.fills_ns))
        statement = (  # by their versions: the view `orders` would look through all there are
            "SELECT uniqExact(exchange, account, symbol, order_key) AS found FROM unique_orders"
            f" WHERE version >= {since_ns} AND first_captured_ns >= {moment(since_ns)}"
            " AND NOT is_removed AND NOT is_hard"
        )
        orders, deadline = recorded.records // PER_ORDER, time.monotonic() + LATE_SECONDS
        while (found := self._count(statement)) < orders:
            if time.monotonic() > deadline:
                raise RingbufError(f"of {orders} orders only {found} are in `unique_orders`", "see the writer's log")
            time.sleep(LOOK_SECONDS)

    def _watch_fills(self, since_ns: int, count: int) -> list[int]:
        """Look until so many fills since a time are in the answers; when each was first seen, ns since the epoch."""
        seen: list[int] = []
        rows = stored_fills(
            self._way.database.name, str(since_ns // MINUTE_NS), conditions=(f"exchange_ns >= {moment(since_ns)}",)
        )
        statement = f"SELECT count() AS found FROM {rows}"
        deadline = time.monotonic() + count / PER_SECOND + LATE_SECONDS
        while len(seen) < count:
            begin = time.monotonic()
            if begin > deadline:
                raise RingbufError(f"of {count} fills only {len(seen)} are in the view `fills`", "see the writer's log")
            seen += [time.time_ns()] * (self._count(statement) - len(seen))
            time.sleep(max(0.0, begin + LOOK_SECONDS - time.monotonic()))
        return seen

    def _count(self, statement: str) -> int:
        return int(self._way.database.rows(statement)[0]["found"])

    def _span(self, seconds: float, orders: int, *, looks: bool) -> Span:
        pid = self._server.pid if self._server is not None else None
        since_ns, before = time.time_ns(), self._events()
        seen: list[int] = []
        recorded = Recorded(0, [])
        with watched(pid) as server, watched(self._writer.pid) as writer:
            begin = time.monotonic()
            if orders:
                self._flow.start_recording(orders, PER_SECOND)
                if looks:
                    seen = self._watch_fills(since_ns, 2 * orders)
                recorded = self._flow.recorded()
            time.sleep(max(0.0, begin + seconds - time.monotonic()))
        events = {name: count - before[name] for name, count in self._events().items()}
        self.wait_until_seen(since_ns, recorded)
        delays = [(at - appended) / 1e6 for at, appended in zip(seen, recorded.fills_ns, strict=False)]
        return Span(server, writer, events, distribution(delays) if delays else None)

    def _events(self) -> dict[str, int]:
        """What the server has counted since its start."""
        if self._server is None:
            return {}
        found = dict(self._server.rows("SELECT event, toUInt64(value) FROM system.events"))
        return {name: int(found.get(name, 0)) for name in (STATEMENTS, COUNTED, MERGES)}


def _row(name: str, span: Span) -> dict[str, Any]:
    seconds, queryable = span.writer.seconds, span.queryable
    return {
        LABEL: name,
        "server_cpu_percent": span.server.share * 100 if span.server.last else None,
        "merges_percent": span.events[MERGES] / seconds / 10 if span.events else None,
        "counted_percent": span.events[COUNTED] / seconds / 10_000 if span.events else None,
        "writer_cpu_percent": span.writer.share * 100,
        "statements_per_s": span.events[STATEMENTS] / seconds if span.events else None,
        "p50": queryable and queryable.p50,
        "p99": queryable and queryable.p99,
        "max": queryable and queryable.max,
        "count": queryable and queryable.count,
    }
