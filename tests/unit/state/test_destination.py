"""A data directory loads into one database, by whatever name its files know it."""

import pytest

from ringbuf.sinks.clickhouse.engine import Server
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from ringbuf.state.destination import is_same


@pytest.mark.parametrize("url", ["http://db:8123", "http://[::1]:8123", "https://db:8443/path"])
def test_another_user_of_a_server_is_no_other_database(url: str) -> None:
    alone, other = (ClickHouseSink(Server(each), "d").destination for each in (url, url.replace("://", "://me@")))
    assert alone == other == f"database d, {url}"
    assert is_same(alone, alone.replace("http://", "").replace("https://", ""))  # as release 0.1.0 wrote it


@pytest.mark.parametrize("other", ["database e, http://db:8123", "database d, http://db:9", "database d, embedded"])
def test_another_server_or_name_is_another_database(other: str) -> None:
    assert not is_same("database d, http://db:8123", other)
