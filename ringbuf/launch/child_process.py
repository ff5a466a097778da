"""The demo's own processes, from both sides: started and ended by the one, ended with the other."""

import asyncio
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from ringbuf.errors import RingbufError
from ringbuf.ring.registry import NAMESPACE_VARIABLE

START_SECONDS: Final = 20.0
END_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.02

# One thread each: numpy's linear algebra would start one per core in every process, for nothing.
ENVIRONMENT: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def last_lines(log: Path, count: int) -> str:
    """The end of a log."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return "\n".join(lines[-count:]) or "(it wrote nothing)"


class ChildProcess:
    """A Python module running as a process group of its own: Ctrl-C in the terminal reaches the demo alone.

    Args:
        namespace: of the rings.
        log: file that takes its stderr, and its stdout unless `answers`.
        answers: whether its first line of stdout is wanted, see `first_line`.
    """

    def __init__(
        self, module: str, arguments: Sequence[str], *, namespace: str, log: Path, answers: bool = False
    ) -> None:
        self.module = module
        self.log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if answers else file,
                stderr=file,
                env=os.environ | ENVIRONMENT | {NAMESPACE_VARIABLE: namespace},
                process_group=0,
            )

    @property
    def pid(self) -> int:
        """Process id, also of its group."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Its exit code, None while it runs, negative if a signal ended it."""
        return self._process.poll()

    def first_line(self) -> str:
        """Wait for its first line of stdout.

        Raises:
            RingbufError: it ended, or said nothing for `START_SECONDS`.
        """
        answers: IO[bytes] | None = self._process.stdout
        assert answers is not None, "made with answers=True"
        ready, _, _ = select.select([answers], [], [], START_SECONDS)
        line = answers.readline() if ready else b""
        if not line:
            raise self.failure("did not start")
        return line.decode()

    def failure(self, what: str) -> RingbufError:
        """An error that says what happened to this process, with the last it wrote."""
        return RingbufError(f"{self.module} {what}: {last_lines(self.log, 1)}")

    def end(self, seconds: float = END_SECONDS) -> None:
        """End it and all it has forked: SIGTERM, after some seconds SIGKILL. Idempotent."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, END_SECONDS)):
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)
            if self._is_gone(time.monotonic() + patience):
                return

    def _is_gone(self, deadline: float) -> bool:
        while time.monotonic() < deadline:
            self._process.poll()
            try:
                os.killpg(self.pid, 0)
            except ProcessLookupError:
                return True
            time.sleep(POLL_SECONDS)
        return False


async def stop_requested() -> None:
    """In a child: return when it is to end: on SIGTERM, or when the demo, holding the other end of stdin, is gone."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin.fileno(), stop.set)  # nothing is ever written there: readable means closed
    try:
        await stop.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
