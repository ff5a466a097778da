"""`ringbuf bench drain`: how fast full rings get into the database, beside what its server takes at most."""

import statistics
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from ringbuf.bench.bench_writer import BenchWriter, database_name
from ringbuf.bench.report import LABEL, Report, Section, bench_options
from ringbuf.bench.sender_process import SenderProcess
from ringbuf.bench.server import NO_SERVER, clickhouse, places
from ringbuf.bench.strategy_process import StrategyProcess
from ringbuf.bench.usage import Spent, watched
from ringbuf.bench.workspace import Workspace, workspace
from ringbuf.errors import RingbufError
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.ring import registry
from ringbuf.ring.observer import Observer

CAPACITY: Final = 16_384
END_SECONDS: Final = 300.0
LOOK_SECONDS: Final = 0.25
WRITER: Final = "writer, from full rings"
LIMITS: Final = {1: "server's limit, one connection", 2: "server's limit, two connections"}
NOTE: Final = (
    "The writer's time begins when it attaches to the first ring and ends with its last insert. Server's limit: the "
    "records of the writer's journal, sent from memory by a process of its own through the writer's sink, in inserts "
    "of the sizes that the server's query log has of the writer. Client: the writer, or that process. Rounds in turns, "
    "the best of each; x limit is against the faster of the limits, x limit median the median of that over the rounds."
)


class Round(NamedTuple):
    """One way to bring all records into the database, once.

    Attributes:
        batches: records of each insert.
        client, server: what the two processes used; the client is the writer, or the process that sends from memory.
    """

    seconds: float
    batches: list[int]
    client: Spent
    server: Spent

    @property
    def records(self) -> int:
        """How many there were."""
        return sum(self.batches)

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
        report.machine |= places(server, work)
        if server is None:
            report.absent["drain"] = NO_SERVER
        else:
            report.sections.append(compare(work, server, rings=8 if quick else 48, rounds=2 if quick else 5))
    report.publish(as_json, plot_file)


def compare(work: Workspace, server: ClickHouse, rings: int, rounds: int) -> Section:
    """Drain with the real writer, then send the same straight from memory, several times in turns."""
    found: dict[str, list[Round]] = {WRITER: [], **{name: [] for name in LIMITS.values()}}
    for number in range(rounds):
        journal, drained = _drain(work, server, rings, database_name(work, f"drain_{number}"))
        found[WRITER].append(drained)
        for connections in sorted(LIMITS, reverse=bool(number % 2)):
            database = database_name(work, f"limit_{number}_{connections}")
            found[LIMITS[connections]].append(_send(journal, server, database, drained.batches, connections))
    return Section(f"drain, {rings} rings of {CAPACITY:,}", rows(found), ("records_per_s",), "records/s", NOTE)


def rows(found: dict[str, list[Round]]) -> list[dict[str, Any]]:
    """The best round of each, and how it compares with the faster of the server's limits."""
    fastest = [
        max(rates) for rates in zip(*([one.rate for one in found[name]] for name in LIMITS.values()), strict=True)
    ]
    return [_row(name, rounds, fastest) for name, rounds in found.items()]


def _row(name: str, rounds: list[Round], fastest: list[float]) -> dict[str, Any]:
    best = max(rounds, key=lambda each: each.rate)
    served = best.server.last is not None
    return {
        LABEL: name,
        "records_per_s": best.rate,
        "x_limit": best.rate / max(fastest),
        "x_limit_median": statistics.median(each.rate / limit for each, limit in zip(rounds, fastest, strict=True)),
        "records": best.records,
        "inserts": len(best.batches),
        "largest_insert": max(best.batches),
        "client_cpu_us": best.client.cpu / best.records * 1e6,
        "server_cpu_us": best.server.cpu / best.records * 1e6 if served else None,
        "x_server_cpu": best.client.cpu / best.server.cpu if served else None,
        "rounds": len(rounds),
    }


def _drain(work: Workspace, server: ClickHouse, rings: int, database: str) -> tuple[Path, Round]:
    """Let a running writer find full rings, all at once.

    Returns:
        the directory of its journal, and what it took.
    """
    strategies = StrategyProcess(rings, CAPACITY, work.hidden)
    try:
        count = strategies.fill_up().accepted
        with (
            BenchWriter(work, server, database) as writer,
            watched(writer.pid) as used,
            watched(server.pid) as used_by_server,
        ):
            work.show_rings()
            begin_ns = _attached(work)
            _wait_until_stored(server, database, count)
        batches, end_ns = _inserts(server, database)
        if sum(batches) != count:
            raise RingbufError(f"{count} records were in the rings, the server's query log has inserts of {batches}")
        _drop(server, database)
        return writer.data_dir / "journal", Round((end_ns - begin_ns) / 1e9, batches, used, used_by_server)
    finally:
        strategies.kill()
        work.remove_rings()


def _wait_until_stored(server: ClickHouse, database: str, count: int) -> None:
    deadline = time.monotonic() + END_SECONDS
    statement = f"SELECT count() FROM {database}.executions"
    with server.client() as client:
        while client.query(statement).result_rows[0][0] < count:
            if time.monotonic() > deadline:
                raise RingbufError(f"{count} records were not stored within {END_SECONDS:.0f} s")
            time.sleep(LOOK_SECONDS)


def _attached(work: Workspace) -> int:
    """Wait until the writer is attached to the first ring; how long it takes to find rings is not measured here.

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
        f" AND tables = ['{database}.executions'] AND written_rows > 0 ORDER BY event_time_microseconds"
    )
    return [count for count, _ in rows], rows[-1][1] * 1_000 if rows else 0


def _send(journal: Path, server: ClickHouse, database: str, batches: list[int], connections: int) -> Round:
    """Send the records of a journal from memory, into a table like the writer's."""
    with (
        SenderProcess(journal, server.url, database, batches, connections) as sender,
        watched(sender.pid) as used,
        watched(server.pid) as used_by_server,
    ):
        seconds = sender.send()
    stored = server.rows(f"SELECT count() FROM {database}.executions")[0][0]
    if stored != sum(batches):
        raise RingbufError(f"of {sum(batches)} records sent from memory {stored} are stored")
    _drop(server, database)
    return Round(seconds, batches, used, used_by_server)


def _drop(server: ClickHouse, database: str) -> None:
    """Remove a database; its merges would slow the next round."""
    server.command(f"DROP DATABASE {database} SYNC")
