"""A program that runs as a process of its own and ends with the process that started it."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from ringbuf.errors import RingbufError
from ringbuf.launch import owner

START_SECONDS: Final = 60.0
END_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.01

# One thread each: numpy's linear algebra would start one per core in every process, for nothing.
ENVIRONMENT: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs a Python module."""
    return [sys.executable, "-m", name, *arguments]


def last_lines(log: Path, count: int = 1) -> str:
    """The end of a log."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(text.strip().splitlines()[-count:]) or "it wrote nothing"


class ChildProcess:
    """A running program. It has a process group of its own, so Ctrl-C in the terminal reaches its owner alone.

    It is killed when its owner ends. Start it from the main thread: for the kernel, the owner is the starting thread.

    Args:
        name: what errors call it.
        command: the program and its arguments.
        log: file that its stderr is appended to, and its stdout unless `answers`.
        environment: variables it has beside those of this process.
        answers: whether its first line of stdout is wanted, see `first_line`.
        idle: whether it is to run only when a core has nothing else to do.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        answers: bool = False,
        idle: bool = False,
    ) -> None:
        assert threading.current_thread() is threading.main_thread(), "the process would end with the thread"
        self.name = name
        self.log = log
        self._is_over = False
        policy = owner.IDLE if idle else owner.USUAL
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", owner.__file__, str(os.getpid()), policy, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if answers else file,
                stderr=file,
                env={**os.environ, **ENVIRONMENT, **(environment or {})},
                process_group=0,
            )

    @property
    def pid(self) -> int:
        """Process id, also of its group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code, None while it runs, negative if a signal ended it."""
        return self._process.poll()

    def first_line(self, seconds: float = START_SECONDS) -> str:
        """Wait for its first line of stdout.

        Raises:
            RingbufError: it ended, or said nothing in time.
        """
        answers: IO[bytes] | None = self._process.stdout
        assert answers is not None, "made with answers=True"
        ready, _, _ = select.select([answers], [], [], seconds)
        line = answers.readline() if ready else b""
        if not line:
            raise self.failure("did not start")
        return line.decode()

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
        """Wait for something that this process is to do.

        Raises:
            RingbufError: it ended, or it takes too long.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if self.exit_code is not None:
                raise self.failure(f"ended with {self.exit_code} and did not {what}")
            if time.monotonic() > deadline:
                raise self.failure(f"did not {what} within {seconds:g} s")
            time.sleep(POLL_SECONDS)

    def failure(self, what: str) -> RingbufError:
        """An error that says what happened to this process, with the last line it wrote."""
        return RingbufError(f"{self.name} {what}: {last_lines(self.log)}")

    def wait(self, seconds: float) -> int:
        """Wait until it has ended by itself; returns its exit code.

        Raises:
            RingbufError: it does not end in time.
        """
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise self.failure(f"did not end within {seconds:g} s") from None

    def end(self, seconds: float = END_SECONDS) -> int:
        """End it and all it has forked: SIGTERM, after some seconds SIGKILL. Idempotent; returns its exit code."""
        return self._end((signal.SIGTERM, seconds), (signal.SIGKILL, END_SECONDS))

    def kill(self) -> int:
        """End it and all it has forked by SIGKILL, as a crash would. Idempotent; returns its exit code."""
        return self._end((signal.SIGKILL, END_SECONDS))

    def _end(self, *steps: tuple[signal.Signals, float]) -> int:
        if self._process.stdout is not None:
            self._process.stdout.close()
        for number, patience in steps:
            if not self._is_over:  # else the number may be another group's
                with suppress(ProcessLookupError):
                    os.killpg(self.pid, number)
                self._is_over = self._ends_within(patience)
        return self._process.wait()

    def _ends_within(self, seconds: float) -> bool:
        """Wait for the end of the process and of all it has forked."""
        deadline = time.monotonic() + seconds
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        while self._process.returncode is not None:
            try:
                os.killpg(self.pid, 0)
            except ProcessLookupError:
                return True
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
        return False
