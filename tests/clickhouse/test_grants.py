"""The grants that OPERATING lists are all that a writer and the tools need."""

import re
from pathlib import Path
from typing import Final

import pytest

from ringbuf.launch.waiting import wait_until
from tests.checkout import ROOT
from tests.clickhouse_server import ClickHouseServer
from tests.cluster_servers import NAME
from tests.command import count, ringbuf
from tests.faults.test_keep_days import KEPT, LaterWriter, Orders
from tests.numbered import wait_derived

USER: Final = "ringbuf"
PASSWORD: Final = "pass word"
OF_CLUSTER: Final = " " * 6
"""A grant that only a cluster needs is indented so far, in a list."""


def users(*, on_cluster: bool) -> str:
    """Users of a server, one with just the grants that are listed."""
    listed = re.findall(rf"^( +)(GRANT .*) TO {USER};$", (ROOT / "docs" / "OPERATING.md").read_text(), re.MULTILINE)
    everywhere = [grant for indent, grant in listed if indent != OF_CLUSTER]
    assert len(listed) > len(everywhere) > 0
    grants = [grant for _, grant in listed] if on_cluster else everywhere
    return f"""
<clickhouse>
    <profiles><default/></profiles>
    <quotas><default/></quotas>
    <users>
        <default><password/><networks><ip>127.0.0.1</ip></networks></default>
        <{USER}>
            <password>{PASSWORD}</password><networks><ip>127.0.0.1</ip></networks>
            <grants>{"".join(f"<query>{each}</query>" for each in grants)}</grants>
        </{USER}>
    </users>
</clickhouse>
"""


@pytest.fixture(params=["server", "cluster"])
def options(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options of a writer that connects as this user."""
    monkeypatch.setenv("RINGBUF_CLICKHOUSE_USER", USER)
    monkeypatch.setenv("RINGBUF_CLICKHOUSE_PASSWORD", PASSWORD)
    monkeypatch.setattr(ClickHouseServer, "users", users(on_cluster=request.param == "cluster"))
    if request.param == "server":
        server = request.getfixturevalue("new_clickhouse_server")()
        return ["--clickhouse", server.url, *KEPT]
    shards = [each.url for each in request.getfixturevalue("new_cluster").shards]
    return ["--clickhouse", shards[0], "--cluster", NAME, *(f"--shard={each}" for each in shards), *KEPT]


def test_the_grants_that_are_documented_are_enough(options: list[str], data_dir: Path) -> None:
    orders, views = Orders(), ("hedges", "volumes", "profit_by_day")
    data_dir.mkdir(exist_ok=True)
    (data_dir / "later").write_text("0")
    with LaterWriter(data_dir, *options) as writer:
        writer.wait_running()
        orders.record(filled=3, working=2)
        wait_derived(writer, orders.recorder.producer)
        writer.be_later(3)
        wait_until(lambda: count(data_dir, "executions") == 4, "what is old is dropped")
        for asked in (
            ["audit"],
            ["fills"],
            ["orders", "--id", "o-3"],
            ["positions"],
            ["positions", "--at", "2026-07-01"],
            ["profit"],
            ["profit", "--by-day"],
            ["fees"],
            ["instruments"],
            ["rebuild"],
            *(["sql", f"SELECT * FROM {each}(since = '', until = '')"] for each in views),
        ):
            done = ringbuf(*asked, "--data-dir", str(data_dir))
            assert done.returncode == 0, (asked, done.stdout, done.stderr)
        status = writer.status()
        assert (status["sink"]["error"], status["errors"]) == (None, {})
        writer.stop()
