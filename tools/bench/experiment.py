"""`ringbuf bench experiment`: orders of N exchange connections are saved, and the loop must not notice."""

import importlib.util
from pathlib import Path

import click

from ringbuf.errors import ConfigurationError

from .clickhouse_server import NO_SERVER, clickhouse
from .contender import INSTALL
from .report import Report, bench_options
from .workspace import workspace


@click.command()
@click.option("--clickhouse", "url", metavar="URL", help="ClickHouse server. Default: one is started, if it can be.")
@bench_options
def experiment(url: str | None, quick: bool, as_json: bool, plot_file: Path | None) -> None:
    """Save orders from N exchange connections: total time, and response time of each order."""
    if importlib.util.find_spec("websockets") is None:
        raise ConfigurationError(
            "the experiment needs the Python package 'websockets', which is not installed", INSTALL
        )
    from .experiment_runs import FULL, QUICK, Experiment, exchange

    report = Report("experiment", quick)
    with workspace() as work, clickhouse(url, work) as server, exchange() as port:
        embedded = server is None and importlib.util.find_spec("chdb") is not None
        if server is None:
            report.absent["ringbuf with a server" if embedded else "ringbuf"] = NO_SERVER
        runs = Experiment(work, server, port, report.failed)
        for plan in QUICK if quick else FULL:
            report.sections.append(runs.run(plan, with_ring=server is not None or embedded))
    report.publish(as_json, plot_file)
