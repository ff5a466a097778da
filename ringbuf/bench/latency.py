"""`ringbuf bench latency`: how long a record takes to arrive."""

from pathlib import Path
from typing import Final

import click

from ringbuf.bench import one_way, queryable
from ringbuf.bench.distribution import Distribution, Samples
from ringbuf.bench.report import LABEL, Report, Section, bench_options
from ringbuf.bench.server import NO_SERVER, clickhouse, places
from ringbuf.bench.workspace import Workspace, workspace

ONE_WAY_NOTE: Final = (
    "From the stamp before publication to the consumer's clock after it saw the record, one record every millisecond, "
    "the two pinned to different cores. Adaptive: 200 looks, then pauses from 50 us to 250 us."
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
            report.machine |= places(server, work)
            if server is None:
                report.absent["fill to queryable"] = NO_SERVER
            else:
                loads = queryable.QUICK if quick else queryable.FULL
                report.sections.append(queryable.fill_to_queryable(work, server, loads))
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
