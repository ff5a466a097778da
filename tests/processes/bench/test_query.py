"""`ringbuf bench query` with a real server, a real writer and an embedded database."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.util import find_spec
from typing import Any

import pytest
from click.testing import CliRunner

from ringbuf.bench import answering, history, insert_cost, query, trickle
from ringbuf.bench import server as bench_server
from ringbuf.bench.answering import Patience, over_http
from ringbuf.bench.command import bench
from ringbuf.bench.equality import check_equality
from ringbuf.bench.history import make_history
from ringbuf.bench.history_process import HistoryProcess
from ringbuf.bench.order_flow import GAP_NS, PER_ORDER, OrderFlow
from ringbuf.bench.questions import questions
from ringbuf.bench.report import Report
from ringbuf.bench.server import clickhouse
from ringbuf.bench.workspace import Workspace, workspace
from ringbuf.errors import RingbufError
from ringbuf.launch.clickhouse_server import URL_VARIABLE, ClickHouse
from ringbuf.sinks.clickhouse.engine import Server
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from tests.clickhouse_server import NO_ENGINE

ORDERS = 500


@pytest.fixture(scope="module")
def surroundings() -> Iterator[tuple[Workspace, ClickHouse]]:
    with workspace() as work, clickhouse(None, work) as server:
        yield work, server or pytest.skip(NO_ENGINE)


@pytest.fixture
def engine(surroundings: tuple[Workspace, ClickHouse]) -> Server:
    return Server(surroundings[1].url)


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a run last seconds."""
    monkeypatch.setattr(query, "NEWEST", 800)
    monkeypatch.setattr(query, "QUICK_COMPARED", 800)
    monkeypatch.setattr(query, "QUICK_PATIENCE", Patience(1, 1.0))
    monkeypatch.setattr(query, "QUICK_TRICKLE_SECONDS", 1.0)
    monkeypatch.setattr(insert_cost, "QUICK_SIZES", {2_000: 1, 10: 2})
    monkeypatch.setattr(insert_cost, "EARLIER", 100)


def flow(keys: int = 100, orders: int = ORDERS) -> OrderFlow:
    return OrderFlow(keys, orders, time.time_ns() - orders * GAP_NS)


@pytest.mark.parametrize("keys", [100, 10_000])
def test_a_history_made_inside_the_server_is_what_the_writer_stores_and_derives(engine: Server, keys: int) -> None:
    records, fills, orders, ids = PER_ORDER * ORDERS, 2 * ORDERS, ORDERS, 2 * ORDERS
    assert check_equality(engine, ("stored", "made"), flow(keys)) == records + fills + orders + ids


@pytest.mark.parametrize(
    ("formulas", "column", "wrong", "finding"),
    [
        ("_fill", "traded_quote", "1", "unique_fills differs in traded_quote;"),
        ("_fill", "strategy", "if(i = 7, 'other', concat('s', leftPad(toString(s), 3, '0')))", "fills .* in strategy;"),
        ("_order", "executed_quantity", "0", "unique_orders differs in executed_quantity;"),
        ("_order", "record_ids", "[]", "unique_orders differs in record_ids;"),
        ("_known_id", "id", "'one'", r"known_ids differs in .*id"),
        ("_record", "client_order_id", "'one'", "executions differs in client_order_id;"),
    ],
)
def test_a_formula_that_is_not_what_the_writer_derives_is_found_out_with_its_column(
    engine: Server, formulas: str, column: str, wrong: str, finding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right: Callable[[OrderFlow], dict[str, str]] = getattr(history, formulas)
    monkeypatch.setattr(history, formulas, lambda flow: {**right(flow), column: wrong})
    with pytest.raises(RingbufError, match=finding):
        check_equality(engine, ("stored", "made"), flow(orders=100))


def test_a_row_that_is_missing_is_found_out(engine: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = history.insert_rows
    monkeypatch.setattr(
        "ringbuf.bench.equality.insert_rows",
        lambda client, database, flow, first, count: whole(client, database, flow, first, count - 1),
    )
    with pytest.raises(RingbufError, match=r"unique_fills differs in count\(\)"):
        check_equality(engine, ("stored", "made"), flow(orders=100))


def test_what_was_compared_is_dropped_even_if_it_differs(
    surroundings: tuple[Workspace, ClickHouse], engine: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_ORDER_KEY", "'one'")
    with pytest.raises(RingbufError):
        check_equality(engine, ("stored", "made"), flow(orders=100))
    assert not surroundings[1].rows("SELECT name FROM system.databases WHERE name IN ('stored', 'made')")


def test_a_column_that_the_benchmark_does_not_know_is_named(engine: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    right = history._fill
    monkeypatch.setattr(
        history, "_fill", lambda flow: {name: each for name, each in right(flow).items() if name != "traded_price"}
    )
    with pytest.raises(RingbufError, match="cannot make the column traded_price of derived rows"):
        make_history(engine, "unknown_column", flow(orders=10))


def test_what_goes_wrong_in_the_process_of_the_history_is_raised_here(engine: Server) -> None:
    with HistoryProcess(engine, "system") as process, pytest.raises(RingbufError, match="system"):
        process.make(flow(orders=10), 60.0)


def test_a_history_in_several_statements_is_whole_and_needs_no_deriving(
    surroundings: tuple[Workspace, ClickHouse], engine: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "AT_ONCE", 300)
    of_all = flow()
    made = make_history(engine, "several", of_all)
    assert made.records == PER_ORDER * ORDERS
    with closing(ClickHouseSink(engine, "several")) as sink:
        assert not sink.unique.pending()
    _, server = surroundings
    assert server.rows("SELECT sum(fills) FROM several.positions") == [(2 * ORDERS,)]
    assert server.rows("SELECT count() FROM several.orders WHERE open_quantity != 0") == [(of_all.open_orders(ORDERS),)]


def test_every_question_has_an_answer_with_its_cost(surroundings: tuple[Workspace, ClickHouse], engine: Server) -> None:
    _, server = surroundings
    make_history(engine, "asked", of_all := flow())
    asked_of = [answering.FLOOR, *questions(of_all)]
    with over_http(server, "asked") as way:
        asked = answering.ask_in_turns(way, asked_of, Patience(2, 60.0), "test/")
        table = answering.rows(asked, way, answering.costs(server, "test/"))
    assert [row["name"] for row in table] == [each.name for each in asked_of]
    assert {row["count"] for row in table} == {2}
    found = {row["name"]: row["rows"] for row in table}
    assert found["positions, all"] == found["positions, at a moment"] == found["profit, all"] == 100
    assert found["positions, one symbol"] == 10
    assert found["order, by venue id"] == found["order, by client id"] == 1
    assert found["last 100 fills, one symbol"] == 100
    assert found["volume, last hour by symbol"] == found["fees, last hour by symbol"] == 10
    assert all(row["rows"] for row in table)
    assert all(row["memory_mb"] > 0 and row["read_rows"] > 0 for row in table)
    assert all(0 < row["p50"] <= row["p99"] <= row["max"] for row in table)


def test_a_question_that_takes_long_is_asked_less_often(
    surroundings: tuple[Workspace, ClickHouse], engine: Server
) -> None:
    make_history(engine, "slow", of_all := flow(orders=100))
    with over_http(surroundings[1], "slow") as way:
        asked = answering.ask_in_turns(way, questions(of_all)[:1], Patience(5, 0.0))
        (row,) = answering.rows(asked, way, {})
    assert row["count"] == 1
    assert row["first"] == row["p50"] == row["max"]
    assert row["memory_mb"] is None


@pytest.mark.usefixtures("briefly")
def test_a_run_has_every_table_and_leaves_no_database(
    surroundings: tuple[Workspace, ClickHouse],
) -> None:
    work, server = surroundings
    before = server.rows("SELECT name FROM system.databases ORDER BY name")
    report = Report("query", True)
    query.measure(work, server, report, 4_000, 100)
    assert not report.failed
    assert not report.absent
    tables, answers, few, insert = (section.rows for section in report.sections)
    sizes = {row["name"]: row["rows"] for row in tables}
    assert sizes["executions"] == 4_000
    assert sizes["unique_fills"] >= 2_000
    assert answers[0]["name"] == answering.FLOOR.name
    assert answers[-1]["name"] == "positions, all, through the writer"
    assert [row["rows"] for row in answers if row["name"].startswith("profit")] == [100, 100, 1]
    assert [row["name"] for row in few] == [trickle.IDLE, trickle.UNWATCHED, trickle.WATCHED]
    assert few[-1]["count"] == 4
    assert few[-1]["p50"] > 0 and few[-1]["server_cpu_percent"] > 0 and few[0]["p50"] is None
    assert [row["name"] for row in insert] == ["2,000 records", "10 records"]
    assert all(0 < row["insert_cpu_ms"] < row["both_cpu_ms"] for row in insert)
    assert all(row["deriving_statements"] > 0 for row in insert)
    assert server.rows("SELECT name FROM system.databases ORDER BY name") == before


@pytest.mark.usefixtures("briefly")
@pytest.mark.skipif(find_spec("chdb") is None, reason="the embedded database is not installed")
def test_an_embedded_database_is_asked_through_its_writer() -> None:
    report = Report("query", True)
    with workspace() as work:
        query.measure(work, None, report, 4_000, 100)
    assert not report.failed
    assert set(report.absent) == {"an insert"}
    tables, answers, few = (section.rows for section in report.sections)
    sizes = {row["name"]: row["rows"] for row in tables}
    assert sizes["executions"] == 4_000
    assert sizes["unique_fills"] >= 2_000
    assert all(row["name"].endswith(", through the writer") and row["rows"] for row in answers)
    assert few[-1]["count"] == 4
    assert few[-1]["server_cpu_percent"] is None


def test_an_answer_without_every_fill_or_open_order_fails_the_check(
    surroundings: tuple[Workspace, ClickHouse], engine: Server
) -> None:
    make_history(engine, "checked", of_all := flow())
    report = Report("query", True)
    with over_http(surroundings[1], "checked") as way:
        query.check(way.database, of_all, ORDERS, report)
        assert not report.failed
        query.check(way.database, of_all, ORDERS + 100, report)
    assert report.failed["fills"] == "1,200 were recorded, the answer has 1,000"
    assert report.failed.keys() >= {"quantity", "price x quantity"}


def test_without_any_database_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    monkeypatch.setattr(bench_server, "find_engine", lambda: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found: dict[str, Any] = json.loads(CliRunner().invoke(bench, ["query", "--quick", "--json"]).stdout)
    assert found["absent"]["query"].endswith("or install chdb")
    assert not found["sections"]
