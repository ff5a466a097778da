"""`ringbuf bench query`: how long answers take, by how long the history is, and what that costs an insert."""

import importlib.util
import time
from contextlib import AbstractContextManager, ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import click

from ringbuf.bench import insert_cost
from ringbuf.bench.answering import (
    FLOOR,
    Patience,
    Way,
    ask_in_turns,
    costs,
    logs_queries,
    over_http,
    rows,
    through_the_writer,
)
from ringbuf.bench.bench_writer import BenchWriter, database_name
from ringbuf.bench.flow_process import FlowProcess
from ringbuf.bench.history import Made
from ringbuf.bench.history_process import HistoryProcess, databases_of_a_part
from ringbuf.bench.order_flow import GAP_NS, PER_ORDER, STRATEGIES, SYMBOLS_EACH, OrderFlow
from ringbuf.bench.questions import questions
from ringbuf.bench.report import LABEL, Report, Section, bench_options
from ringbuf.bench.saved_runs import ANSWERS, saved_report
from ringbuf.bench.server import NO_SERVER, clickhouse, places
from ringbuf.bench.trickle import Trickle
from ringbuf.bench.workspace import Workspace, workspace
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.writer_process import STOP_SECONDS
from ringbuf.query.database import Database
from ringbuf.sinks.clickhouse.engine import Embedded, Engine, Server
from ringbuf.sinks.clickhouse.table import literal, quoted
from ringbuf.state.data_directory import DataDirectory

RECORDS: Final = 25_000_000
QUICK_RECORDS: Final = 200_000
LEAST_RECORDS: Final = 40_000
NEWEST: Final = 20_000
"""So many of the records go through the real writer."""
COMPARED: Final = 40_000
QUICK_COMPARED: Final = 8_000
PATIENCE: Final = Patience(200, 20.0)
QUICK_PATIENCE: Final = Patience(10, 2.0)
TRICKLE_SECONDS: Final = 30.0
QUICK_TRICKLE_SECONDS: Final = 5.0
STATEMENT_SECONDS: Final = 600.0
RECORD_SECONDS: Final = 1e-4
"""Making a history may take so long a record."""
RECORD_BYTES: Final = 150
"""What a record takes of the disk while tables are merged, with all that is derived from it."""
NO_DATABASE: Final = f"{NO_SERVER}; or install chdb"
QUESTIONS_NOTE: Final = (
    "First: asked once, then all questions in {rounds} rounds; a question that has taken {seconds:g} s in all is not "
    "asked again, so count is less; if it is 1, that may be the first time. p50, p99, max: until the last row has "
    "come. Rows: of the last answer. Memory, rows and bytes read: the most that one statement of a question took, from "
    "the server's query log. Which order, symbol or moment is asked for is another one each time. Last hour: the hour "
    "before the end of the history, and what came since; the history spans {hours:.1f} h. Through the writer: as the "
    "command asks, whose writer opens a connection for each question."
)
TABLES_NOTE: Final = (
    "The history was made inside the database in {made:.0f} s and merged for {merging:.0f} s; the newest {newest:,} "
    "records went through the writer. {compared:,} rows made so were compared with those that the writer stores and "
    "derives."
)


@click.command()
@click.option(
    "--records", type=click.IntRange(LEAST_RECORDS), help=f"How many. [default: {RECORDS:,}; quick: {QUICK_RECORDS:,}]"
)
@click.option(
    "--keys",
    type=click.Choice([str(each) for each in SYMBOLS_EACH]),
    default="100",
    show_default=True,
    help="How many positions come of them.",
)
@click.option(
    "--saved",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="What --json printed in an earlier run: show such runs beside each other, and measure nothing.",
)
@click.option("--clickhouse", "url", metavar="URL", help="ClickHouse server. Default: one is started, if it can be.")
@bench_options
def query(
    records: int | None,
    keys: str,
    saved: tuple[Path, ...],
    url: str | None,
    quick: bool,
    as_json: bool,
    plot_file: Path | None,
) -> None:
    """How long answers take in a long history. And what an insert costs there."""
    if saved:
        saved_report(saved).publish(as_json, plot_file)
        return
    report = Report("query", quick)
    count = records or (QUICK_RECORDS if quick else RECORDS)
    report.machine |= {"records": str(count), "keys": keys}
    with workspace() as work, clickhouse(url, work, room=RECORD_BYTES * count) as server:
        report.machine |= places(server, work)
        if server is None and importlib.util.find_spec("chdb") is None:
            report.absent["query"] = NO_DATABASE
        else:
            measure(work, server, report, count, int(keys))
    report.publish(as_json, plot_file)


def measure(work: Workspace, server: ClickHouse | None, report: Report, records: int, keys: int) -> None:
    """Make the history, add the newest part, and measure; into the report."""
    database = database_name(work, "query")
    writer = BenchWriter(work, server, database)
    orders = (records - NEWEST) // PER_ORDER
    flow = OrderFlow(keys, orders, time.time_ns() - orders * GAP_NS)
    try:
        compared, made = _make(_engine(server, writer), database, flow, report.quick)
        with ExitStack() as stack:
            strategies = stack.enter_context(FlowProcess(flow, work.namespace))
            stack.callback(work.remove_rings)
            stack.enter_context(writer)
            way = stack.enter_context(_way(server, writer, database))
            trickle = Trickle(writer, server, way, strategies)
            _record_newest(writer, strategies, trickle)
            note = TABLES_NOTE.format(made=made.seconds, merging=made.merging_seconds, newest=NEWEST, compared=compared)
            answers = _answers(server, writer, way, flow, report)
            report.sections += [Section("tables", _tables(way.database), note=note), answers]
            seconds = QUICK_TRICKLE_SECONDS if report.quick else TRICKLE_SECONDS
            report.sections.append(trickle.measure(seconds))
            following = flow.orders + strategies.orders
            check(way.database, flow, following, report)
        if server is None or not logs_queries(server):
            report.absent["an insert"] = "its cost is in the query log of a server, and there is none"
        else:
            sizes = insert_cost.QUICK_SIZES if report.quick else insert_cost.SIZES
            report.sections.append(insert_cost.insert_cost(server, database, flow, following, sizes))
    finally:
        if server is not None:
            for each in (database, *databases_of_a_part(database)):
                server.command(f"DROP DATABASE IF EXISTS {quoted(each)} SYNC")


def _engine(server: ClickHouse | None, writer: BenchWriter) -> Engine:
    if server is None:
        return Embedded(DataDirectory(writer.data_dir).embedded)
    return Server(server.url, timeout=STATEMENT_SECONDS)


def _way(server: ClickHouse | None, writer: BenchWriter, database: str) -> AbstractContextManager[Way]:
    return through_the_writer(writer.data_dir) if server is None else over_http(server, database)


def _make(engine: Engine, database: str, flow: OrderFlow, quick: bool) -> tuple[int, Made]:
    """Show on a part that the history is what the writer derives, then make all of it."""
    part = flow._replace(orders=(QUICK_COMPARED if quick else COMPARED) // PER_ORDER)
    with HistoryProcess(engine, database) as process:
        compared = process.check_equality(part)
        made = process.make(flow, STATEMENT_SECONDS + RECORD_SECONDS * PER_ORDER * flow.orders)
        process.end(STOP_SECONDS)  # then its database is closed
        return compared, made


def _record_newest(writer: BenchWriter, strategies: FlowProcess, trickle: Trickle) -> None:
    """Record the newest part, and wait until it is in the answers."""
    writer.wait_until(lambda: writer.status()["rings"] == STRATEGIES, "attach to all rings", STOP_SECONDS)
    since_ns = time.time_ns()
    recorded = strategies.record(NEWEST // PER_ORDER)
    trickle.wait_until_seen(since_ns, recorded)


def _answers(server: ClickHouse | None, writer: BenchWriter, way: Way, flow: OrderFlow, report: Report) -> Section:
    """All questions, and the floor beside them."""
    asked_of, patience = questions(flow), QUICK_PATIENCE if report.quick else PATIENCE
    prefix = f"{writer.data_dir.name}/"
    asked = ask_in_turns(way, [FLOOR, *asked_of], patience, prefix)
    table = rows(asked, way, costs(server, prefix) if server is not None else {})
    if server is not None:
        with through_the_writer(writer.data_dir) as other:
            table += rows(ask_in_turns(other, [FLOOR, asked_of[0]], patience), other, {})
    note = QUESTIONS_NOTE.format(rounds=patience.rounds, seconds=patience.seconds, hours=flow.orders * GAP_NS / 3.6e12)
    title = f"{ANSWERS}, {PER_ORDER * flow.orders + NEWEST:,} records, {flow.keys:,} positions"
    return Section(title, table, ("p50", "p99"), "ms", note)


def _tables(database: Database) -> list[dict[str, Any]]:
    """How large each table is."""
    found = database.rows(
        "SELECT table, sum(rows) AS count, count() AS parts, sum(bytes_on_disk) AS bytes FROM system.parts"
        f" WHERE active AND database = {literal(database.name)} GROUP BY table ORDER BY table"
    )
    return [
        {
            LABEL: each["table"],
            "rows": int(each["count"]),
            "parts": int(each["parts"]),
            "mb": int(each["bytes"]) / 1e6,
            "bytes_per_row": int(each["bytes"]) / int(each["count"]),
        }
        for each in found
    ]


def check(database: Database, flow: OrderFlow, orders: int, report: Report) -> None:
    """The answers must have every fill and every open order, of the history and of what came since, to the last digit.

    Args:
        orders: how many there are, with those of the history.
    """
    quantity, quote = flow.traded(orders)
    open_orders = "SELECT toString(count()) AS found FROM orders WHERE open_quantity != 0"
    sums = "SELECT toString(sum({})) AS found FROM positions"
    for what, expected, statement in (
        ("fills", Decimal(2 * orders), sums.format("fills")),
        ("quantity", quantity, sums.format("bought_quantity + sold_quantity")),
        ("price x quantity", quote, sums.format("bought_quote + sold_quote")),
        ("open orders", Decimal(flow.open_orders(orders)), open_orders),
    ):
        found = Decimal(database.rows(statement)[0]["found"])
        if found != expected:
            report.failed[what] = f"{expected:,f} were recorded, the answer has {found:,f}"
