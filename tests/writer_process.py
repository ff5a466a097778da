"""The writer of a test: a real one that can be killed at a step, have something replaced, and must end well.

Run as a program it is a writer with small limits, killed at one of its steps:
`python -m tests.writer_process STEP N ARGUMENTS…`.
"""

import os
import signal
import sys
import textwrap
from typing import ClassVar, Self

from ringbuf.journal import step
from ringbuf.journal.step import Step
from ringbuf.launch import writer_process
from ringbuf.launch.child_process import module
from ringbuf.tools.cli import main
from ringbuf.writer.derive import derivation
from ringbuf.writer.drain import drain
from ringbuf.writer.load import batch, batches, catch_up, loader

DEADLINE_SECONDS = 60.0
QUICK = ["--segment-mb", "0.1", "--flush-ms", "10", "--retain-gb", "0"]
"""Options for small segments that are removed as soon as the database has them."""


class WriterProcess(writer_process.WriterProcess):
    """`ringbuf writer` on a data directory; leaves no process behind when used as a context."""

    def start(self, *, kill_at: tuple[Step, int] | None = None) -> Self:
        """Start the writer; with `kill_at` it has small limits and kills itself at that step, the nth time."""
        if kill_at is None:
            return super().start()
        return self._run(module("tests.writer_process", kill_at[0].name, str(kill_at[1]), *self._options))

    def stop(self) -> None:
        """SIGTERM; the writer must store what is there and exit with 0."""
        assert self.end(DEADLINE_SECONDS) == 0, self.log

    def wait_killed(self) -> None:
        """Wait until the process has killed itself."""
        assert self.process.wait(DEADLINE_SECONDS) == -signal.SIGKILL, self.log


class PatchedWriter(WriterProcess):
    """A writer in whose process `patch` runs first; its `sys.argv[1]` is the data directory."""

    patch: ClassVar[str]

    def start(self, **_: object) -> Self:
        begin = f"import sys\n{textwrap.dedent(self.patch)}\nsys.argv = ['ringbuf', *sys.argv[2:]]\n"
        program = f"{begin}from ringbuf.tools.cli import main; main()"
        return self._run([sys.executable, "-c", program, str(self.data_dir), *self._options])


def shrink_limits(batch_bytes: int = 512 * 1024) -> None:
    """Let a few records do what takes tens of thousands: batches of two inserts, and batches that are read ahead."""
    for limited, name, value in (
        (batch, "WORTH_DIVIDING", 16),
        (batches, "MAX_BYTES", batch_bytes),
        (batches, "PLENTY_BYTES", batch_bytes // 4),
        (catch_up, "CATCH_UP_BYTES", batch_bytes // 4),
        (loader, "PATIENCE_SECONDS", 0.5),
        (drain, "CYCLE_BYTES", 96 * 1024),
        (derivation, "CLOSE_SECONDS", 0.2),
        (derivation, "GIVES_WAY_SECONDS", 0.2),
    ):
        setattr(limited, name, value)


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
