"""`ringbuf bench experiment`: an event loop saves the orders of N exchange connections and must not become slower."""

import importlib.util
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click

from ringbuf.bench.bench_writer import BenchWriter, database_name
from ringbuf.bench.contender import INSTALL
from ringbuf.bench.report import Report, bench_options
from ringbuf.bench.server import NO_SERVER, clickhouse, places
from ringbuf.bench.workspace import workspace
from ringbuf.errors import ConfigurationError

FLUSH_MS: Final = 1_000
"""Not more often, because the database shares this host: an insert costs it 20 ms, even with few records."""


@click.command()
@click.option("--clickhouse", "url", metavar="URL", help="ClickHouse server. Default: one is started, if it can be.")
@bench_options
def experiment(url: str | None, quick: bool, as_json: bool, plot_file: Path | None) -> None:
    """Save orders from N exchange connections. Total time, and response time of each order."""
    if importlib.util.find_spec("websockets") is None:
        raise ConfigurationError(
            "the experiment needs the Python package 'websockets', which is not installed", INSTALL
        )
    from ringbuf.bench.experiment_runs import FULL, QUICK, Exchange, Experiment

    report = Report("experiment", quick)
    with workspace() as work, clickhouse(url, work, idle=True) as server, ExitStack() as stack:
        report.machine |= places(server, work)
        embedded = server is None and importlib.util.find_spec("chdb") is not None
        if server is None:
            report.absent["ringbuf with a server" if embedded else "ringbuf"] = NO_SERVER
        writer = None
        if server is not None or embedded:
            database = database_name(work, "experiment")
            writer = stack.enter_context(BenchWriter(work, server, database, flush_ms=FLUSH_MS))
            writer.lower_priority()
        exchange = stack.enter_context(Exchange())
        runs = Experiment(work, exchange, writer, server.pid if server else None, report.failed)
        report.sections += [runs.run(plan) for plan in (QUICK if quick else FULL)]
    report.publish(as_json, plot_file)
