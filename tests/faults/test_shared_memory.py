"""What can happen to rings, under a real writer with a real database behind it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from ringbuf.errors import RingIncomplete, RingInUse, RingNotFound
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.record.schema import Schema
from ringbuf.ring import layout, registry
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.observer import Observer
from ringbuf.ring.producer import Producer
from tests.command import ringbuf
from tests.recorded import Recorded, check_stored
from tests.writer_process import WriterProcess


@pytest.fixture
def client(clickhouse_server: ClickHouse) -> Iterator[Client]:
    with clickhouse_server.client() as client:
        yield client


@pytest.fixture
def writer(clickhouse_server: ClickHouse, database: str, data_dir: Path) -> Iterator[WriterProcess]:
    with WriterProcess(data_dir, "--clickhouse", clickhouse_server.url, "--database", database) as writer:
        yield writer.wait_running()


def ring_file(name: str) -> Path:
    return registry.ring_path(name)


def wait_stored(client: Client, database: str, *rings: Recorded) -> None:
    def is_stored(ring: Recorded) -> bool:
        query = f"SELECT count() FROM {database}.executions FINAL WHERE session = {ring.session}"
        return bool(client.query(query).result_rows == [(len(ring.expected),)])

    for ring in rings:
        wait_until(partial(is_stored, ring), f"{ring.ring} is stored")


def truncate(path: Path) -> None:
    os.truncate(path, 0)


def truncate_records(path: Path) -> None:
    os.truncate(path, layout.HEADER_SIZE)


def has_records(name: str) -> bool:
    try:
        with Observer.open(name) as observer:
            return len(observer.read(0).records) > 0
    except (RingNotFound, RingIncomplete):
        return False


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))


def overwrite_cursors(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(layout.HEAD)
        file.write(b"\xff" * 8)


@pytest.mark.parametrize(
    "damage", [truncate, truncate_records, overwrite, overwrite_cursors], ids=lambda each: each.__name__
)
def test_a_ring_damaged_while_attached_is_named_and_the_others_go_on(
    damage: Callable[[Path], None], writer: WriterProcess, client: Client, database: str
) -> None:
    victim, other = Recorded("victim"), Recorded("other")
    victim.record(100)
    other.record(100)
    wait_stored(client, database, victim, other)
    damage(ring_file("victim"))
    left = "ring 'victim': left at record"
    wait_until(lambda: not writer.is_alive or left in writer.log, "the writer dies of the damage, or leaves the ring")
    if damage is truncate:  # no process survives the loss of its mapped memory; its service manager restarts it
        assert not writer.is_alive
        writer.start().wait_running()
    else:
        assert "ERROR ringbuf.writer: ring 'victim' " in writer.log
    other.record(100)
    wait_stored(client, database, other)
    writer.stop()
    check_stored(client, database, victim, other)


def test_a_ring_deleted_while_attached_is_read_to_its_end(writer: WriterProcess, client: Client, database: str) -> None:
    ring = Recorded("gone")
    ring.record(100)
    wait_stored(client, database, ring)
    ring_file("gone").unlink()
    ring.record(100)  # the producer still has its map
    wait_stored(client, database, ring)
    writer.stop()
    check_stored(client, database, ring)


def test_a_ring_replaced_while_attached_is_read_to_its_end_and_so_is_the_new_one(
    writer: WriterProcess, client: Client, database: str
) -> None:
    old = Recorded("same-name")
    old.record(100)
    wait_stored(client, database, old)
    ring_file("same-name").unlink()
    new = Recorded("same-name", seed=2)
    assert new.session != old.session
    old.record(10)
    new.record(100)
    wait_stored(client, database, old, new)
    writer.stop()
    check_stored(client, database, old, new)


def test_a_new_version_of_a_schema_sets_the_old_ring_aside_and_both_are_stored(
    clickhouse_server: ClickHouse, client: Client, database: str, data_dir: Path
) -> None:
    first = Schema.define("quotes", [("bid", "f8")])
    second = Schema.define("quotes", [("bid", "f8"), ("ask", "f8"), ("venue", "S8")], version=2)
    with Producer.open("quotes", first) as producer:
        for number in range(10):
            producer.append(bid=float(number))
    with Producer.open("quotes", second) as producer:
        for number in range(10):
            producer.append(bid=float(number), ask=number + 0.5, venue="okx")
    assert len(registry.ring_names()) == 2
    with WriterProcess(data_dir, "--clickhouse", clickhouse_server.url, "--database", database) as writer:
        writer.wait_running()
        wait_until(lambda: registry.ring_names() == ["quotes"], "the old ring is removed when it is read")
        writer.stop()
    rows = client.query(f"SELECT bid, ask, venue FROM {database}.quotes FINAL ORDER BY venue, bid").result_rows
    assert [row[0] for row in rows] == [float(number) for number in range(10)] * 2
    assert [(row[1], row[2]) for row in rows[10:]] == [(number + 0.5, "okx") for number in range(10)]
    assert {row[2] for row in rows[:10]} == {""}


def test_after_a_reboot_the_journal_alone_is_loaded(
    clickhouse_server: ClickHouse, client: Client, database: str, data_dir: Path
) -> None:
    ring = Recorded("mm")
    arguments = ["--clickhouse", clickhouse_server.url, "--database", database, "--flush-ms", "60000"]
    with WriterProcess(data_dir, *arguments) as writer:
        writer.wait_running()
        ring.record(10)
        wait_until(lambda: writer.status()["captured"] == 10, "the first records are journaled")
        ring.record(90)
        wait_until(lambda: writer.status()["captured"] == 100, "all records are journaled")
        writer.kill()
    ring_file("mm").unlink()
    after = Recorded("mm", seed=2)  # the strategy starts again: a new session
    after.record(10)
    with WriterProcess(data_dir, *arguments) as writer:
        writer.wait_running()
        writer.stop()
    check_stored(client, database, ring, after)


def test_a_second_writer_on_the_same_directory_is_refused_and_one_on_the_same_rings_takes_none(
    writer: WriterProcess, clickhouse_server: ClickHouse, client: Client, database: str, tmp_path: Path
) -> None:
    ring = Recorded("mm")
    ring.record(50)
    wait_stored(client, database, ring)
    second = ringbuf("writer", "--data-dir", str(writer.data_dir), "--clickhouse", clickhouse_server.url)
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert "is held by another writer, process" in second.stderr
    target = ["--clickhouse", clickhouse_server.url, "--database", database]
    with WriterProcess(tmp_path / "elsewhere", *target) as other:
        other.wait_running()
        wait_until(lambda: "already has a consumer" in other.log, "the second writer says whose the ring is")
        ring.record(50)
        wait_stored(client, database, ring)
        other.stop()
    with pytest.raises(RingInUse, match="already has a consumer, process"):
        Consumer.open("mm")
    with pytest.raises(RingInUse, match="already has a producer, process"):
        Producer.open("mm")
    writer.stop()
    check_stored(client, database, ring)


def test_a_strategy_stopped_in_the_middle_of_appends_holds_nobody_up(
    writer: WriterProcess, client: Client, database: str
) -> None:
    program = """
from ringbuf.strategies import Recorder
bound = Recorder.open("stopped").bind(exchange="x", account="a", symbol="s", strategy="z")
while True:
    bound.fill(side="buy", last_price=1.0, last_quantity=1.0, trade_id="t")
"""
    other = Recorded("other")
    strategy = subprocess.Popen([sys.executable, "-c", program])
    try:
        wait_until(lambda: has_records("stopped"), "the strategy records")
        strategy.send_signal(signal.SIGSTOP)
        other.record(100)
        wait_stored(client, database, other)
        strategy.send_signal(signal.SIGCONT)
    finally:
        strategy.kill()
        strategy.wait()
    writer.stop()
    (count, distinct, last), *_ = client.query(
        f"SELECT count(), uniqExact(seq), max(seq) FROM {database}.executions WHERE session != {other.session}"
    ).result_rows
    assert count == distinct == last + 1


def test_a_ring_put_back_from_a_copy_is_refused_and_nothing_is_stored_twice(
    writer: WriterProcess, client: Client, database: str
) -> None:
    ring = Recorded("copied")
    ring.record(10)
    wait_stored(client, database, ring)
    copy = ring_file("copied").read_bytes()
    ring.record(10)
    wait_stored(client, database, ring)
    writer.stop()
    ring.close()
    ring_file("copied").write_bytes(copy)
    writer.start().wait_running()
    wait_until(lambda: "its memory was put back" in writer.log, "the ring is refused")
    writer.stop()
    check_stored(client, database, ring)
