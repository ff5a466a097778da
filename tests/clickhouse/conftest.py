"""Fixtures of the database's tests: each that uses `store` runs on a server and embedded."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from ringbuf.writer.engine import PASSWORD_VARIABLE
from tests.clickhouse.databases import Database, EmbeddedProcess, password_of, server_of
from tests.clickhouse_server import ClickHouse


@pytest.fixture(scope="session")
def embedded_process() -> Iterator[EmbeddedProcess]:
    """The process in which chDB runs, started when the first test needs it."""
    with EmbeddedProcess() as process:
        yield process


@pytest.fixture
def on_server(clickhouse_server: ClickHouse, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database on the server that does not exist yet."""
    monkeypatch.setenv(PASSWORD_VARIABLE, password_of(clickhouse_server))
    opened = Database(server_of(clickhouse_server), database)
    yield opened
    opened.close()


@pytest.fixture
def embedded(embedded_process: EmbeddedProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """An embedded database that does not exist yet."""
    directory = tmp_path_factory.getbasetemp() / "embedded"
    opened = embedded_process.open(directory, f"test_{uuid4().hex[:16]}")
    yield opened
    opened.close()


@pytest.fixture(params=["on_server", "embedded"])
def store(request: pytest.FixtureRequest) -> Database:
    """A database that does not exist yet."""
    opened: Database = request.getfixturevalue(request.param)
    return opened
