"""The benchmarks with a real writer and a real server: they account for every record."""

from collections.abc import Iterator

import pytest

from ringbuf.bench import drain, scale
from ringbuf.bench.bench_writer import BenchWriter
from ringbuf.bench.experiment_client import SAVINGS, HiddenRingSaving, RingSaving
from ringbuf.bench.experiment_runs import Exchange, Experiment, Plan
from ringbuf.bench.queryable import Load, fill_to_queryable
from ringbuf.bench.server import clickhouse
from ringbuf.bench.workspace import Workspace, workspace
from ringbuf.launch.clickhouse_server import ClickHouse
from tests.clickhouse_server import NO_ENGINE


@pytest.fixture(scope="module")
def surroundings() -> Iterator[tuple[Workspace, ClickHouse]]:
    with workspace() as work, clickhouse(None, work) as server:
        yield work, server or pytest.skip(NO_ENGINE)


def test_the_servers_limit_is_measured_with_the_records_the_writer_stored(
    surroundings: tuple[Workspace, ClickHouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    work, server = surroundings
    contents = []

    def look_and_drop(server: ClickHouse, database: str) -> None:
        columns = "session, seq, captured_ns, client_order_id, last_price"
        contents.append(server.rows(f"SELECT count(), groupBitXor(cityHash64({columns})) FROM {database}.executions"))
        server.command(f"DROP DATABASE {database} SYNC")

    monkeypatch.setattr(drain, "_drop", look_and_drop)
    section = drain.compare(work, server, rings=2, rounds=1)

    writer, *limits = section.rows
    assert [row["name"] for row in limits] == list(drain.LIMITS.values())
    assert {row["records"] for row in section.rows} == {2 * drain.CAPACITY}
    assert {row["inserts"] for row in limits} == {writer["inserts"]}
    assert max(row["x_limit"] for row in limits) == 1
    assert all(row["client_cpu_us"] > 0 for row in section.rows)
    assert len(contents) == 3
    assert contents[0] == contents[1] == contents[2]


def test_every_fill_is_seen_by_a_query_and_timed(surroundings: tuple[Workspace, ClickHouse]) -> None:
    section = fill_to_queryable(*surroundings, [Load(3, 60.0, 1.0)])
    counts = {row["name"]: row["count"] for row in section.rows}
    assert counts["60/s over 3 rings: queryable"] == counts["60/s over 3 rings: acknowledged"] == 60
    assert 1 <= counts["60/s over 3 rings: inserts"] <= 60
    assert all(row["p50"] > 0 for row in section.rows)


def test_a_writer_is_watched_under_every_load_beside_a_process_that_only_sleeps(
    surroundings: tuple[Workspace, ClickHouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale, "SETTLE_SECONDS", 0.2)
    found, opening_ns = scale.in_turns(*surroundings, scale.Extent((1, 3), 1, 0.4, 0))
    loads = (scale.IDLE, scale.EACH, scale.TOTAL)
    assert set(found) == {scale.Case(scale.FLOOR, 0), *(scale.Case(load, rings) for load in loads for rings in (1, 3))}
    assert {rings: len(each) for rings, each in opening_ns.items()} == {1: 1, 3: 3}
    assert all(each.spent.cpu > 0 for rounds in found.values() for each in rounds)
    ((busy,), (floor,)) = found[scale.Case(scale.TOTAL, 3)], found[scale.Case(scale.FLOOR, 0)]
    assert busy.cpu_us is not None
    assert floor.cpu_us is None


def test_the_experiment_finds_every_order_in_the_database_whenever_the_writer_saw_its_ring(
    surroundings: tuple[Workspace, ClickHouse],
) -> None:
    work, server = surroundings
    failed: dict[str, str] = {}
    with BenchWriter(work, server, "experiment") as writer, Exchange() as exchange:
        section = Experiment(work, exchange, writer, server.pid, failed).run(Plan(3, 20, 0.001, 1, 1))
        ((stored,),) = server.rows("SELECT count() FROM experiment.executions")
    assert not failed
    table = {row["name"]: row for row in section.rows}
    assert table.keys() == SAVINGS.keys()
    assert {row["saved"] for row in section.rows} == {table[RingSaving.name]["saved"]}
    assert stored == table[RingSaving.name]["saved"] + table[HiddenRingSaving.name]["saved"] > 0
