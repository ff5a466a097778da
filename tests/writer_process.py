"""A real writer process, and what it must have done in the end.

Run as a program it is the writer itself with small limits, killed at one of its steps:
`python -m tests.writer_process STEP N ARGUMENTS…`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ringbuf.journal import step
from ringbuf.journal.step import Step
from ringbuf.tools.cli import main
from ringbuf.writer.drain import drain
from ringbuf.writer.load import batch, loader

DEADLINE_SECONDS = 30.0


def wait_until(condition: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait for something that must happen; fail with its name if it does not."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"did not happen within {seconds} s: {what}"
        time.sleep(0.01)


class WriterProcess:
    """`ringbuf writer` on a data directory; leaves no process behind when used as a context."""

    def __init__(self, data_dir: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self._arguments = ["writer", "--data-dir", str(data_dir), *arguments]
        self._environment = {**os.environ, **(environment or {})}
        self._log = data_dir.with_suffix(".log")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, kill_at: tuple[Step, int] | None = None) -> "WriterProcess":
        """Start the writer; with `kill_at` it has small limits and kills itself at that step, the nth time."""
        program = [str(Path(sys.executable).with_name("ringbuf"))]
        if kill_at is not None:
            program = [sys.executable, "-m", "tests.writer_process", kill_at[0].name, str(kill_at[1])]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen([*program, *self._arguments], stderr=log, stdout=log, env=self._environment)
        return self

    def __enter__(self) -> "WriterProcess":
        return self.start() if self.process is None else self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> str:
        """What all runs on this directory have logged."""
        return self._log.read_text() if self._log.exists() else ""

    def status(self) -> dict[str, object]:
        """The last `status.json`, {} before the first."""
        try:
            found: dict[str, object] = json.loads((self.data_dir / "status.json").read_bytes())
        except FileNotFoundError:
            return {}
        return found

    def wait_running(self) -> "WriterProcess":
        """Wait until this process serves."""
        assert self.process is not None
        pid = self.process.pid
        wait_until(lambda: self.status().get("pid") == pid or not self.is_alive, "the writer runs")
        assert self.is_alive, self.log
        return self

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """SIGTERM; the writer must store what is there and exit with 0."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(DEADLINE_SECONDS) == 0, self.log

    def wait_killed(self) -> None:
        """Wait until the process has killed itself."""
        assert self.process is not None
        assert self.process.wait(DEADLINE_SECONDS) == -signal.SIGKILL, self.log


def shrink_limits(batch_bytes: int = 512 * 1024) -> None:
    """Let a few records do what takes tens of thousands: batches of two inserts, and batches that are read ahead."""
    for module, name, value in (
        (batch, "WORTH_DIVIDING", 16),
        (loader, "MAX_BYTES", batch_bytes),
        (loader, "PLENTY_BYTES", batch_bytes // 4),
        (drain, "CYCLE_BYTES", 96 * 1024),
    ):
        setattr(module, name, value)


def _kill_at(wanted: Step, occurrence: int) -> None:
    left = occurrence

    def watch(reached: Step) -> None:
        nonlocal left
        if reached is wanted:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    step.watch = watch


if __name__ == "__main__":
    shrink_limits()
    _kill_at(Step[sys.argv[1]], int(sys.argv[2]))
    sys.argv = ["ringbuf", *sys.argv[3:]]
    main()
