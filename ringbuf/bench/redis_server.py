"""A Redis server of a benchmark's own."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ringbuf.bench.workspace import Workspace

PROGRAM: Final = "redis-server"
NO_SERVER: Final = f"no `{PROGRAM}` on the PATH"
START_SECONDS: Final = 10.0


@contextmanager
def redis_server(workspace: Workspace) -> Iterator[str | None]:
    """Start one, without persistence; gives the path of its socket, None if it is not installed."""
    program = shutil.which(PROGRAM)
    if program is None:
        yield None
        return
    directory = workspace.new_directory("redis")
    path = directory / "socket"
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--dir", str(directory)]
    # Also after SIGKILL nothing is left running, where util-linux is installed.
    bound_to_us = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    process = subprocess.Popen(
        [*bound_to_us, program, *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, process_group=0
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not path.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        yield str(path) if path.exists() else None
    finally:
        process.kill()
        process.wait()
