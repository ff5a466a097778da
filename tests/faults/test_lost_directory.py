"""A data directory, or a file in it, that is removed or replaced under a live writer."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.state.data_directory import DataDirectory
from tests.command import ringbuf
from tests.proxy import Proxy
from tests.recorded import Recorded, check_stored, wait_stored
from tests.writer_process import WriterProcess


@pytest.fixture
def client(clickhouse_server: ClickHouse) -> Iterator[Client]:
    with clickhouse_server.client() as client:
        yield client


@pytest.fixture
def options(clickhouse_server: ClickHouse, database: str) -> list[str]:
    return ["--clickhouse", clickhouse_server.url, "--database", database, "--flush-ms", "10"]


@pytest.fixture
def writer(options: list[str], data_dir: Path) -> Iterator[WriterProcess]:
    with WriterProcess(data_dir, *options) as writer:
        yield writer.wait_running()


def tail_of(ring: Recorded) -> int:
    return ring.recorder.producer.head - ring.recorder.producer.lag


def wait_ended(writer: WriterProcess) -> None:
    """The writer ends by itself, with an error that says why."""
    assert writer.process.wait(30) == 1
    assert "acknowledges nothing more and ends" in writer.log


# The directory


def test_a_directory_that_is_renamed_stops_the_writer_before_it_acknowledges_and_goes_on_where_it_was_when_put_back(
    writer: WriterProcess, clickhouse_server: ClickHouse, client: Client, database: str, tmp_path: Path
) -> None:
    ring = Recorded("mm")
    ring.record(50)
    wait_stored(clickhouse_server, database, ring)
    away = tmp_path / "away"
    writer.data_dir.rename(away)
    ring.record(50)
    wait_ended(writer)
    assert f"data directory {writer.data_dir} was removed or renamed" in writer.log
    assert tail_of(ring) == 50
    assert not writer.data_dir.exists(), "the writer made nothing where its directory was"
    ring.record(50)
    away.rename(writer.data_dir)
    writer.start().wait_running()
    writer.stop()
    check_stored(client, database, ring)


def test_records_keep_coming_while_the_directory_is_renamed_and_none_is_acknowledged_that_a_next_start_lacks(
    writer: WriterProcess, client: Client, database: str, tmp_path: Path
) -> None:
    ring = Recorded("mm")
    end = time.monotonic() + 1
    while time.monotonic() < end:
        ring.record(5)
        time.sleep(0.001)
    away = tmp_path / "away"
    writer.data_dir.rename(away)
    while writer.is_alive:
        ring.record(5)
        time.sleep(0.001)
    wait_ended(writer)
    away.rename(writer.data_dir)
    with WriterProcess(writer.data_dir, *writer._options[3:]) as again:
        again.wait_running()
        again.stop()
    check_stored(client, database, ring)


def test_on_a_directory_that_is_removed_the_next_writer_begins_anew_with_what_was_not_acknowledged(
    writer: WriterProcess, clickhouse_server: ClickHouse, client: Client, database: str
) -> None:
    ring = Recorded("mm")
    ring.record(50)
    wait_stored(clickhouse_server, database, ring)
    shutil.rmtree(writer.data_dir)
    ring.record(50)
    wait_ended(writer)
    assert tail_of(ring) == 50
    writer.start().wait_running()
    writer.stop()
    check_stored(client, database, ring)


def test_a_second_writer_on_a_new_directory_of_the_same_name_gets_the_rings_and_keeps_its_files(
    writer: WriterProcess, options: list[str], clickhouse_server: ClickHouse, client: Client, database: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    ring = Recorded("mm")
    ring.record(50)
    wait_stored(clickhouse_server, database, ring)
    writer.data_dir.rename(tmp_path / "away")
    with WriterProcess(writer.data_dir, *options, log_file=tmp_path / "second.log") as second:
        second.wait_running()
        wait_ended(writer)
        ring.record(50)
        wait_stored(clickhouse_server, database, ring)
        assert second.status()["pid"] == second.pid
        checkpoint = json.loads(DataDirectory(writer.data_dir).checkpoint.read_bytes())
        assert checkpoint["state"]["offset"] <= second.status()["journal"]["durable"]
        second.stop()
    check_stored(client, database, ring)


# The lock


def test_a_lock_file_that_is_removed_is_made_again_and_still_keeps_a_second_writer_out(
    writer: WriterProcess, clickhouse_server: ClickHouse, client: Client, database: str
) -> None:
    ring = Recorded("mm")
    directory = DataDirectory(writer.data_dir)
    for lock in (directory.writer_lock, directory.database_lock):
        lock.unlink()
        wait_until(lock.exists, "the lock is made again")
        ring.record(50)
    second = ringbuf("writer", "--data-dir", str(writer.data_dir), "--clickhouse", clickhouse_server.url)
    assert second.returncode == 1
    assert f"is held by another writer, process {writer.pid}" in second.stderr
    wait_stored(clickhouse_server, database, ring)
    writer.stop()
    check_stored(client, database, ring)


def test_of_two_writers_whose_lock_was_removed_the_first_ends_before_it_acknowledges_another_record(
    writer: WriterProcess, options: list[str], clickhouse_server: ClickHouse, client: Client, database: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    ring = Recorded("mm")
    ring.record(50)
    wait_stored(clickhouse_server, database, ring)
    for turn in range(5):
        directory = DataDirectory(writer.data_dir)
        directory.writer_lock.unlink()
        with WriterProcess(writer.data_dir, *options, log_file=tmp_path / "second.log") as second:
            while writer.is_alive and second.is_alive:
                ring.record(2)
                time.sleep(0.01)
            if writer.is_alive:  # it was faster and has made its lock again
                assert "is held by another writer" in second.log
                second.process.wait(30)
                continue
            wait_ended(writer)
            assert turn >= 0
            second.wait_until(lambda: second.status().get("pid") == second.pid, "run")
            ring.record(50)
            wait_stored(clickhouse_server, database, ring)
            second.stop()
        writer.start().wait_running()
    writer.stop()
    check_stored(client, database, ring)


# Segments of the journal


def is_written(segment: Path, size: int) -> bool:
    try:  # it may be gone for a moment, while the writer writes it again
        return segment.stat().st_size >= size
    except FileNotFoundError:
        return False


def remove(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes()[:100])
    os.replace(copy, path)


def remove_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("lose", [remove, replace, remove_folder], ids=lambda each: each.__name__)
def test_a_segment_that_loses_its_name_while_it_is_written_is_written_again(
    lose: Callable[[Path], None], clickhouse_server: ClickHouse, client: Client, database: str, data_dir: Path
) -> None:
    ring = Recorded("mm")
    with Proxy(clickhouse_server.host, clickhouse_server.http_port) as proxy:
        options = ["--clickhouse", proxy.url, "--database", database, "--flush-ms", "10"]
        with WriterProcess(data_dir, *options) as writer:
            writer.wait_running()
            ring.record(20)
            wait_stored(clickhouse_server, database, ring)
            proxy.refuse()  # from here on the journal alone has the records
            for turn in range(1, 4):
                ring.record(50)
                wait_until(lambda: ring.recorder.producer.lag == 0, "all is journaled")
                (segment,) = DataDirectory(data_dir).journal.glob("*.journal")
                size = segment.stat().st_size
                lose(segment)
                if turn % 2:  # else it notices without new records
                    ring.record(1)
                wait_until(partial(is_written, segment, size), "it is written again")
            writer.kill()
            ring.record(10)
            writer.start().wait_running()
            proxy.listen()
            wait_stored(clickhouse_server, database, ring)
            writer.stop()
            assert "lost its name; it is written again" in writer.log
            assert (writer.status()["quarantined"], "damaged from" in writer.log) == (0, False)
    check_stored(client, database, ring)


def test_a_segment_removed_while_it_is_loaded_costs_nothing(
    writer: WriterProcess, clickhouse_server: ClickHouse, client: Client, database: str
) -> None:
    ring = Recorded("mm")
    for _ in range(8):
        ring.record(100)
        for segment in DataDirectory(writer.data_dir).journal.glob("*.journal"):
            segment.unlink(missing_ok=True)
        time.sleep(0.3)
    ring.record(1)
    wait_stored(clickhouse_server, database, ring)
    writer.stop()
    check_stored(client, database, ring)
    assert writer.status()["quarantined"] == 0


def test_somebody_else_who_writes_into_the_segment_stops_the_writer_and_the_next_one_cuts_it_off(
    writer: WriterProcess, clickhouse_server: ClickHouse, client: Client, database: str
) -> None:
    ring = Recorded("mm")
    ring.record(50)
    wait_stored(clickhouse_server, database, ring)
    (segment,) = DataDirectory(writer.data_dir).journal.glob("*.journal")
    with segment.open("ab") as file:
        file.write(b"something else")
    assert writer.process.wait(30) == 1
    assert "somebody else writes into segment" in writer.log
    ring.record(50)
    writer.start().wait_running()
    wait_stored(clickhouse_server, database, ring)
    writer.stop()
    check_stored(client, database, ring)


# What is made again


def test_socket_status_and_checkpoint_that_are_removed_are_made_again(
    writer: WriterProcess, clickhouse_server: ClickHouse, client: Client, database: str
) -> None:
    ring = Recorded("mm")
    ring.record(50)
    wait_stored(clickhouse_server, database, ring)
    directory = DataDirectory(writer.data_dir)
    for path in (directory.query_socket, directory.status):
        path.unlink()
        wait_until(path.exists, f"{path.name} is made again")
        answer = ringbuf("sql", "SELECT count() AS n FROM executions", "--data-dir", str(writer.data_dir), "--json")
        assert json.loads(answer.stdout) == {"n": "50"} or json.loads(answer.stdout) == {"n": 50}
    directory.query_socket.unlink()
    directory.query_socket.write_text("something else")
    wait_until(directory.query_socket.is_socket, "the socket has its name again")
    directory.checkpoint.unlink()
    ring.record(50)
    wait_stored(clickhouse_server, database, ring)
    wait_until(directory.checkpoint.exists, "the checkpoint is written again")
    writer.stop()
    assert not directory.query_socket.exists()
    check_stored(client, database, ring)


def test_an_embedded_database_whose_directory_is_gone_ends_its_writer_too(data_dir: Path, tmp_path: Path) -> None:
    ring = Recorded("mm")
    with WriterProcess(data_dir) as writer:
        writer.wait_running()
        ring.record(50)
        writer.wait_until(lambda: writer.status()["stored"] == 50, "store all")
        away = tmp_path / "away"
        data_dir.rename(away)
        ring.record(50)
        wait_ended(writer)
        assert tail_of(ring) == 50
        if data_dir.exists():  # the engine knows its files by their names, and may have written there since
            shutil.rmtree(data_dir)
        away.rename(data_dir)
        writer.start().wait_running()
        writer.wait_until(lambda: writer.status()["stored"] == 50, "store the rest")
        writer.stop()
    found = ringbuf("sql", "SELECT count() AS n FROM executions", "--data-dir", str(data_dir), "--json")
    assert found.stdout.strip() in ('{"n":100}', '{"n":"100"}')
