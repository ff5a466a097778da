"""`ringbuf bench scale`: what the writer and the strategies need, by the number of rings."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from .clickhouse_server import ClickHouse, clickhouse
from .distribution import Distribution, distribution
from .report import LABEL, Report, Section, bench_options
from .strategy_process import StrategyProcess
from .usage import Spent, watched
from .workspace import Workspace, workspace
from .writer_process import STOP_SECONDS, WriterProcess, database_name

CAPACITY: Final = 1_024
PER_RING: Final = 2.0
SETTLE_SECONDS: Final = 2.0
WRITER_NOTE: Final = (
    "The writer's process, all threads. RSS as the kernel splits it: own (RssAnon), libraries (RssFile), what of the "
    f"rings was touched (RssShmem; rings of {CAPACITY:,} records, 0.7 MB each). Wake-ups: voluntary context switches."
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
    """How much is measured."""

    rings: tuple[int, ...]
    seconds: float
    starts: int


FULL: Final = Extent((1, 10, 100, 1000), 20.0, 20)
QUICK: Final = Extent((1, 100), 4.0, 3)


@click.command()
@click.option("--clickhouse", "url", metavar="URL", help="ClickHouse server. Default: one is started, if it can be.")
@bench_options
def scale(url: str | None, quick: bool, as_json: bool, plot_file: Path | None) -> None:
    """CPU, memory, files and wake-ups of the writer by the number of rings; start-up of a strategy."""
    report = Report("scale", quick)
    extent = QUICK if quick else FULL
    with workspace() as work, clickhouse(url, work) as server:
        rows, openings = [], []
        for rings in extent.rings:
            found, opening = _with_rings(work, server, rings, extent.seconds)
            rows += found
            openings.append({LABEL: f"open and bind, {rings} rings one after the other", **_milliseconds(opening)})
        where = "a server" if server else "an embedded database"
        title = f"writer with {where}, idle and at {PER_RING:g} records/s per ring"
        report.sections.append(Section(title, rows, ("cpu_percent",), "% of a core", WRITER_NOTE))
        starts = [*openings, *_starts(work, extent.starts)]
        report.sections.append(Section("start-up of a strategy", starts, ("p50", "max"), "ms"))
    report.publish(as_json, plot_file)


def _with_rings(
    work: Workspace, server: ClickHouse | None, rings: int, seconds: float
) -> tuple[list[dict[str, Any]], Distribution]:
    strategies = StrategyProcess(rings, CAPACITY, work.namespace)
    try:
        with WriterProcess(work, server, database_name(work, f"scale_{rings}"), work.namespace) as writer:
            writer.wait(lambda: writer.status()["rings"] == rings, "attach to all rings", STOP_SECONDS)
            time.sleep(SETTLE_SECONDS)
            with watched(writer.pid) as idle:
                time.sleep(seconds)
            strategies.start_recording(PER_RING * rings, seconds + SETTLE_SECONDS)
            time.sleep(SETTLE_SECONDS / 2)
            with watched(writer.pid) as busy:
                time.sleep(seconds)
            recorded = strategies.recorded()
            writer.wait(lambda: writer.stored() >= recorded.accepted, "store everything", STOP_SECONDS)
    finally:
        strategies.close()
        work.remove_rings()
    records = PER_RING * rings * seconds
    extra = (busy.cpu / busy.seconds - idle.cpu / idle.seconds) * seconds / records * 1e6
    return [_row(f"{rings} rings, idle", idle, None), _row(f"{rings} rings, busy", busy, extra)], distribution(
        strategies.opening_ns
    )


def _row(name: str, spent: Spent, per_record: float | None) -> dict[str, Any]:
    assert spent.last is not None, "the writer runs"
    return {
        LABEL: name,
        "cpu_percent": spent.cpu / spent.seconds * 100,
        "wakeups_per_s": spent.wakeups / spent.seconds,
        "rss_own_mb": spent.last.own_mb,
        "rss_libraries_mb": spent.last.library_mb,
        "rss_rings_mb": spent.last.shared_mb,
        "files": spent.last.files,
        "cpu_us_per_record": per_record,
    }


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
