"""The processes of the soak, each with the same handful of verbs. Started from the main thread, with which they end."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

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

    def __init__(self, kind: str, name: str, module: str, arguments: Sequence[str], log: Path) -> None:
        self.kind = kind
        self.name = name
        self.log = log
        self._command = [sys.executable, "-m", module, str(os.getpid()), *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def ended_by_itself(self) -> int | None:
        """Its exit code, if nobody here ended it."""
        return self._process.poll() if self._process is not None else None

    @property
    def pid(self) -> int:
        """Its process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, if it does not run."""
        if not self.is_alive:
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
                )

    def kill(self) -> None:
        """SIGKILL, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self, seconds: float) -> int:
        """SIGTERM; its exit code.

        Raises:
            subprocess.TimeoutExpired: it does not end.
        """
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(seconds)
        self._process = None
        return code


class Database:
    """The server."""

    kind = "server"
    name = "server"

    def __init__(self, server: ClickHouseServer) -> None:
        self.server = server
        self.is_alive = False

    @property
    def pid(self) -> int:
        """Its process, while it runs."""
        return self.server.pid

    def start(self) -> None:
        """Start it, if it does not run, and wait until it answers."""
        if not self.is_alive:
            self.server.start()
            self.is_alive = True

    def kill(self) -> None:
        """SIGKILL, if it runs."""
        self.server.kill()
        self.is_alive = False
