"""`ringbuf bench latency`: how long a record is under way."""

import time
from pathlib import Path
from typing import Any, Final

import click

from ringbuf.errors import RingbufError

from . import one_way
from .clickhouse_server import NO_SERVER, ClickHouse, clickhouse
from .distribution import Distribution, Samples, distribution
from .report import LABEL, Report, Section, bench_options
from .strategy_process import Recorded, StrategyProcess
from .workspace import Workspace, workspace
from .writer_process import STOP_SECONDS, WriterProcess, database_name

LOOK_SECONDS: Final = 0.005
ONE_WAY_NOTE: Final = (
    "From the stamp before publication to the consumer's clock after it saw the record, one record every millisecond, "
    "the two pinned to different cores. Adaptive: 200 looks, then pauses from 50 us to 500 us."
)
QUERYABLE_NOTE: Final = (
    "Queryable: seen by a SELECT, which runs every 5 ms on a connection of its own; so up to 5 ms too much. "
    "Acknowledged: the insert, as the writer itself reports it."
)


@click.command()
@click.option("--clickhouse", "url", metavar="URL", help="ClickHouse server. Default: one is started, if it can be.")
@bench_options
def latency(url: str | None, quick: bool, as_json: bool, plot_file: Path | None) -> None:
    """Time from ring to consumer, and from fill to queryable."""
    report = Report("latency", quick)
    with workspace() as work:
        report.sections.append(_ring_to_consumer(work, passes=1 if quick else 3, count=500 if quick else 2_000))
        with clickhouse(url, work) as server:
            if server is None:
                report.absent["fill to queryable"] = NO_SERVER
            else:
                report.sections.append(_fill_to_queryable(work, server, quick))
    report.publish(as_json, plot_file)


def _ring_to_consumer(work: Workspace, passes: int, count: int) -> Section:
    found: dict[str, list[Samples]] = {way.name: [] for way in one_way.WAYS}
    for _ in range(passes):
        for way in one_way.WAYS:
            found[way.name].append(one_way.measure(way, work, count))
    floor = Distribution.of(found[one_way.WAYS[0].name])
    rows = []
    for name, samples in found.items():
        each = Distribution.of(samples)
        rows.append({LABEL: name, **each.scaled(1e-3).figures(), "x_floor": each.best / floor.best})
    return Section("ring to consumer, one way", rows, ("best_p50", "p99", "p999"), "us", ONE_WAY_NOTE)


def _fill_to_queryable(work: Workspace, server: ClickHouse, quick: bool) -> Section:
    rows = []
    for rings, per_second, seconds in ((100, 200.0, 3 if quick else 30), (1, 1.0, 5 if quick else 60)):
        title = f"{per_second:g} fills/s over {rings} ring{'s' * (rings > 1)}"
        queryable, acknowledged = _queryable(work, server, rings, per_second, seconds)
        rows.append({LABEL: f"{title}: queryable", **_figures(queryable), "acknowledged_p99": acknowledged["p99"]})
    rows.append(_floor(work, server))
    return Section("fill to queryable", rows, ("p50", "p99", "max"), "ms", QUERYABLE_NOTE)


def _figures(found: Distribution) -> dict[str, Any]:
    return {"p50": found.p50, "p99": found.p99, "p999": found.p999, "max": found.max, "count": found.count}


def _queryable(
    work: Workspace, server: ClickHouse, rings: int, per_second: float, seconds: float
) -> tuple[Distribution, dict[str, Any]]:
    """Milliseconds from each record's append to the first SELECT that has it, and the writer's own figures."""
    database = database_name(work, f"latency_{rings}")
    strategies = StrategyProcess(rings, 1_024, work.namespace)
    try:
        with WriterProcess(work, server, database, work.namespace) as writer:
            writer.wait(lambda: writer.status()["rings"] == rings, "attach to all rings", STOP_SECONDS)
            strategies.start_recording(per_second, seconds)
            seen = _watch(server, database, round(per_second * seconds), seconds)
            recorded = strategies.recorded()
            time.sleep(1.0)  # for the last status
            acknowledged = writer.status()["latency_ms"]
            _check(server, database, recorded)
            return _latencies(server, database, seen), acknowledged
    finally:
        strategies.close()
        work.remove_rings()


def _watch(server: ClickHouse, database: str, count: int, seconds: float) -> dict[int, list[tuple[int, int]]]:
    """For each session: how far it was seen, and when."""
    seen: dict[int, list[tuple[int, int]]] = {}
    statement = f"SELECT session, max(seq) + 1 FROM {database}.executions GROUP BY session"
    deadline = time.monotonic() + seconds + 30
    with server.client() as client:
        total = 0
        while total < count:
            if time.monotonic() > deadline:
                raise RingbufError(f"of {count} records only {total} can be queried after {seconds + 30:.0f} s")
            begin = time.monotonic()
            rows = client.query(statement).result_rows
            now_ns = time.time_ns()
            for session, end in rows:
                steps = seen.setdefault(session, [])
                if not steps or steps[-1][0] < end:
                    steps.append((end, now_ns))
            total = sum(end for _, end in rows)
            time.sleep(max(0.0, begin + LOOK_SECONDS - time.monotonic()))
    return seen


def _check(server: ClickHouse, database: str, recorded: Recorded) -> None:
    """Every record must be there, once.

    Raises:
        RingbufError: it is not.
    """
    ((count, different),) = server.rows(f"SELECT count(), uniqExact(session, seq) FROM {database}.executions")
    if recorded.dropped or not count == different == recorded.accepted:
        raise RingbufError(f"{recorded} were recorded, {count} rows are stored, {different} of them different")


def _latencies(server: ClickHouse, database: str, seen: dict[int, list[tuple[int, int]]]) -> Distribution:
    statement = f"SELECT session, seq, toUnixTimestamp64Nano(captured_ns) FROM {database}.executions"
    found = []
    for session, seq, captured_ns in server.rows(statement):
        found.append((next(at for end, at in seen[session] if seq < end) - captured_ns) / 1e6)
    return distribution(found)


def _floor(work: Workspace, server: ClickHouse) -> dict[str, Any]:
    """One row into a table without anything else, and a SELECT that has it: what the server itself takes."""
    table = f"{database_name(work, 'latency_1')}.floor"
    found = []
    with server.client() as client:
        client.command(f"CREATE TABLE {table} (n UInt64) ENGINE = MergeTree ORDER BY n")
        for number in range(100):
            begin = time.perf_counter()
            client.insert(
                table, [[number]], column_names=["n"], column_type_names=["UInt64"], settings={"async_insert": 0}
            )
            client.query(f"SELECT max(n) FROM {table}")
            found.append((time.perf_counter() - begin) * 1e3)
    return {LABEL: "floor: insert of one row, and a SELECT", **_figures(distribution(found)), "acknowledged_p99": None}
