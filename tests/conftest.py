"""Fixtures of all tests, and the rule that nothing is skipped where `RINGBUF_TEST_NO_SKIP` is set."""

import os
import platform
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from fnmatch import fnmatch
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from ringbuf.launch.clickhouse_server import URL_VARIABLE, ClickHouse, find_engine
from ringbuf.ring import name_watch, native
from ringbuf.ring.producer import Producer
from ringbuf.ring.registry import NAMESPACE_VARIABLE, SHARED_MEMORY
from ringbuf.ring.segment import IN_ORDER
from tests.clickhouse_server import NO_ENGINE, ClickHouseServer
from tests.cluster_servers import ClusterServers

pytest_plugins = ["tests.journals"]
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has processes in the background ignore it
NO_SKIP_VARIABLE = "RINGBUF_TEST_NO_SKIP"
HAS_PURE = native.CORE is None or platform.machine() in IN_ORDER
# No time decides about a test, nor do the characters hypothesis tabulates when it runs for the first time.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
ON_SERVER = (
    "derivation", "fills", "hedge_chains", "hedges", "inventory", "parameterised", "profit", "profit_states",
    "questions", "rules", "sums", "unique", "views",
)  # fmt: skip
"""Tests of what the database makes of records: `make test` has them on a server only."""
LONG = (
    "*/stragglers/test_straggler_kills.py::*",
    "*/faults/test_crash_steps.py::*-3?",
    "*/faults/test_keep_days.py::*embedded*",
    "*/faults/test_outage.py::test_an_outage_fills_the_journal_and_not_the_memory*",
    "*/faults/test_quarantine.py::*undisturbed*",
    "*/faults/test_removed.py::*delete-journal deleted*",
    "*/faults/test_removed.py::*partition-journal deleted*",
    "*/faults/test_removed.py::*truncate-journal deleted*",
    "*/faults/test_two_inserts.py::test_a_backlog_of_many_batches*",
    "*/faults/test_withheld.py::*embedded*",
    "*/clickhouse/*.py::*open_on_cluster*",
    "*/clickhouse/test_cluster.py::test_a_table_that_is_lost*",
    "*/clickhouse/test_cluster.py::test_histories*",
    "*/clickhouse/test_cluster.py::test_sums_of_closed_buckets*",
    "*/clickhouse/test_cluster.py::test_what_is_old*",
    "*/clickhouse/test_cluster.py::test_writers_at_different_servers*",
    "*/clickhouse/test_cluster.py::*killed_at_a_step*",
    "*/clickhouse/test_derivation.py::test_in_any_order*",
    "*/clickhouse/test_sums.py::test_a_moment_may_be_any*",
    "*/clickhouse/test_tools_questions.py::test_the_memory*",
    *(f"*/clickhouse/test_{name}.py::*embedded*" for name in ON_SERVER),
    "*/bench/test_runs.py::*",
)
"""What `make test` leaves to `make long`: all that is told of records once more on another engine or on a cluster,
kills at a step for the third time or of a straggler, whole benchmarks."""
IMPLEMENTATIONS = ["pure"] * HAS_PURE + ["native"] * (native.CORE is not None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that take long, before any are chosen by their marks."""
    for item in items:
        if any(fnmatch(item.nodeid, each) for each in LONG):
            item.add_marker("long")


@pytest.fixture(autouse=True)
def namespace(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A namespace of rings for this test alone; its rings are removed afterwards."""
    name = f"test-{uuid4().hex[:16]}"
    monkeypatch.setenv(NAMESPACE_VARIABLE, name)
    yield name
    for named in list(name_watch.watched):  # one that a test left open would make its ring anew
        name_watch.unwatch(named)
        if isinstance(named, Producer):
            named.close()
    for segment in SHARED_MEMORY.glob(f"ringbuf.{name}.*"):
        segment.unlink()


@pytest.fixture(params=IMPLEMENTATIONS)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test in pure Python, and once more with the native core where it is in use; its child processes too."""
    chosen: str = request.param
    monkeypatch.setenv(native.PURE_VARIABLE, "1" if chosen == "pure" else "0")
    if chosen == "pure":
        monkeypatch.setattr(native, "CORE", None)
    return chosen


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An empty directory for a writer."""
    directory = tmp_path / "data"
    directory.mkdir()
    return directory


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """The server all tests share; to kill one, use `new_clickhouse_server`."""
    if url := os.environ.get(URL_VARIABLE):
        yield ClickHouse(url)
        return
    server = ClickHouseServer(_engine(), tmp_path_factory.mktemp("clickhouse"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def new_clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], ClickHouseServer]]:
    """Gives a further running server at each call, on an empty directory, for a test that kills it."""
    engine = _engine()
    with ExitStack() as servers:

        def new() -> ClickHouseServer:
            server = ClickHouseServer(engine, tmp_path_factory.mktemp("clickhouse"))
            servers.callback(server.kill)
            server.start()
            return server

        yield new


@pytest.fixture(scope="session")
def cluster_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterServers]:
    """The cluster all tests share."""
    yield from _running_cluster(tmp_path_factory)


@pytest.fixture
def new_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterServers]:
    """A running cluster of a test that kills its servers."""
    yield from _running_cluster(tmp_path_factory)


def _running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterServers]:
    servers = ClusterServers(_engine(), lambda: tmp_path_factory.mktemp("shard"))
    servers.start()
    yield servers
    servers.end()


@pytest.fixture
def database(clickhouse_server: ClickHouse) -> Iterator[str]:
    """The name of a database that does not exist yet on the shared server; dropped afterwards."""
    name = f"test_{uuid4().hex[:16]}"
    yield name
    with clickhouse_server.client() as client:
        client.command(f"DROP DATABASE IF EXISTS {name} SYNC")


def _engine() -> str:
    return find_engine() or pytest.skip(NO_ENGINE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get(NO_SKIP_VARIABLE):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} may not be skipped ({NO_SKIP_VARIABLE} is set): {reason}"
