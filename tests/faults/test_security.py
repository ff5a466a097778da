"""Who may see and touch what."""

import os
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringbuf.launch.port import free_port
from ringbuf.launch.waiting import wait_until
from ringbuf.ring import registry
from ringbuf.ring.observer import Observer
from tests.clickhouse_server import PASSWORD, WRITER, ClickHouseServer
from tests.recorded import Recorded
from tests.writer_process import WriterProcess


@pytest.fixture
def metrics_port() -> int:
    return free_port()


@pytest.fixture
def writer(
    clickhouse_server: ClickHouseServer, database: str, tmp_path: Path, metrics_port: int
) -> Iterator[WriterProcess]:
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    arguments = ["--clickhouse", clickhouse_server.url.replace("://", f"://{WRITER}@"), "--database", database]
    arguments += ["--password-file", str(secret), "--metrics-port", str(metrics_port)]
    before = os.umask(0)  # the worst there is
    try:
        with WriterProcess(tmp_path / "data", *arguments) as writer:
            yield writer.wait_running()
    finally:
        os.umask(before)


def test_only_the_user_can_open_what_rings_and_writer_leave_behind(writer: WriterProcess) -> None:
    ring = Recorded("mm")
    ring.record(10)
    wait_until(lambda: writer.status()["stored"] == 10, "the records are stored")
    paths = [writer.data_dir, *writer.data_dir.rglob("*"), registry.find("mm")]
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in paths}
    assert {path.name for path in paths} >= {"journal", "loader.json", "status.json", "query.sock", "writer.lock"}
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}


def test_the_password_is_in_no_argument_log_status_or_core_dump(writer: WriterProcess) -> None:
    process = Path(f"/proc/{writer.pid}")
    assert PASSWORD.encode() not in (process / "cmdline").read_bytes()
    limits = {line[:26].strip(): line[26:].split()[:2] for line in (process / "limits").read_text().splitlines()}
    assert limits["Max core file size"] == ["0", "0"]
    writer.stop()
    for path in [*writer.data_dir.rglob("*.json"), writer.data_dir / "writer.lock"]:
        assert PASSWORD not in path.read_text()
    assert PASSWORD not in writer.log


def test_metrics_are_served_on_the_loopback_address_only(writer: WriterProcess, metrics_port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as answer:
        assert "ringbuf_writer_captured_records_total" in answer.read().decode()
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    port = f"{metrics_port:04X}"
    loopback = int.from_bytes(socket.inet_aton("127.0.0.1"), sys.byteorder)
    assert {each for each in listening if each.endswith(f":{port}")} == {f"{loopback:08X}:{port}"}


def test_an_observer_maps_nothing_it_could_write_to() -> None:
    ring = Recorded("mm")
    ring.record(1)
    program = (
        "from ringbuf.ring.observer import Observer; o = Observer.open('mm'); print(open('/proc/self/maps').read())"
    )
    maps = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    mapped = [line.split()[1] for line in maps.splitlines() if "/dev/shm/ringbuf." in line]
    assert mapped == ["r--s"]
    with Observer.open("mm") as observer, pytest.raises(ValueError, match="read-only"):
        observer._slots["seq"] = 1
