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
from ringbuf.launch.waiting import wait_until
from tests.command import RINGBUF
from tests.process_group import members

REDIS = """
import time
from ringbuf.launch.redis_server import redis_server
from ringbuf.bench.workspace import workspace
with workspace() as work, redis_server(work.new_directory("redis")) as path:
    print(path, flush=True)
    time.sleep(60)
"""


def test_ctrl_c_ends_a_benchmark_and_its_children_without_a_traceback() -> None:
    command = [RINGBUF, "bench", "append", "--quick"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while len(members(process.pid)) < 4:  # it, multiprocessing's own, the producer and a consumer
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
    wait_until(lambda: not members(process.pid), "all processes of the benchmark end")


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
