"""The figures of a running demo, taken from outside: ring headers, the writer's status, the database."""

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ringbuf.demo.writer_supervisor import WriterSupervisor
from ringbuf.errors import RingIncomplete, RingNotFound, SinkError
from ringbuf.query.database import ask_writer
from ringbuf.ring.observer import Observer
from ringbuf.state import status
from ringbuf.state.data_directory import DataDirectory

COUNT_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Figures:
    """Where the records of the demo are at one moment.

    Attributes:
        seconds: since the first record.
        captured: appended to the rings.
        journaled: acknowledged by the writer, which it does once they are durable in its journal.
        stored: in the database.
        dropped: found a ring full.
        p50, p99: milliseconds from append to stored, None before the first; of the present writer.
        strategies: the process id of each that runs now.
        strategy_restarts: how often one was started again.
        problem: why the database could not be asked just now.
    """

    seconds: float
    captured: int
    journaled: int
    stored: int
    dropped: int
    p50: float | None
    p99: float | None
    writer_pid: int | None
    restarts: int
    strategies: dict[str, int]
    strategy_restarts: int
    problem: str | None

    @property
    def lag(self) -> int:
        """Records in the rings that are in no journal yet."""
        return self.captured - self.journaled


class Monitor:
    """Watches the demo's rings, writer and database without touching them.

    The database is asked in a thread: the other figures go on while the writer has more important things to do.
    """

    def __init__(self, names: Sequence[str], namespace: str, data_dir: Path, writer: WriterSupervisor) -> None:
        self._missing = list(names)
        self._namespace = namespace
        self._data_dir = data_dir
        self._writer = writer
        self._observers: list[Observer] = []
        self._processes: dict[str, set[int]] = {}  # all that ever had a ring
        self._began: float | None = None
        self._stored = 0
        self._problem: str | None = None
        self._closed = threading.Event()
        threading.Thread(target=self._keep_counting, name="count stored", daemon=True).start()

    def figures(self) -> Figures:
        """The figures now."""
        self._find_rings()
        states = [observer.state() for observer in self._observers]
        running = {
            observer.name: state.producer_pid
            for observer, state in zip(self._observers, states, strict=True)
            if state.producer_alive and state.producer_pid  # which is written a moment later
        }
        for name, pid in running.items():
            self._processes.setdefault(name, set()).add(pid)
        captured, now = sum(state.head for state in states), time.monotonic()
        if captured and self._began is None:
            self._began = now
        latency = (status.read(DataDirectory(self._data_dir).status) or {}).get("latency_ms", {})
        return Figures(
            seconds=now - (self._began or now),
            captured=captured,
            journaled=sum(state.tail for state in states),
            stored=self._stored,
            dropped=sum(state.dropped for state in states),
            p50=latency.get("p50"),
            p99=latency.get("p99"),
            writer_pid=self._writer.pid,
            restarts=self._writer.restarts,
            strategies=running,
            strategy_restarts=sum(len(each) - 1 for each in self._processes.values()),
            problem=self._problem,
        )

    def close(self) -> None:
        """Close the rings and stop asking."""
        self._closed.set()
        for observer in self._observers:
            observer.close()

    def _find_rings(self) -> None:
        for name in list(self._missing):
            try:
                self._observers.append(Observer.open(name, namespace=self._namespace))
                self._missing.remove(name)
            except (RingNotFound, RingIncomplete):
                continue  # its strategy is still starting

    def _keep_counting(self) -> None:
        while not self._closed.wait(COUNT_SECONDS):
            if self._began is not None:
                self._count_stored()

    def _count_stored(self) -> None:
        sessions = ", ".join(str(observer.header.session) for observer in list(self._observers))
        statement = f"SELECT uniqExact(session, seq) AS stored FROM executions WHERE session IN ({sessions})"
        try:
            self._stored = int(json.loads(ask_writer(self._data_dir, statement))["stored"])
            self._problem = None
        except (OSError, SinkError) as error:  # a writer killed a moment ago, or a database that is away
            self._problem = str(error) if self._writer.is_running else None
