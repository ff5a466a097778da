"""`ringbuf bench scale`: what the writer and the strategies need, by the number of rings."""

import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from ringbuf.bench.bench_writer import BenchWriter, database_name
from ringbuf.bench.distribution import Distribution, distribution
from ringbuf.bench.report import LABEL, Report, Section, bench_options
from ringbuf.bench.server import clickhouse, places
from ringbuf.bench.spawn import SPAWN
from ringbuf.bench.strategy_process import StrategyProcess
from ringbuf.bench.usage import Spent, watched
from ringbuf.bench.workspace import Workspace, workspace
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.writer_process import STOP_SECONDS
from ringbuf.record.execution import EXECUTION

CAPACITY: Final = 1_024
PER_RING: Final = 2.0
IN_ALL: Final = 1_000.0
NAP_SECONDS: Final = 0.010
SETTLE_SECONDS: Final = 2.0
FLOOR: Final = f"floor: sleeps {NAP_SECONDS * 1e3:g} ms at a time"
IDLE: Final = "idle"
EACH: Final = f"{PER_RING:g}/s each"
TOTAL: Final = f"{IN_ALL:,g}/s in all"
WRITER_NOTE: Final = (
    "The writer's process, all threads; of each line the round with the least CPU. RSS as the kernel splits it: own "
    "(RssAnon), libraries (RssFile), what of the rings was touched (RssShmem; rings of "
    f"{CAPACITY:,} records, {CAPACITY * EXECUTION.record_size / 1e6:.1f} MB each). Wake-ups: voluntary context "
    "switches. CPU per record: above that of the same "
    "writer when idle, in the same round. x fewest rings: the total load is the same, so it shows whether a record "
    "costs more with more rings. Floor: a Python process that does nothing else."
)
PROGRAM: Final = """
import sys, time
begin = time.perf_counter_ns()
from ringbuf.strategies import Recorder
imported = time.perf_counter_ns()
recorder = Recorder.open("start-up", namespace=sys.argv[1])
recorder.bind(exchange="deribit", account="A1", symbol="BTC-PERPETUAL", strategy="mm-btc")
print(imported - begin, time.perf_counter_ns() - imported)
"""


class Extent(NamedTuple):
    """How much is measured: numbers of rings, how often, how long under each load, and starts of a strategy."""

    rings: tuple[int, ...]
    rounds: int
    seconds: float
    starts: int


FULL: Final = Extent((1, 10, 100, 1000), 3, 10.0, 20)
QUICK: Final = Extent((1, 100), 1, 3.0, 3)


class Case(NamedTuple):
    """What was measured: a load and its number of rings; no rings for the floor, which is not a writer."""

    load: str
    rings: int


class Measured(NamedTuple):
    """What a process used under one load, in one round.

    Attributes:
        cpu_us: per record, above what it used when idle; None without records.
    """

    spent: Spent
    cpu_us: float | None


@click.command()
@click.option("--clickhouse", "url", metavar="URL", help="ClickHouse server. Default: one is started, if it can be.")
@bench_options
def scale(url: str | None, quick: bool, as_json: bool, plot_file: Path | None) -> None:
    """What the writer takes by the number of rings. CPU, memory, files and wake-ups; and the start of a strategy."""
    report = Report("scale", quick)
    extent = QUICK if quick else FULL
    with workspace() as work, clickhouse(url, work) as server:
        report.machine |= places(server, work)
        found, opening_ns = in_turns(work, server, extent)
        where = "a server" if server else "an embedded database"
        title = f"writer with {where}: idle, at {PER_RING:g} records/s per ring, at {IN_ALL:,g} records/s in all"
        report.sections.append(Section(title, rows(found), ("cpu_percent",), "% of a core", WRITER_NOTE))
        starts = [
            {LABEL: f"open and bind, {_rings(rings)} one after the other", **_milliseconds(distribution(each))}
            for rings, each in opening_ns.items()
        ]
        starts += _starts(work, extent.starts)
        report.sections.append(Section("start-up of a strategy", starts, ("p50", "max"), "ms"))
    report.publish(as_json, plot_file)


def in_turns(
    work: Workspace, server: ClickHouse | None, extent: Extent
) -> tuple[dict[Case, list[Measured]], dict[int, list[int]]]:
    """All numbers of rings in each round.

    Returns:
        what was used in each case, once for each round; and for each number of rings how long each took to open.
    """
    found: dict[Case, list[Measured]] = {}
    opening_ns: dict[int, list[int]] = {}
    for number in range(extent.rounds):
        found.setdefault(Case(FLOOR, 0), []).append(_floor(extent.seconds))
        for rings in extent.rings:
            database = database_name(work, f"scale_{number}_{rings}")
            strategies = StrategyProcess(rings, CAPACITY, work.namespace)
            try:
                opening_ns.setdefault(rings, []).extend(strategies.opening_ns)
                with BenchWriter(work, server, database) as writer:
                    for load, measured in _under_loads(writer, strategies, rings, extent.seconds).items():
                        found.setdefault(Case(load, rings), []).append(measured)
            finally:
                strategies.kill()
                work.remove_rings()
    return found, opening_ns


def _under_loads(writer: BenchWriter, strategies: StrategyProcess, rings: int, seconds: float) -> dict[str, Measured]:
    """What one writer uses, load by load."""
    writer.wait_until(lambda: writer.status()["rings"] == rings, "attach to all rings", STOP_SECONDS)
    time.sleep(SETTLE_SECONDS)
    with watched(writer.pid) as idle:
        time.sleep(seconds)
    found = {IDLE: Measured(idle, None)}
    for load, per_second in ((EACH, PER_RING * rings), (TOTAL, IN_ALL)):
        before = writer.stored()
        strategies.start_recording(per_second, seconds + SETTLE_SECONDS)
        time.sleep(SETTLE_SECONDS / 2)
        with watched(writer.pid) as busy:
            time.sleep(seconds)
        expected = before + strategies.recorded().accepted
        writer.wait_until(partial(_has_stored, writer, expected), "store everything", STOP_SECONDS)
        extra = busy.cpu / busy.seconds - idle.cpu / idle.seconds
        found[load] = Measured(busy, extra / per_second * 1e6)
    return found


def _has_stored(writer: BenchWriter, count: int) -> bool:
    return writer.stored() >= count


def _floor(seconds: float) -> Measured:
    process = SPAWN.Process(target=_nap, daemon=True)
    process.start()
    try:
        time.sleep(SETTLE_SECONDS)
        with watched(process.pid) as spent:
            time.sleep(seconds)
        return Measured(spent, None)
    finally:
        process.kill()
        process.join()


def _nap() -> None:
    while True:
        time.sleep(NAP_SECONDS)


def rows(found: dict[Case, list[Measured]]) -> list[dict[str, Any]]:
    """For each case the round that took the least CPU, load by load."""
    best = {case: min(rounds, key=lambda each: each.spent.share) for case, rounds in found.items()}
    fewest = next((each.cpu_us for case, each in best.items() if case.load == TOTAL), None)
    table = []
    for load in (FLOOR, IDLE, EACH, TOTAL):
        for case, (spent, cpu_us) in best.items():
            if case.load != load:
                continue
            assert spent.last is not None, "the process ran"
            table.append(
                {
                    LABEL: f"{load}, {_rings(case.rings)}" if case.rings else load,
                    "cpu_percent": spent.share * 100,
                    "wakeups_per_s": spent.wakeups / spent.seconds,
                    "rss_own_mb": spent.last.own_mb,
                    "rss_libraries_mb": spent.last.libraries_mb,
                    "rss_rings_mb": spent.last.shared_mb,
                    "files": spent.last.files,
                    "cpu_us_per_record": cpu_us,
                    "x_fewest_rings": cpu_us / fewest if load == TOTAL and cpu_us and fewest else None,
                }
            )
    return table


def _rings(count: int) -> str:
    return f"{count:,} ring{'s' * (count > 1)}"


def _starts(work: Workspace, count: int) -> list[dict[str, Any]]:
    """In fresh processes: import, then open and bind; and a Python that does nothing."""
    imports, opens, whole, bare = [], [], [], []
    for _ in range(count):
        begin = time.perf_counter_ns()
        command = [sys.executable, "-c", PROGRAM, work.namespace]
        answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        whole.append(time.perf_counter_ns() - begin)
        imported, opened = map(int, answer.split())
        imports.append(imported)
        opens.append(opened)
        work.remove_rings()
        begin = time.perf_counter_ns()
        subprocess.run([sys.executable, "-c", ""], check=True)
        bare.append(time.perf_counter_ns() - begin)
    named = {
        "import of ringbuf.strategies": imports,
        "open and bind, ring of 16,384": opens,
        "a process that does both, from start to end": whole,
        "floor: a Python process that does nothing": bare,
    }
    return [{LABEL: name, **_milliseconds(distribution(samples))} for name, samples in named.items()]


def _milliseconds(found: Distribution) -> dict[str, Any]:
    each = found.scaled(1e-6)
    return {"p50": each.p50, "p99": each.p99, "max": each.max, "count": each.count}
