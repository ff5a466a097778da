"""Fixtures of tests in which something stands between the writer and its database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ringbuf.launch.clickhouse_server import ClickHouse
from tests.proxy import Proxy
from tests.writer_process import WriterProcess


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
