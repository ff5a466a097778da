"""The database is gone for long, or was never there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.record.execution import EXECUTION
from ringbuf.ring.producer import Producer
from tests.memory import peak_memory
from tests.proxy import Proxy, hang
from tests.recorded import Recorded, check_stored, wait_stored
from tests.writer_process import WriterProcess


class Bulk:
    """Many records in little time; each has its seq as its price."""

    def __init__(self, ring: str) -> None:
        self.producer = Producer.open(ring)
        self.recorded = 0

    def record(self, count: int) -> None:
        """Record `count` fills."""
        records = np.zeros(count, EXECUTION.dtype)
        records["price"] = np.arange(self.recorded, self.recorded + count)
        self.recorded += self.producer.extend(records)

    def check(self, client: Client, database: str) -> None:
        """Every record is there once, with its value."""
        (row,) = client.query(
            "SELECT count(), uniqExact(seq), min(seq), max(seq), countIf(price = seq)"
            f" FROM {database}.executions WHERE session = {self.producer.session}"
        ).result_rows
        assert row == (self.recorded, self.recorded, 0, self.recorded - 1, self.recorded)


def part_of_status(writer: WriterProcess, part: str) -> dict[str, Any]:
    """A part of `status.json`."""
    found = writer.status()[part]
    assert isinstance(found, dict)
    return found


def backlog_of(writer: WriterProcess) -> int:
    """Bytes of the journal that the database does not have."""
    journal = part_of_status(writer, "journal")
    return int(journal["durable"] - journal["checkpoint"])


def test_an_outage_fills_the_journal_and_not_the_memory(
    writer: WriterProcess, proxy: Proxy, clickhouse_server: ClickHouse, database: str
) -> None:
    """The rings keep draining while nobody listens; the backlog, larger than one batch, is loaded afterwards."""
    ring = Recorded("mm", capacity=16_384)
    ring.record(100)
    wait_stored(clickhouse_server, database, ring)
    bulk = Bulk("bulk")
    before = peak_memory(writer.pid)
    proxy.refuse()
    ring.record(10)
    wait_until(lambda: not part_of_status(writer, "sink")["reachable"], "the outage is noticed")
    for _ in range(15):
        bulk.record(10_000)
        ring.record(10)
        wait_until(lambda: bulk.producer.lag == ring.recorder.producer.lag == 0, "the rings are drained")
    wait_until(lambda: backlog_of(writer) > 100_000_000, "the journal has it all")
    grown_by_waiting = peak_memory(writer.pid) - before
    proxy.listen()
    with clickhouse_server.client() as client:
        count = f"SELECT count() FROM {database}.executions WHERE session = {bulk.producer.session}"
        wait_until(lambda: client.query(count).result_rows == [(bulk.recorded,)], "the backlog is loaded")
    grown_by_loading = peak_memory(writer.pid) - before
    writer.stop()
    assert grown_by_waiting < 32 << 20
    assert grown_by_loading < 300 << 20  # one batch, 64 MiB, in a few shapes
    with clickhouse_server.client() as client:
        bulk.check(client, database)
        client.command(f"DELETE FROM {database}.executions WHERE session = {bulk.producer.session}")
        check_stored(client, database, ring)


def test_nobody_listening_for_a_while_delays_and_loses_nothing(
    writer: WriterProcess, proxy: Proxy, clickhouse_server: ClickHouse, database: str
) -> None:
    ring = Recorded("mm")
    for _ in range(3):
        proxy.refuse()
        ring.record(20)
        wait_until(lambda: not part_of_status(writer, "sink")["reachable"], "the writer has noticed")
        proxy.listen()
        wait_stored(clickhouse_server, database, ring)
    wait_until(lambda: bool(part_of_status(writer, "sink")["reachable"]), "the writer has noticed")
    writer.stop()
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)


def test_a_first_start_without_the_database_ends_with_one_clear_line(data_dir: Path) -> None:
    unreachable = "http://127.0.0.1:9"
    with WriterProcess(data_dir, "--clickhouse", unreachable) as writer:
        assert writer.process.wait(20) == 1
    (line,) = writer.log.splitlines()
    assert line.startswith("ringbuf: ")
    assert unreachable in line
    assert not (data_dir / "loader.json").exists()


def refuse(proxy: Proxy) -> None:
    proxy.refuse()


def fall_silent(proxy: Proxy) -> None:
    proxy.play(hang, applies=lambda _: True)


@pytest.mark.parametrize("go_away", [refuse, fall_silent])
def test_a_later_start_without_the_database_drains_all_the_same(
    go_away: Callable[[Proxy], None],
    writer: WriterProcess,
    proxy: Proxy,
    clickhouse_server: ClickHouse,
    database: str,
) -> None:
    ring = Recorded("mm")
    ring.record(10)
    wait_stored(clickhouse_server, database, ring)
    writer.stop()
    go_away(proxy)
    ring.record(10)
    writer.start().wait_running()
    wait_until(lambda: ring.recorder.producer.lag == 0, "the ring is drained, long before an answer is given up")
    proxy.behave()
    proxy.cut()
    proxy.listen()
    wait_stored(clickhouse_server, database, ring)
    writer.stop()
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)
