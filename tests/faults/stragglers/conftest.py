"""Fixtures of the tests in which a schema falls behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ringbuf.launch.clickhouse_server import ClickHouse
from tests.writer_process import QUICK, WriterProcess


@pytest.fixture
def database(emptied_database: str) -> str:
    return emptied_database


@pytest.fixture
def writer(clickhouse_server: ClickHouse, database: str, data_dir: Path) -> Iterator[WriterProcess]:
    """A writer with small segments, which are removed at once; not yet started."""
    made = WriterProcess(data_dir, "--clickhouse", clickhouse_server.url, "--database", database, *QUICK)
    yield made
    made.kill()
