"""`ringbuf writer` as a process of its own."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from ringbuf.launch.child_process import START_SECONDS, ChildProcess, module
from ringbuf.state import status
from ringbuf.state.data_directory import DataDirectory

STOP_SECONDS: Final = 120.0


class WriterProcess:
    """A writer on a data directory, which can be ended and started again. A `with` block starts and kills it.

    Attributes:
        data_dir: its data directory, which need not exist.
        log_file: what all its runs have written.

    Args:
        options: more options of `ringbuf writer`.
        environment: variables it has beside those of this process.
        log_file: by default beside the data directory.
    """

    def __init__(
        self,
        data_dir: Path,
        *options: str,
        environment: Mapping[str, str] | None = None,
        log_file: Path | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.log_file = log_file or data_dir.with_suffix(".log")
        self._environment = environment
        self._options = ["writer", "--data-dir", str(data_dir), *options]
        self._process: ChildProcess | None = None

    def __enter__(self) -> Self:
        return self if self._process is not None else self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def process(self) -> ChildProcess:
        """The process that was started last."""
        assert self._process is not None, "the writer was not started"
        return self._process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.exit_code is None

    @property
    def log(self) -> str:
        """What all its runs have written."""
        return self.log_file.read_text() if self.log_file.exists() else ""

    def start(self) -> Self:
        """Start it; it does not work yet when this returns."""
        return self._run(module("ringbuf.tools.cli", *self._options))

    def _run(self, command: Sequence[str]) -> Self:
        self._process = ChildProcess("the writer", command, self.log_file, environment=self._environment)
        return self

    def status(self) -> dict[str, Any]:
        """What it last said about itself, {} before it has said anything."""
        return status.read(DataDirectory(self.data_dir).status) or {}

    def wait_running(self) -> Self:
        """Wait until it works.

        Raises:
            RingbufError: it ended instead, or takes too long.
        """
        return self.wait_until(lambda: self.status().get("pid") == self.pid, "start")

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> Self:
        """Wait for something that it is to do.

        Raises:
            RingbufError: it ended, or it takes too long.
        """
        self.process.wait_until(condition, what, seconds)
        return self

    def kill(self) -> None:
        """End it by SIGKILL, as a crash would; does nothing if it does not run."""
        if self._process is not None:
            self._process.kill()

    def end(self, seconds: float = STOP_SECONDS) -> int:
        """End it by SIGTERM, after which it stores what is there; returns its exit code.

        If it takes longer than `seconds` it is killed, and the exit code is negative.
        """
        return self.process.end(seconds)
