"""The wall clock jumps back and forth: order and identity do not depend on it."""

import itertools
import random
import time
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.ring import native
from ringbuf.strategies import bound_recorder
from tests.recorded import Recorded, check_stored
from tests.writer_process import PatchedWriter

NOW_NS = 1_790_000_000_000_000_000
YEAR_NS = 366 * 24 * 3_600 * 10**9


class JumpingWriter(PatchedWriter):
    """A writer whose wall clock is somewhere within ten years at each look."""

    patch = f"""
        import random, time
        draw = random.Random(7)
        time.time_ns = lambda: {NOW_NS} + draw.randrange(-5, 6) * {YEAR_NS}
        time.time = lambda: time.time_ns() / 1e9
    """


@pytest.fixture
def _jumping_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The strategy's clock jumps too: by years, by an NTP step, or it stands still."""
    draw = random.Random(3)
    steps = (0, 1, -1, 10**6, -(10**6), 10**9, -(10**9), YEAR_NS, -YEAR_NS)
    times = itertools.accumulate(itertools.repeat(None), lambda at, _: at + draw.choice(steps), initial=NOW_NS)
    monkeypatch.setattr(native, "CORE", None)  # its clock is out of reach
    monkeypatch.setattr(bound_recorder, "time_ns", lambda: next(times))
    monkeypatch.setattr(time, "time_ns", lambda: next(times))


@pytest.mark.usefixtures("_jumping_clock")
def test_clocks_that_jump_change_neither_order_nor_identity(
    clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    ring = Recorded("mm", capacity=256)
    arguments = ["--clickhouse", clickhouse_server.url, "--database", database, "--flush-ms", "10"]
    with JumpingWriter(data_dir, *arguments, "--segment-mb", "0.1", "--retain-gb", "0") as writer:
        writer.wait_running()
        for number in range(20):
            ring.record(50)
            if number == 10:
                writer.kill()
                writer.start()
            wait_until(lambda: ring.recorder.producer.lag == 0, "the ring is drained")
        writer.stop()
        status = writer.status()
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)
        captured = captured_ns(client, database)
        assert captured != sorted(captured), "the clock did not jump"
        seen = client.query(f"SELECT count() FROM {database}.sessions FINAL WHERE first_seen_ns <= last_seen_ns")
        assert seen.result_rows == [(1,)]
    latency = status["latency_ms"]
    assert isinstance(latency, dict)
    assert latency["count"] > 0
    assert latency["p50"] < latency["max"]
    assert status["errors"] == {}


def captured_ns(client: Client, database: str) -> list[int]:
    """Capture times in the order of the records."""
    rows = client.query(
        f"SELECT toUnixTimestamp64Nano(captured_ns) FROM {database}.executions ORDER BY session, seq"
    ).result_rows
    return [row[0] for row in rows]
