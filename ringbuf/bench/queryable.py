"""How long it takes until a query sees a fill, with the real writer."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from ringbuf.bench.bench_writer import BenchWriter, database_name
from ringbuf.bench.distribution import Distribution, distribution
from ringbuf.bench.report import LABEL, Section
from ringbuf.bench.strategy_process import StrategyProcess
from ringbuf.bench.workspace import Workspace
from ringbuf.errors import RingbufError
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.writer_process import STOP_SECONDS
from ringbuf.writer.service.service import LONGEST_IDLE_SECONDS, Settings

CAPACITY: Final = 1_024
LOOK_SECONDS: Final = 0.010
LATE_SECONDS: Final = 30.0
STATUS_SECONDS: Final = 1.0
FIGURES: Final = ("p50", "p99", "p999", "max", "count")
NOTE: Final = (
    "Queryable: from the fill until a SELECT has seen it, which is: up to "
    f"{LONGEST_IDLE_SECONDS * 1e3:g} ms until the writer looks at an idle ring, up to "
    f"{Settings.sync_interval * 1e3:g} ms until the journal is synced, and the sync; the rest of the "
    f"{Settings.flush_interval * 1e3:g} ms from one insert to the next, or of the insert before; the insert; and up to "
    f"{LOOK_SECONDS * 1e3:g} ms until the next SELECT. That counts rows, which costs a server little more than SELECT "
    "1; only when there are more it asks which. Acknowledged: the same load without any SELECT, until the answer to "
    "the insert, as the writer itself measures it. Inserts: those of that run, as the server's query log has them."
)


class Load(NamedTuple):
    """How many fills, in how many rings, for how long."""

    rings: int
    per_second: float
    seconds: float

    @property
    def title(self) -> str:
        """The load in a few words."""
        return f"{self.per_second:g}/s over {self.rings} ring{'s' * (self.rings > 1)}"


FULL: Final = (Load(100, 200.0, 60.0), Load(1, 1.0, 120.0))
QUICK: Final = (Load(100, 200.0, 3.0), Load(1, 1.0, 5.0))


def fill_to_queryable(work: Workspace, server: ClickHouse, loads: Sequence[Load]) -> Section:
    """Each load, once watched by queries and once not, and what the server alone takes."""
    rows = []
    for number, load in enumerate(loads):
        queryable = _watched(work, server, load, database_name(work, f"watched_{number}"))
        acknowledged, inserts = _unwatched(work, server, load, database_name(work, f"unwatched_{number}"))
        rows.append(_row(f"{load.title}: queryable", queryable.figures()))
        rows.append(_row(f"{load.title}: acknowledged", acknowledged))
        rows.append(_row(f"{load.title}: inserts", inserts.figures()))
    floor = _floor(server, database_name(work, "floor"))
    rows.append(_row("floor: insert of one row, and a SELECT", floor.figures()))
    return Section("fill to queryable", rows, ("p50", "p99", "max"), "ms", NOTE)


def _row(name: str, figures: dict[str, Any]) -> dict[str, Any]:
    return {LABEL: name, **{figure: figures.get(figure) for figure in FIGURES}}


@contextmanager
def _recording(work: Workspace, server: ClickHouse, load: Load, database: str) -> Iterator[BenchWriter]:
    """A load that begins now, with its writer. At the end every record must be stored exactly once.

    Raises:
        RingbufError: it is not.
    """
    strategies = StrategyProcess(load.rings, CAPACITY, work.namespace)
    try:
        with BenchWriter(work, server, database) as writer:
            writer.wait_until(lambda: writer.status()["rings"] == load.rings, "attach to all rings", STOP_SECONDS)
            strategies.start_recording(load.per_second, load.seconds)
            yield writer
            recorded = strategies.recorded()
            writer.wait_until(lambda: writer.stored() >= recorded.accepted, "store everything", STOP_SECONDS)
            ((count, different),) = server.rows(f"SELECT count(), uniqExact(session, seq) FROM {database}.executions")
            if recorded.dropped or not count == different == recorded.accepted:
                raise RingbufError(f"{recorded} were recorded, {count} rows are stored, {different} of them different")
    finally:
        strategies.kill()
        work.remove_rings()


def _watched(work: Workspace, server: ClickHouse, load: Load, database: str) -> Distribution:
    """Milliseconds from each record's append to the first SELECT that has it."""
    with _recording(work, server, load, database):
        seen = _watch(server, database, load)
    found = []
    for session, seq, captured_ns in server.rows(
        f"SELECT session, seq, toUnixTimestamp64Nano(captured_ns) FROM {database}.executions"
    ):
        found.append((next(at for end, at in seen[session] if seq < end) - captured_ns) / 1e6)
    return distribution(found)


def _watch(server: ClickHouse, database: str, load: Load) -> dict[int, list[tuple[int, int]]]:
    """For each session: how far it was seen, and when. Looks until everything was."""
    how_many = f"SELECT count() FROM {database}.executions"
    which = f"SELECT session, max(seq) + 1 FROM {database}.executions GROUP BY session"
    seen: dict[int, list[tuple[int, int]]] = {}
    expected, total, known = round(load.per_second * load.seconds), 0, b""
    deadline = time.monotonic() + load.seconds + LATE_SECONDS
    with server.client() as client:
        while total < expected:
            begin = time.monotonic()
            if begin > deadline:
                raise RingbufError(f"of {expected} records only {total} can be queried {LATE_SECONDS:.0f} s later")
            rows = client.raw_query(how_many, settings={"log_queries": 0})
            if rows != known:
                known = rows
                answer = client.raw_query(which, settings={"log_queries": 0})
                now_ns = time.time_ns()
                ends = {int(session): int(end) for session, end in map(bytes.split, answer.splitlines())}
                for session, end in ends.items():
                    steps = seen.setdefault(session, [])
                    if not steps or steps[-1][0] < end:
                        steps.append((end, now_ns))
                total = sum(ends.values())
            time.sleep(max(0.0, begin + LOOK_SECONDS - time.monotonic()))
    return seen


def _unwatched(work: Workspace, server: ClickHouse, load: Load, database: str) -> tuple[dict[str, Any], Distribution]:
    """What the writer says of its records' latency, and what the server says its inserts took, milliseconds."""
    with _recording(work, server, load, database) as writer:
        time.sleep(load.seconds + STATUS_SECONDS)
        acknowledged: dict[str, Any] = writer.status()["latency_ms"]
    server.command("SYSTEM FLUSH LOGS")
    inserts = server.rows(
        "SELECT toUnixTimestamp64Micro(event_time_microseconds) - toUnixTimestamp64Micro(query_start_time_microseconds)"
        " FROM system.query_log WHERE type = 'QueryFinish' AND query_kind = 'Insert'"
        f" AND has(tables, '{database}.executions') AND written_rows > 0"
    )
    return acknowledged, distribution(microseconds / 1e3 for (microseconds,) in inserts)


def _floor(server: ClickHouse, database: str) -> Distribution:
    """One row into a table without anything else, and a SELECT that has it: what the server itself takes."""
    table = f"{database}.one_row"
    found = []
    with server.client() as client:
        client.command(f"CREATE DATABASE {database}")
        client.command(f"CREATE TABLE {table} (n UInt64) ENGINE = MergeTree ORDER BY n")
        for number in range(100):
            begin = time.perf_counter()
            client.insert(
                table, [[number]], column_names=["n"], column_type_names=["UInt64"], settings={"async_insert": 0}
            )
            client.query(f"SELECT max(n) FROM {table}")
            found.append((time.perf_counter() - begin) * 1e3)
    return distribution(found)
