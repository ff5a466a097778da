"""The server of the benchmarks: its data are in memory where there is room, and nothing of it is left behind."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ringbuf.bench import machine, server
from ringbuf.bench.bench_writer import LOW_PRIORITY, BenchWriter
from ringbuf.bench.server import clickhouse, data_directory, has_room, places
from ringbuf.bench.workspace import Workspace, workspace
from ringbuf.launch.clickhouse_server import URL_VARIABLE, ClickHouse, ClickHouseServer, find_engine
from ringbuf.ring.registry import SHARED_MEMORY
from tests.clickhouse_server import NO_ENGINE

ENDLESS = 1 << 62
PROGRAM = """
import time
from ringbuf.bench import server
from ringbuf.bench.workspace import workspace
server.ROOM = 0
with workspace() as work, server.data_directory(work) as directory:
    print(work.directory, directory, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def work() -> Iterator[Workspace]:
    with workspace() as made:
        yield made


def test_a_servers_data_are_in_memory_and_gone_afterwards_even_after_a_failure(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "ROOM", 0)
    with suppress(LookupError), data_directory(work) as directory:
        assert directory.parent == SHARED_MEMORY
        assert machine.file_system(directory) == "tmpfs"
        (directory / "data").mkdir()
        raise LookupError
    assert not directory.exists()


def test_without_room_in_memory_a_servers_data_are_with_the_rest(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "ROOM", ENDLESS)
    with data_directory(work) as directory:
        assert directory.parent == work.directory


def test_data_for_which_memory_has_no_room_are_with_the_rest(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "ROOM", 0)
    with data_directory(work, ENDLESS) as directory:
        assert directory.parent == work.directory


def test_what_is_not_memory_has_no_room_whatever_is_free_there() -> None:
    assert not has_room(Path("/proc"))
    assert not has_room(Path("/nowhere"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_benchmark_that_is_ended_leaves_no_directory(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        directories = [Path(each) for each in process.stdout.readline().decode().split()]
        assert [each.exists() for each in directories] == [True, True]
        process.send_signal(number)
        process.communicate(timeout=60)
    assert [each.exists() for each in directories] == [False, False]


def test_server_and_writer_of_the_experiment_give_way_with_all_their_threads(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    if find_engine() is None:
        pytest.skip(NO_ENGINE)
    with clickhouse(None, work, idle=True) as found:
        assert isinstance(found, ClickHouseServer)
        assert {os.sched_getscheduler(thread) for thread in threads(found.pid)} == {os.SCHED_IDLE}
        with BenchWriter(work, found, "give_way") as writer:
            writer.lower_priority()
            assert {os.sched_getscheduler(thread) for thread in threads(writer.pid)} == {os.SCHED_BATCH}
            assert {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads(writer.pid)} == {LOW_PRIORITY}
        assert places(found, work)["server_data"] == machine.place(found.directory)
    assert not found.directory.exists()


def test_a_writer_whose_start_is_interrupted_does_not_stay(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def interrupt(writer: BenchWriter) -> None:
        started.append(os.pidfd_open(writer.pid))
        raise KeyboardInterrupt

    monkeypatch.setattr(BenchWriter, "wait_running", interrupt)
    with pytest.raises(KeyboardInterrupt), BenchWriter(work, None, "interrupted"):
        pytest.fail("the block must not be entered")
    ((process,), _, _) = select.select(started, [], [], 0)
    os.close(process)


def threads(pid: int) -> list[int]:
    return [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]


def test_where_the_data_are_is_said_of_every_kind_of_server(work: Workspace) -> None:
    disk = f"{machine.file_system(work.directory)}, {work.directory.parent}"
    assert places(None, work) == {"server_data": f"embedded, {disk}", "journal": disk}
    assert places(ClickHouse("http://db:8123"), work) == {"server_data": "unknown, at db:8123", "journal": disk}
