"""The processes of the soak, each with the same handful of verbs. Started from the main thread, with which they end."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ringbuf.launch.child_process import ChildProcess, module
from tests.clickhouse_server import ClickHouseServer


class Victim(Protocol):
    """What the chaos may kill.

    Attributes:
        name: for the log.
        kind: what the report counts it as.
    """

    name: str
    kind: str

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""

    @property
    def pid(self) -> int:
        """Its process, while it runs."""

    def start(self) -> None:
        """Start it, if it does not run."""

    def kill(self) -> None:
        """SIGKILL, if it runs."""


class Program:
    """A strategy or the writer.

    Attributes:
        log: file its output is appended to.
    """

    def __init__(self, kind: str, name: str, module_name: str, arguments: Sequence[str], log: Path) -> None:
        self.kind = kind
        self.name = name
        self.log = log
        self._command = module(module_name, *arguments)
        self._process: ChildProcess | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.exit_code is None

    @property
    def ended_by_itself(self) -> int | None:
        """Its exit code, if nobody here ended it."""
        return self._process.exit_code if self._process is not None else None

    @property
    def pid(self) -> int:
        """Its process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, if it does not run."""
        if not self.is_alive:
            self._process = ChildProcess(self.name, self._command, self.log)

    def kill(self) -> None:
        """SIGKILL, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def end(self, seconds: float) -> int:
        """SIGTERM, and SIGKILL if it takes longer; its exit code, negative if a signal has ended it."""
        assert self._process is not None
        code = self._process.end(seconds)
        self._process = None
        return code


class Database(ClickHouseServer):
    """The server."""

    kind = "server"
    name = "server"
