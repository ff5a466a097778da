"""A Redis server that keeps nothing on the disk."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ringbuf.errors import RingbufError
from ringbuf.launch.child_process import ChildProcess

PROGRAM: Final = "redis-server"
NO_SERVER: Final = f"no `{PROGRAM}` on the PATH"
START_SECONDS: Final = 10.0


@contextmanager
def redis_server(directory: Path) -> Iterator[str | None]:
    """Start one in a directory; gives the path of its socket, None if it is not installed or does not start."""
    program = shutil.which(PROGRAM)
    if program is None:
        yield None
        return
    path = directory / "socket"
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--dir", str(directory)]
    process = ChildProcess("the Redis server", [program, *options], directory / "output")
    try:
        with suppress(RingbufError):
            process.wait_until(path.exists, "listen", START_SECONDS)
        yield str(path) if path.exists() else None
    finally:
        process.kill()
