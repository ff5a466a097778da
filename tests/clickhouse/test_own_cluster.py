"""The whole on a cluster of the user's own, with Keeper and replicas: `RINGBUF_TEST_CLUSTER=http://HOST:8123#NAME`.

It is collected only if that is set. It makes two databases, and drops them at the end.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.query.questions.selection import Selection
from ringbuf.sinks.clickhouse.layout import Cluster
from ringbuf.sinks.clickhouse.views.definitions import RECKONED
from ringbuf.sinks.clickhouse.views.orders import ORDERS
from ringbuf.sinks.clickhouse.views.positions import FILLS
from ringbuf.strategies import Recorder
from tests.clickhouse.databases import Database, server_of
from tests.clickhouse.test_cluster import ANSWERS, check_stored, record
from tests.clickhouse.test_profit import asked
from tests.clickhouse.test_unique import rows_of
from tests.cluster_servers import OWN_CLUSTER_VARIABLE
from tests.command import audit_totals, ringbuf
from tests.kept_profit import compare
from tests.numbered import wait_verified
from tests.writer_process import WriterProcess

URL, _, NAME = os.environ.get(OWN_CLUSTER_VARIABLE, "").partition("#")


@pytest.fixture
def name() -> Iterator[str]:
    """A database that does not exist yet; dropped afterwards."""
    name = f"test_{uuid4().hex[:16]}"
    yield name
    for each in (name, f"{name}_local"):
        ClickHouse(URL).command(f"DROP DATABASE IF EXISTS {each} ON CLUSTER `{NAME}` SYNC")


def test_everything_on_a_cluster_of_ones_own(name: str, data_dir: Path) -> None:
    server, recorder = ClickHouse(URL), Recorder.open("mm")
    spread = Database(server_of(server, cluster=Cluster(NAME)), name)
    with WriterProcess(data_dir, "--clickhouse", URL, "--cluster", NAME, "--database", name) as writer:
        for number in range(4):
            writer.wait_running()
            record(recorder, 100 * number, 100 * number + 100)
            writer.kill()
            writer.start()
        writer.wait_running()
        wait_verified(writer, recorder.producer)
        check_stored(server, name, 400)
        spread.close_sums()
        spread.fold()
        rebuilt = ringbuf("rebuild", "--data-dir", str(data_dir))
        assert rebuilt.returncode == 0, rebuilt.stderr
        check_stored(server, name, 400)
        writer.stop()
    for view, columns in {"orders": ORDERS, "fills": FILLS}.items():
        assert rows_of(spread, view, columns) == rows_of(spread, RECKONED[view], columns)
    for answer in ANSWERS:
        spread.rows(f"SELECT count() FROM {name}.{answer}")
    assert not compare(asked(spread), Selection())
    assert audit_totals(data_dir)[1] == 0
    spread.close()
