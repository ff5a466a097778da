"""Rings whose names vanish under live strategies, with and without a writer, with a real database behind it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from ringbuf.audit.places import look_at_journal
from ringbuf.errors import RingIncomplete, RingNotFound
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.ring import registry
from ringbuf.ring.observer import Observer
from ringbuf.state.data_directory import DataDirectory
from tests.checkout import ROOT
from tests.command import RINGBUF, ringbuf
from tests.proxy import Proxy
from tests.recorded import Recorded, check_stored, wait_rows, wait_stored
from tests.told_strategy import ToldStrategy
from tests.writer_process import WriterProcess


@pytest.fixture
def client(clickhouse_server: ClickHouse) -> Iterator[Client]:
    with clickhouse_server.client() as client:
        yield client


@pytest.fixture
def writer(clickhouse_server: ClickHouse, database: str, data_dir: Path) -> Iterator[WriterProcess]:
    options = ["--clickhouse", clickhouse_server.url, "--database", database, "--flush-ms", "10"]
    with WriterProcess(data_dir, *options) as writer:
        yield writer.wait_running()


def audit(writer: WriterProcess) -> dict[str, Any]:
    result = ringbuf("audit", "--data-dir", str(writer.data_dir), "--json")
    assert result.stderr == ""
    found: dict[str, Any] = json.loads(result.stdout)
    assert result.returncode == (0 if found["proven"] else 1)
    return found


def session_of(found: dict[str, Any], session: int) -> dict[str, Any]:
    wanted: dict[str, Any]
    (wanted,) = [each for each in found["sessions"] if each["session"] == session]
    return wanted


def endings(found: dict[str, Any], sessions: list[int]) -> list[str]:
    return [session_of(found, session)["ending"] for session in sessions]


def seqs(client: Client, database: str, session: int) -> list[int]:
    query = f"SELECT seq FROM {database}.executions WHERE session = {session} ORDER BY seq"
    return [row[0] for row in client.query(query).result_rows]


def is_named(ring: str) -> bool:
    """Whether there is a complete ring of this name."""
    try:
        Observer.open(ring).close()
    except (RingNotFound, RingIncomplete):
        return False
    return True


def test_a_ring_removed_while_no_writer_ran_is_stored_whole_although_its_strategy_was_killed_afterwards(
    writer: WriterProcess, client: Client, database: str
) -> None:
    with ToldStrategy("mm") as strategy:
        strategy.record(20)
        wait_until(lambda: writer.status()["stored"] == 20, "the first records are stored")
        writer.kill()
        strategy.record(20)
        registry.ring_path("mm").unlink()
        strategy.record(20)
        wait_until(lambda: is_named("mm"), "the strategy notices")
        strategy.process.send_signal(signal.SIGKILL)
        strategy.process.wait()
    assert json.loads(ringbuf("ls", "--json").stdout)["rings"][0]["recreated"] == 1
    writer.start().wait_running()
    writer.stop()
    assert seqs(client, database, strategy.session) == list(range(60))
    found = audit(writer)
    assert (found["proven"], session_of(found, strategy.session)["ending"]) == (True, "open")


def test_all_rings_removed_at_once_again_and_again_under_a_writer_lose_and_double_nothing(
    writer: WriterProcess, clickhouse_server: ClickHouse, client: Client, database: str
) -> None:
    rings = [Recorded(f"ring-{number}") for number in range(5)]
    for _ in range(4):
        for ring in rings:
            ring.record(30)
        for name in registry.ring_names():
            registry.ring_path(name).unlink()
        for ring in rings:
            ring.record(30)
        wait_until(lambda: all(is_named(ring.ring) for ring in rings), "all rings are made anew")
    wait_stored(clickhouse_server, database, *rings)
    assert audit(writer)["proven"]
    writer.stop()
    check_stored(client, database, *rings)
    assert "doubled" not in writer.log and "RingInUse" not in json.dumps(writer.status()["errors"])


def test_rings_removed_and_writers_killed_at_random_lose_and_double_nothing(
    writer: WriterProcess, clickhouse_server: ClickHouse, client: Client, database: str
) -> None:
    draw = random.Random(11)
    rings = [Recorded(f"ring-{number}") for number in range(3)]
    for turn in range(12):
        for ring in rings:
            ring.record(draw.randrange(40))
        for ring in draw.sample(rings, draw.randrange(3)):
            registry.ring_path(ring.ring).unlink(missing_ok=True)
        if turn % 3 == 2:
            writer.kill()
        time.sleep(draw.random())
        if not writer.is_alive:
            writer.start().wait_running()
    wait_until(lambda: all(is_named(ring.ring) for ring in rings), "all rings have their names")
    wait_stored(clickhouse_server, database, *rings)
    assert audit(writer)["proven"]
    writer.stop()
    check_stored(client, database, *rings)


def test_a_strategy_that_dies_with_its_ring_before_it_could_look_is_told_by_the_audit(
    writer: WriterProcess, clickhouse_server: ClickHouse, database: str
) -> None:
    whole = Recorded("whole")
    whole.record(10)
    with ToldStrategy("mm") as strategy:
        strategy.record(20)
        wait_until(lambda: writer.status()["stored"] == 30, "all is stored")
        assert audit(writer)["proven"]
        writer.kill()
        strategy.record(5)
        strategy.process.send_signal(signal.SIGSTOP)
        registry.ring_path("mm").unlink()
        strategy.process.send_signal(signal.SIGKILL)
        strategy.process.wait()
    for _ in range(2):
        found = audit(writer)
        lost = session_of(found, strategy.session)
        assert (found["proven"], lost["ending"], lost["lost"], lost["stored"]) == (False, "lost", 0, 20)
        assert (lost["lost_ring"]["pid"], lost["lost_ring"]["end"]) == (strategy.process.pid, 20)
        assert session_of(found, whole.session)["ending"] == "open"
        writer.start().wait_running()
        wait_until(lambda: "RingLost" in writer.status()["errors"], "the writer says so")
        writer.stop()
    human = ringbuf("audit", "--data-dir", str(writer.data_dir)).stdout
    assert (
        f"possibly lost of mm, session {strategy.session:016x}: what process {strategy.process.pid} recorded" in human
    )
    assert human.splitlines()[-1] == "NOT PROVEN: 1 rings are gone without an end."
    assert f"ring 'mm' of process {strategy.process.pid}, session {strategy.session:016x}, is gone" in writer.log


def test_a_killed_strategy_whose_ring_was_removed_is_read_to_its_end_by_the_writer_that_has_it(
    writer: WriterProcess, client: Client, database: str
) -> None:
    with ToldStrategy("mm") as strategy:
        strategy.record(20)
        wait_until(lambda: writer.status()["stored"] == 20, "the first records are stored")
        os.kill(writer.pid, signal.SIGSTOP)
        strategy.process.send_signal(signal.SIGSTOP)
        registry.ring_path("mm").unlink()
        strategy.process.send_signal(signal.SIGKILL)
        strategy.process.wait()
        os.kill(writer.pid, signal.SIGCONT)
    wait_until(lambda: "left at record 20" in writer.log, "the writer leaves the ring")
    found = audit(writer)
    assert (found["proven"], session_of(found, strategy.session)["ending"]) == (True, "ended")
    assert seqs(client, database, strategy.session) == list(range(20))


def test_a_ring_removed_after_its_strategy_ended_and_all_was_stored_is_no_loss(
    writer: WriterProcess, clickhouse_server: ClickHouse, database: str
) -> None:
    sessions = []
    for end in ("close", "kill"):
        with ToldStrategy(f"mm-{end}") as strategy:
            sessions.append(strategy.session)
            strategy.record(10)
            if end == "close":
                strategy.close()
    wait_until(lambda: writer.status()["stored"] == 20, "all is stored")
    directory = DataDirectory(writer.data_dir)
    wait_until(
        lambda: all(look_at_journal(directory).sessions[each].ended for each in sessions), "both are seen to have ended"
    )
    writer.stop()
    assert ringbuf("rm", "--drained").stdout.splitlines()[-1].startswith("2 rings removed")
    for _ in range(2):
        found = audit(writer)
        assert found["proven"]
        assert endings(found, sessions) == ["ended", "ended"]
        writer.start().wait_running()
        writer.stop()
    assert "is gone" not in writer.log


REMOUNTED = """
import subprocess, sys
from pathlib import Path
from ringbuf.errors import RingIncomplete, RingNotFound
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.ring.registry import ring_names
from tests.command import RINGBUF, ringbuf
from tests.proxy import Proxy
from tests.recorded import Recorded, check_stored, wait_rows, wait_stored
from tests.writer_process import WriterProcess

url, database, data_dir = sys.argv[1:]
server = ClickHouse(url)
mount = ["mount", "-t", "tmpfs", "-o", "size=200m", "none", "/dev/shm"]
subprocess.run(mount, check=True)
rings = [Recorded(f"ring-{number}", capacity=1024) for number in range(3)]
with WriterProcess(Path(data_dir), "--clickhouse", url, "--database", database) as writer:
    writer.wait_running()
    for _ in range(2):
        for ring in rings:
            ring.record(50)
        wait_stored(server, database, *rings)
        subprocess.run(mount, check=True)
        for ring in rings:
            ring.record(50)
        wait_until(lambda: len(ring_names()) == 3, "all rings are made anew")
    for ring in rings:
        ring.record(50)
    wait_stored(server, database, *rings)
    found = ringbuf("audit", "--data-dir", data_dir)
    assert found.returncode == 0, found.stdout
    writer.stop()
with server.client() as client:
    check_stored(client, database, *rings)
print("as recorded")
"""


def test_dev_shm_mounted_anew_under_writer_and_strategies_costs_nothing(
    clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    if os.geteuid() or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("to mount a /dev/shm of its own, a process must be root and may unshare its mounts")
    arguments = [clickhouse_server.url, database, str(data_dir)]
    command = ["unshare", "-m", sys.executable, "-c", REMOUNTED, *arguments]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert run.stdout.endswith("as recorded\n"), run.stdout


def test_who_follows_a_ring_goes_on_in_the_new_file_without_a_gap(namespace: str) -> None:
    ring = Recorded("mm")
    ring.record(3)
    command = [RINGBUF, "tail", "mm", "-f", "--json", "--field", "seq"]
    tail = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert tail.stdout is not None and tail.stderr is not None
    try:
        assert [json.loads(tail.stdout.readline())["seq"] for _ in range(3)] == [0, 1, 2]
        registry.ring_path("mm").unlink()
        ring.record(2)
        wait_until(lambda: is_named("mm"), "the ring is made anew")
        ring.record(2)
        assert [json.loads(tail.stdout.readline())["seq"] for _ in range(4)] == [3, 4, 5, 6]
        while "was made anew" not in tail.stderr.readline():
            assert tail.poll() is None
    finally:
        tail.kill()
        tail.communicate()
    with Observer.open("mm") as observer:
        assert observer.state().recreated == 1


# Rings that nobody needs any more


def test_rings_of_ended_strategies_go_when_the_database_has_all_of_them_and_never_before(
    clickhouse_server: ClickHouse, client: Client, database: str, data_dir: Path
) -> None:
    living = Recorded("living")
    with Proxy(clickhouse_server.host, clickhouse_server.http_port) as proxy:
        options = ["--clickhouse", proxy.url, "--database", database, "--flush-ms", "10", "--remove-dead-after", "0.5"]
        with WriterProcess(data_dir, *options) as writer:
            writer.wait_running()
            living.record(10)
            wait_until(lambda: writer.status()["stored"] == 10, "the database is used")
            proxy.refuse()
            sessions = []
            for number in range(3):
                with ToldStrategy(f"run-{number}") as strategy:
                    sessions.append(strategy.session)
                    strategy.record(20)
                    if number:
                        strategy.close()
            wait_until(lambda: writer.status()["captured"] == 70, "all is journaled")
            time.sleep(3)
            assert len(registry.ring_names()) == 4, "journaled is not stored"
            proxy.listen()
            wait_until(lambda: registry.ring_names() == ["living"], "the dead rings are removed")
            assert all(seqs(client, database, session) == list(range(20)) for session in sessions)
            wait_until(lambda: writer.status()["removed_rings"] == 3, "the status says so")
            assert writer.status()["lost_rings"] == 0
            found = audit(writer)
            assert found["proven"]
            assert endings(found, sessions) == ["ended"] * 3
            living.record(10)
            writer.stop()
    wait_rows(clickhouse_server, database, 80)
