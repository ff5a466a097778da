"""`ringbuf bench append`: what one `fill` costs the strategy."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from ringbuf.bench import machine
from ringbuf.bench.contender import CheckFailed, Contender, Services
from ringbuf.bench.distribution import Distribution
from ringbuf.bench.producer_process import ProducerProcess, Slice
from ringbuf.bench.queue_contenders import FasterFifo, Iceoryx, Pipe, PosixQueue, Queue, Zmq
from ringbuf.bench.report import LABEL, Report, Section, bench_options
from ringbuf.bench.ring_contenders import NativeFill, NativeFloor, NativeTextFill, PackFloor, PureFill, Timer
from ringbuf.bench.server import NO_SERVER, clickhouse, places
from ringbuf.bench.store_contenders import ClickHouseRow, QuestDb, Redis, Sqlite, SqliteThread, SqliteWal
from ringbuf.bench.workspace import Workspace, workspace
from ringbuf.launch.redis_server import NO_SERVER as NO_REDIS
from ringbuf.launch.redis_server import redis_server

FIRST: Final[list[type[Contender]]] = [Timer, NativeFloor, NativeFill, NativeTextFill]
PURE: Final[list[type[Contender]]] = [PackFloor, PureFill]
PEERS: Final[list[type[Contender]]] = [
    Queue,
    Pipe,
    Zmq,
    FasterFifo,
    Iceoryx,
    PosixQueue,
    Redis,
    SqliteWal,
    Sqlite,
    SqliteThread,
    ClickHouseRow,
    QuestDb,
]
GAP_NS: Final = 1_000_000
NOTE: Final = (
    "best p50 is the median of the best round, which can be compared; the others are over all rounds. x c floor and "
    "x pack into are ratios of best p50; x c floor p99 and p99.99 those of p99 and p99.99, which mean something from a "
    "factor of 2 on. gc runs: how often Python's garbage collector ran within the timed calls."
)


class Extent(NamedTuple):
    """How much is measured: rounds, and at most how many calls per round when paced.

    Contenders with slow calls have fewer: their `burst`.
    """

    rounds: int
    paced: int


FULL: Final = Extent(rounds=50, paced=500)
QUICK: Final = Extent(rounds=3, paced=100)


class Entry(NamedTuple):
    """A contender that can be measured, and the process it runs in."""

    kind: type[Contender]
    producer: ProducerProcess


@click.command()
@click.option("--clickhouse", "url", metavar="URL", help="ClickHouse server. Default: one is started, if it can be.")
@bench_options
def append(url: str | None, quick: bool, as_json: bool, plot_file: Path | None) -> None:
    """Cost of one fill to the strategy. Beside it two floors, and what people use instead."""
    with workspace() as work, ExitStack() as stack:
        server = stack.enter_context(clickhouse(url, work))
        redis = stack.enter_context(redis_server(work.new_directory("redis")))
        services = Services(server.url if server else None, NO_SERVER, redis, NO_REDIS)
        report = Report("append", quick)
        report.machine["sqlite"] = machine.place(work.directory)
        if server is not None:
            report.machine["server_data"] = places(server, work)["server_data"]
        compare(work, services, QUICK if quick else FULL, report)
    report.publish(as_json, plot_file)


def compare(work: Workspace, services: Services, extent: Extent, report: Report) -> Report:
    """Measure all contenders that are there, in turns."""
    with ExitStack() as stack:
        entries: list[Entry] = []
        for kinds, pure in ((FIRST, False), (PURE, True), (PEERS, False)):
            producer = ProducerProcess(kinds, work, services, pure=pure)
            stack.callback(producer.close)
            entries += [Entry(kind, producer) for kind in kinds if kind.name in producer.ready]
            report.absent |= producer.absent
        for title, gap_ns in (("in bursts", 0), (f"paced, one every {GAP_NS / 1e6:g} ms", GAP_NS)):
            found = _in_turns(entries, extent, gap_ns, report.failed)
            plotted = ("best_p50", "p99", "p999")
            report.sections.append(Section(f"cost of one fill, {title}", rows(found), plotted, "us", NOTE))
    return report


def _in_turns(entries: list[Entry], extent: Extent, gap_ns: int, failed: dict[str, str]) -> dict[str, list[Slice]]:
    """Many short rounds, every contender in each; the first, which warms up, does not count."""
    found: dict[str, list[Slice]] = {}
    for number in range(extent.rounds + 1):
        for kind, producer in entries:
            if kind.name in failed:
                continue
            count = min(kind.burst, extent.paced) if gap_ns else kind.burst
            try:
                measured = producer.measure(kind.name, count, gap_ns)
            except CheckFailed as error:
                failed[kind.name] = error.what
                found.pop(kind.name, None)
                continue
            if number:
                found.setdefault(kind.name, []).append(measured)
    return found


def rows(found: dict[str, list[Slice]]) -> list[dict[str, Any]]:
    """One row for each contender, cheapest first, floors included, in microseconds."""
    summaries = {
        name: Distribution.of([each.samples for each in slices]).scaled(1e-3) for name, slices in found.items()
    }
    table = []
    for name, each in sorted(summaries.items(), key=lambda item: item[1].best):
        row: dict[str, Any] = {LABEL: name, **each.figures(), "gc_runs": sum(one.gc_runs for one in found[name])}
        row["x_c_floor"] = _times(each, summaries.get(NativeFloor.name), "best")
        row["x_c_floor_p99"] = _times(each, summaries.get(NativeFloor.name), "p99")
        row["x_c_floor_p9999"] = _times(each, summaries.get(NativeFloor.name), "p9999")
        row["x_pack_into"] = _times(each, summaries.get(PackFloor.name), "best")
        table.append(row)
    return table


def _times(each: Distribution, floor: Distribution | None, figure: str) -> float | None:
    """A figure divided by that of the floor; None if either was not measured."""
    own, of_floor = getattr(each, figure), getattr(floor, figure, None)
    return None if own is None or of_floor is None else own / of_floor
