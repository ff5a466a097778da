"""Fixtures of the database's tests: those that use `store` or `views` run on a server and embedded."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.sinks.clickhouse.layers import TABLES
from tests.clickhouse.databases import Database, EmbeddedProcess, server_of, writer_was_here
from tests.cluster_servers import OWN_CLUSTER_VARIABLE, ClusterServers

collect_ignore = [] if OWN_CLUSTER_VARIABLE in os.environ else ["test_own_cluster.py"]


@pytest.fixture(scope="session")
def open_embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Database]]:
    """Opens embedded databases of one directory, in one process, which is started with the first."""
    directory = tmp_path_factory.mktemp("embedded")
    with EmbeddedProcess() as process:
        yield lambda name: process.open(directory, name)


@pytest.fixture(scope="session")
def open_on_server(clickhouse_server: ClickHouse) -> Callable[[str], Database]:
    """Opens databases on the server."""
    return lambda name: Database(server_of(clickhouse_server), name)


@pytest.fixture(scope="session")
def open_on_cluster(cluster_servers: ClusterServers) -> Callable[[str], Database]:
    """Opens databases on a cluster."""
    return lambda name: Database(cluster_servers.server, name)


@pytest.fixture(params=["open_on_server", "open_embedded"])
def store(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database that does not exist yet."""
    opened: Database = request.getfixturevalue(request.param)(f"test_{uuid4().hex[:16]}")
    yield opened
    opened.command(f"DROP DATABASE IF EXISTS {opened.name()} SYNC")
    opened.close()


@pytest.fixture
def on_server(open_on_server: Callable[[str], Database], database: str) -> Iterator[Database]:
    """A database on the server that does not exist yet."""
    opened = open_on_server(database)
    yield opened
    opened.close()


@pytest.fixture(scope="module", params=["open_on_server", "open_embedded"])
def _prepared(request: pytest.FixtureRequest) -> Iterator[Database]:
    opened: Database = request.getfixturevalue(request.param)(f"test_{uuid4().hex[:16]}")
    opened.set_up()
    yield opened
    opened.command(f"DROP DATABASE {opened.name()} SYNC")
    opened.close()


@pytest.fixture
def views(_prepared: Database) -> Database:
    """A database with tables and views, and no record."""
    for table in ("executions", *TABLES):
        _prepared.empty(table)
    return _prepared


@pytest.fixture
def ready(
    on_server: Database, clickhouse_server: ClickHouse, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Database:
    """A database with everything a writer makes, which the commands ask."""
    on_server.set_up()
    writer_was_here(data_dir, clickhouse_server, on_server.name())
    monkeypatch.setenv("RINGBUF_DATA_DIR", str(data_dir))
    return on_server
