"""`ringbuf bench drain`: how fast full rings get into the database, beside what its server takes at most."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import numpy as np

from ringbuf import registry
from ringbuf.errors import RingbufError
from ringbuf.execution import EXECUTION
from ringbuf.observer import Observer
from ringbuf.writer.engine import Server
from ringbuf.writer.sink import ClickHouseSink

from .clickhouse_server import NO_SERVER, ClickHouse, clickhouse
from .report import LABEL, Report, Section, bench_options
from .strategy_process import StrategyProcess
from .usage import Spent, watched
from .workspace import Workspace, workspace
from .writer_process import WriterProcess, database_name

CAPACITY: Final = 16_384
END_SECONDS: Final = 300.0
LOOK_SECONDS: Final = 0.25
NOTE: Final = (
    "Server's limit: the same records, sent from memory in batches of the sizes the writer used, one insert after the "
    "other on one connection (as the writer does), or on two. Client: the writer, or who sends from memory. Rounds in "
    "turns; the best of each."
)


class Round(NamedTuple):
    """One way to bring all records into the database, once.

    Attributes:
        batches: records of each insert.
        client, server: what the two processes used; the client is the writer, or who sends from memory.
    """

    records: int
    seconds: float
    batches: list[int]
    client: Spent
    server: Spent

    @property
    def rate(self) -> float:
        """Records per second."""
        return self.records / self.seconds


@click.command()
@click.option("--clickhouse", "url", metavar="URL", help="ClickHouse server. Default: one is started, if it can be.")
@bench_options
def drain(url: str | None, quick: bool, as_json: bool, plot_file: Path | None) -> None:
    """Records per second from full rings into ClickHouse."""
    report = Report("drain", quick)
    with workspace() as work, clickhouse(url, work) as server:
        if server is None:
            report.absent["drain"] = NO_SERVER
        else:
            report.sections.append(compare(work, server, rings=8 if quick else 48, rounds=1 if quick else 3))
    report.publish(as_json, plot_file)


def compare(work: Workspace, server: ClickHouse, rings: int, rounds: int) -> Section:
    """Drain with the real writer, then send the same straight from memory, several times in turns."""
    drained, one, two = [], [], []
    for number in range(rounds):
        done = _drain(work, server, rings, database_name(work, f"drain_{number}"))
        drained.append(done)
        records = _records(done.records)
        one.append(_send(server, database_name(work, f"one_{number}"), records, done.batches, connections=1))
        two.append(_send(server, database_name(work, f"two_{number}"), records, done.batches, connections=2))
    limit = max(each.rate for each in one)
    rows = [
        _row("writer, from full rings", max(drained, key=lambda each: each.rate), limit),
        _row("server's limit, one connection", max(one, key=lambda each: each.rate), limit),
        _row("server's limit, two connections", max(two, key=lambda each: each.rate), limit),
    ]
    return Section(f"drain, {rings} rings of {CAPACITY:,}", rows, ("records_per_s",), "records/s", NOTE)


def _row(name: str, each: Round, limit: float) -> dict[str, Any]:
    return {
        LABEL: name,
        "records_per_s": each.rate,
        "x_limit": each.rate / limit,
        "records": each.records,
        "inserts": len(each.batches),
        "client_cpu_us": each.client.cpu / each.records * 1e6,
        "server_cpu_us": each.server.cpu / each.records * 1e6 if each.server.last else None,
        "x_server_cpu": each.client.cpu / each.server.cpu if each.server.last else None,
    }


def _drain(work: Workspace, server: ClickHouse, rings: int, database: str) -> Round:
    """Let a running writer find full rings, all at once."""
    hidden = f"{work.namespace}-full"
    strategies = StrategyProcess(rings, CAPACITY, hidden)
    try:
        count = strategies.fill_up().accepted
        with (
            WriterProcess(work, server, database, work.namespace) as writer,
            watched(writer.pid) as used,
            watched(server.pid) as used_by_server,
        ):
            _show(hidden, work.namespace)
            begin_ns = _attached(work)
            _wait_until_stored(server, database, count)
        batches, end_ns = _inserts(server, database)
        if sum(batches) != count:
            raise RingbufError(f"{count} records were in the rings, the server's query log has inserts of {batches}")
        return Round(count, (end_ns - begin_ns) / 1e9, batches, used, used_by_server)
    finally:
        strategies.close()
        for name in registry.ring_names(hidden):
            registry.remove(name, space=hidden, force=True)
        work.remove_rings()


def _show(hidden: str, namespace: str) -> None:
    """Let the rings of one namespace appear in another one."""
    for name in registry.ring_names(hidden):
        old, new = (registry.segment_name(name, space)[1:] for space in (hidden, namespace))
        (registry.SHARED_MEMORY / old).rename(registry.SHARED_MEMORY / new)


def _wait_until_stored(server: ClickHouse, database: str, count: int) -> None:
    deadline = time.monotonic() + END_SECONDS
    statement = f"SELECT count() FROM {database}.executions"
    with server.client() as client:
        while client.query(statement).result_rows[0][0] < count:
            if time.monotonic() > deadline:
                raise RingbufError(f"{count} records were not stored within {END_SECONDS:.0f} s")
            time.sleep(LOOK_SECONDS)


def _attached(work: Workspace) -> int:
    """Wait until the writer is attached to the first ring: when it finds rings is not what is measured.

    Returns:
        when that was, ns since the epoch.
    """
    name = registry.ring_names(work.namespace)[0]
    observer = Observer.open(name, namespace=work.namespace)
    with closing(observer):
        while not observer.state().consumer_alive:
            time.sleep(0.001)
    return time.time_ns()


def _inserts(server: ClickHouse, database: str) -> tuple[list[int], int]:
    """Records of each insert, and when the last one was done, ns since the epoch, as the server's query log says."""
    server.command("SYSTEM FLUSH LOGS")
    rows = server.rows(
        "SELECT written_rows, toUnixTimestamp64Micro(event_time_microseconds) FROM system.query_log"
        " WHERE type = 'QueryFinish' AND query_kind = 'Insert'"
        f" AND has(tables, '{database}.executions') AND written_rows > 0 ORDER BY event_time_microseconds"
    )
    return [count for count, _ in rows], rows[-1][1] * 1_000 if rows else 0


def _records(count: int) -> memoryview:
    """As many different records as the rings had, of the same content, in memory."""
    strategies_namespace = f"bench-sample-{time.time_ns()}"
    sample = StrategyProcess(1, CAPACITY, strategies_namespace)
    try:
        sample.fill_up()
        observer = Observer.open("s0000", namespace=strategies_namespace)
        with closing(observer):
            records = observer.read(0, CAPACITY).records
    finally:
        sample.close()
        registry.remove("s0000", space=strategies_namespace, force=True)
    data = (records.tobytes() * (count // CAPACITY + 1))[: count * EXECUTION.record_size]
    whole = np.frombuffer(bytearray(data), EXECUTION.dtype)
    whole["seq"] = np.arange(count)
    return memoryview(whole.view(np.uint8).data).cast("B")


def _send(server: ClickHouse, database: str, records: memoryview, batches: Sequence[int], connections: int) -> Round:
    """Send batches from memory through the writer's own sink, into a table like the writer's."""
    size = EXECUTION.record_size
    begins = np.concatenate([[0], np.cumsum(batches)])[:-1].tolist()
    work = [
        (records[begin * size : (begin + count) * size], count) for begin, count in zip(begins, batches, strict=True)
    ]
    sinks = [ClickHouseSink(Server(server.url), database) for _ in range(connections)]
    sinks[0].ensure_table(EXECUTION)
    for sink in sinks:
        sink.query_json("SELECT 1")

    def send(number: int) -> None:
        for index in range(number, len(work), connections):
            body, count = work[index]
            sinks[number].insert(EXECUTION, [body], count, f"{database}-{index}")

    with (
        ThreadPoolExecutor(connections) as threads,
        watched(os.getpid()) as used,
        watched(server.pid) as used_by_server,
    ):
        begin = time.monotonic()
        list(threads.map(send, range(connections)))
        seconds = time.monotonic() - begin
    for sink in sinks:
        sink.close()
    stored = server.rows(f"SELECT count() FROM {database}.executions")[0][0]
    if stored != sum(batches):
        raise RingbufError(f"of {sum(batches)} records sent from memory {stored} are stored")
    server.command(f"DROP DATABASE {database}")
    return Round(stored, seconds, list(batches), used, used_by_server)
