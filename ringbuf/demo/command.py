"""`ringbuf demo`: the whole path from a strategy's fill to a row in ClickHouse, and the proof that nothing is lost."""

import importlib.util
import json
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from ringbuf.demo.monitor import Figures
from ringbuf.demo.result import added
from ringbuf.demo.run import Options, run
from ringbuf.demo.verdict import Verdict
from ringbuf.errors import ConfigurationError

PIPE_WIDTH: Final = 120
INSTALL: Final = "pip install 'ringbuf-capture[demo]'"


def _check_installed(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise ConfigurationError(f"the demo needs the Python package {package!r}, which is not installed", INSTALL)


@click.command()
@click.option(
    "--strategies", default=4, show_default=True, type=click.IntRange(1, 256), help="Strategy processes to run."
)
@click.option(
    "--rate",
    default=200.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Records per second, of all strategies together.",
)
@click.option(
    "--seconds", default=10.0, show_default=True, type=click.FloatRange(0, 86_400, min_open=True), help="How long."
)
@click.option("--clickhouse", metavar="URL", help="ClickHouse server, for example http://db:8123. Default: embedded.")
@click.option("--database", default="ringbuf_demo", show_default=True, help="Database to create the tables in.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory of the writer, which is kept. Default: a temporary one, which is removed.",
)
@click.option("--seed", default=1, show_default=True, help="Of what exchanges and strategies do at random.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, all else to stderr.")
@click.pass_context
def demo(ctx: click.Context, /, as_json: bool, **given: Any) -> None:
    """Run two simulated exchanges, strategies that trade and hedge there, and a writer; prove that nothing is lost.

    Each exchange serves WebSockets from a process of its own. It loses, delays, repeats and reorders its messages, and
    cuts each connection once. Each strategy, a process too, makes markets on the first exchange, hedges on the second
    one, and records what happens. One real writer stores it in ClickHouse. The demo kills the writer and a strategy
    once; kill them (kill -9) as often as you like.

    The exit code is 0 only if every record is stored exactly once, everything is hedged, and order pages, inventories,
    exchanges and database say the same to the last digit.
    """
    options = Options(**given)
    _check_installed("websockets")
    if options.clickhouse is None:
        _check_installed("chdb")
    console = Console(stderr=as_json, highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    try:
        verdict, figures = run(options, console)
    except KeyboardInterrupt:
        console.print("interrupted; the demo has removed its processes, rings and temporary files")
        raise
    if as_json:
        click.echo(json.dumps(described(options, verdict, figures)))
    ctx.exit(0 if verdict.is_good else 1)


def described(options: Options, verdict: Verdict, figures: Figures) -> dict[str, Any]:
    """The result as JSON."""
    return {
        "captured": verdict.captured,
        "journaled": figures.journaled,
        "stored": verdict.stored,
        "lost": verdict.lost,
        "duplicated": verdict.duplicated,
        "dropped": figures.dropped,
        "latency_ms": {"p50": figures.p50, "p99": figures.p99},
        "positions_equal": not verdict.agreement.differences,
        "differences": verdict.agreement.differences,
        "proven": verdict.audit.is_proven,
        "strategies": options.strategies,
        "rate": options.rate,
        "seconds": options.seconds,
        "restarts": figures.restarts,
        "strategy_restarts": sum(each.starts - 1 for each in verdict.results),
        "faults": added(each.faults for each in verdict.results),
        "found": added(each.found for each in verdict.results),
    }
