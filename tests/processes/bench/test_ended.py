"""Benchmarks that are ended from outside: by Ctrl-C, which goes to every process of the terminal, and by SIGKILL."""

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ringbuf.launch.redis_server import NO_SERVER, PROGRAM

REDIS = """
import time
from ringbuf.launch.redis_server import redis_server
from ringbuf.bench.workspace import workspace
with workspace() as work, redis_server(work.new_directory("redis")) as path:
    print(path, flush=True)
    time.sleep(60)
"""


def members(group: int) -> set[int]:
    """The processes of a process group."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # ended meanwhile
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.add(int(entry.name))
    return found


def test_ctrl_c_ends_a_benchmark_and_its_children_without_a_traceback() -> None:
    command = [sys.executable, "-m", "ringbuf.tools.cli", "bench", "append", "--quick"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while len(members(process.pid)) < 4:  # it, multiprocessing's own, the producer and a consumer
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=50)
    assert (process.returncode, errors) == (130, "")
    deadline = time.monotonic() + 10
    while members(process.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert members(process.pid) == set()


@pytest.mark.skipif(shutil.which(PROGRAM) is None, reason=NO_SERVER)
def test_a_redis_server_ends_with_a_benchmark_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", REDIS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        path = Path(process.stdout.readline().strip())
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)  # struct ucred, see unix(7)
        server = os.pidfd_open(int.from_bytes(credentials[:4], sys.byteorder))
        process.kill()
        assert select.select([server], [], [], 10)[0] == [server]  # readable when the process has ended
        os.close(server)
    shutil.rmtree(path.parents[1])
