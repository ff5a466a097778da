"""Fixtures of tests in which something stands between the writer and its database, or is wrong with a table."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from clickhouse_connect.driver.client import Client

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.record.execution import EXECUTION
from ringbuf.sinks.clickhouse.engine import Server
from ringbuf.sinks.clickhouse.layout import Layout
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from ringbuf.sinks.clickhouse.table import SESSIONS
from ringbuf.sinks.clickhouse.views.definitions import create_views
from tests.numbered import Numbered
from tests.proxy import Proxy
from tests.writer_process import WriterProcess


@pytest.fixture(scope="session")
def kept_database(clickhouse_server: ClickHouse) -> Iterator[str]:
    """The name of a database with tables and views, which take seconds to make, for many tests."""
    name = f"test_{uuid4().hex[:16]}"
    with closing(ClickHouseSink(Server(clickhouse_server.url), name)) as sink:
        sink.prepare()
        sink.ensure(EXECUTION)
    yield name
    with clickhouse_server.client() as client:
        client.command(f"DROP DATABASE {name} SYNC")


@pytest.fixture
def emptied_database(clickhouse_server: ClickHouse, kept_database: str) -> str:
    """The name of a database that has its views and no record; for a test that leaves the views as they are."""
    with clickhouse_server.client() as client:
        found = client.query(f"SELECT name, engine FROM system.tables WHERE database = '{kept_database}'")
        for name, engine in found.result_rows:
            if name not in create_views(Layout(kept_database), {}):
                is_ours = name in (SESSIONS, EXECUTION.name) and engine != "View"
                client.command(f"{'TRUNCATE' if is_ours else 'DROP'} TABLE {kept_database}.{name} SYNC")
    return kept_database


@pytest.fixture
def proxy(clickhouse_server: ClickHouse) -> Iterator[Proxy]:
    """A proxy in front of the server all tests share."""
    with Proxy(clickhouse_server.host, clickhouse_server.http_port) as proxy:
        yield proxy


@pytest.fixture
def writer(data_dir: Path, proxy: Proxy, database: str) -> Iterator[WriterProcess]:
    """A writer behind the proxy, running."""
    arguments = ["--clickhouse", proxy.url, "--database", database, "--flush-ms", "10"]
    with WriterProcess(data_dir, *arguments) as writer:
        yield writer.wait_running()


@pytest.fixture
def client(clickhouse_server: ClickHouse) -> Iterator[Client]:
    with clickhouse_server.client() as client:
        yield client


@pytest.fixture
def numbered(client: Client, database: str) -> Iterator[Callable[[str], Numbered]]:
    """Gives a ring of a schema of this name at each call."""
    made: list[Numbered] = []

    def make(name: str) -> Numbered:
        made.append(Numbered(name, client, database))
        return made[-1]

    yield make
    for each in made:
        each.producer.close()
