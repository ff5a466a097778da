"""`ringbuf bench append`: what one `fill` costs the strategy."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from .clickhouse_server import NO_SERVER, clickhouse
from .contender import CheckFailed, Contender, Services
from .distribution import Distribution, Samples
from .producer_process import ProducerProcess
from .queue_contenders import FasterFifo, Iceoryx, Pipe, PosixQueue, Queue, Zmq
from .redis_server import NO_SERVER as NO_REDIS
from .redis_server import redis_server
from .report import LABEL, Report, Section, bench_options
from .ring_contenders import NativeFill, NativeFloor, PackFloor, PureFill, Timer
from .store_contenders import ClickHouseRow, QuestDb, Redis, Sqlite, SqliteThread, SqliteWal
from .workspace import Workspace, workspace

FIRST: Final[list[type[Contender]]] = [Timer, NativeFloor, NativeFill]
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
    "best p50 is the median of the best round, which can be compared; the others are over all rounds. x C floor and "
    "x pack_into are ratios of best p50."
)


class Extent(NamedTuple):
    """How much is measured: rounds, and calls per round when paced."""

    rounds: int
    paced: int


FULL: Final = Extent(rounds=40, paced=250)
QUICK: Final = Extent(rounds=3, paced=100)


class Entry(NamedTuple):
    """A contender that can be measured, and the process it runs in."""

    kind: type[Contender]
    producer: ProducerProcess


@click.command()
@click.option("--clickhouse", "url", metavar="URL", help="ClickHouse server. Default: one is started, if it can be.")
@bench_options
def append(url: str | None, quick: bool, as_json: bool, plot_file: Path | None) -> None:
    """Cost of one fill to the strategy, beside two floors and beside what people use instead."""
    with workspace() as work, ExitStack() as stack:
        server = stack.enter_context(clickhouse(url, work))
        redis = stack.enter_context(redis_server(work))
        services = Services(server.url if server else None, NO_SERVER, redis, NO_REDIS)
        report = compare(work, services, QUICK if quick else FULL, Report("append", quick))
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


def _in_turns(entries: list[Entry], extent: Extent, gap_ns: int, failed: dict[str, str]) -> dict[str, list[Samples]]:
    """Many short rounds, every contender in each; the first, which warms up, does not count."""
    found: dict[str, list[Samples]] = {}
    for number in range(extent.rounds + 1):
        for kind, producer in entries:
            if kind.name in failed:
                continue
            count = min(kind.burst, extent.paced) if gap_ns else kind.burst
            try:
                samples = producer.measure(kind.name, count, gap_ns)
            except CheckFailed as error:
                failed[kind.name] = error.what
                found.pop(kind.name, None)
                continue
            if number:
                found.setdefault(kind.name, []).append(samples)
    return found


def rows(found: dict[str, list[Samples]]) -> list[dict[str, Any]]:
    """One row for each contender, cheapest first, floors included, in microseconds."""
    summaries = {name: Distribution.of(samples).scaled(1e-3) for name, samples in found.items()}
    table = []
    for name, each in sorted(summaries.items(), key=lambda item: item[1].best):
        row: dict[str, Any] = {LABEL: name, **each.figures()}
        for title, floor in (("x_c_floor", NativeFloor.name), ("x_pack_into", PackFloor.name)):
            row[title] = each.best / summaries[floor].best if floor in summaries else None
        table.append(row)
    return table
