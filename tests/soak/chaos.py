"""Which fault comes when. Everything is drawn from one seeded generator, in one order, whatever the processes do."""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from tests import proxy
from tests.proxy import Fault, Message, Proxy
from tests.soak.disk import Disk
from tests.soak.live_ring import LiveRing
from tests.soak.processes import Program, Victim

MEAN_SECONDS: Final = 0.6
CALM_SECONDS: Final = 5.0
DEATH: Final = "SIGKILL "

WEIGHTS: Final = {
    "strategy": 40,
    "writer": 24,
    "server": 16,
    "connections cut": 5,
    "request cut": 3,
    "answer cut": 3,
    "acknowledged, not stored": 3,
    "no answer": 1,
    "garbage": 1,
    "503": 1,
    "refused": 1,
    "SIGSTOP": 3,
    "disk full": 2,
    "ring removed": 4,
}

_GARBAGE: Final = (
    b"\x16\x03\x01\x02\x00 not HTTP at all",
    proxy.http(200, "OK", b"<html>login</html>", "Content-Type: text/html\r\n"),
    proxy.http(200, "OK", b'{"error": "no"}', "Content-Type: application/json\r\n"),
    proxy.http(200, "OK", b"\x1f\x8b\x08\x00\x00", "Content-Encoding: gzip\r\n"),
)


@dataclass(frozen=True)
class Draw:
    """One event: when it comes after the one before, what it is, and the numbers its kind makes use of."""

    delay: float
    kind: str
    duration: float
    where: float
    which: float


def draws(seed: int, *, calm: bool) -> Iterator[Draw]:
    """The events of a seed, without end; if `calm`, one after the other and each kind as often as the others."""
    generator = random.Random(seed)
    kinds, weights = list(WEIGHTS), None if calm else list(WEIGHTS.values())
    while True:
        delay = CALM_SECONDS if calm else min(generator.expovariate(1 / MEAN_SECONDS), 3 * MEAN_SECONDS)
        (kind,) = generator.choices(kinds, weights)
        yield Draw(delay, kind, generator.uniform(0.05, 1.5), generator.random(), generator.random())


@dataclass
class Chaos:
    """Plays events.

    Attributes:
        counts: by kind; a process that did not run when its turn came is not counted.
    """

    strategies: list[Program]
    rings: Mapping[str, LiveRing]
    writer: Program
    database: Victim
    proxy: Proxy
    disk: Disk
    rows: Callable[[Message], int]

    def __post_init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._stopped: set[int] = set()

    def begin(self, draw: Draw) -> tuple[str, Callable[[], None]] | None:
        """Begin a fault. Returns its name and what ends it; None if there was nothing to break."""
        victims: dict[str, Victim] = {
            "strategy": self.strategies[int(draw.which * len(self.strategies))],
            "writer": self.writer,
            "server": self.database,
        }
        if draw.kind in victims:
            return self._kill(victims[draw.kind])
        if draw.kind == "SIGSTOP":
            processes: list[Victim] = [*self.strategies, self.writer, self.database]
            return self._suspend(processes[int(draw.which * len(processes))])
        if draw.kind == "ring removed":
            victim = victims["strategy"]
            is_running = victim.is_alive and victim.pid not in self._stopped
            if not is_running or not self.rings[victim.name].remove():
                return None
            end = _nothing
        elif draw.kind == "disk full":
            if not self.writer.is_alive:
                return None
            self.disk.fill(self.writer.pid)
            end = self.disk.free
        elif draw.kind == "refused":
            self.proxy.refuse()
            end = self.proxy.listen
        elif draw.kind == "connections cut":
            self.proxy.cut()
            end = _nothing
        else:
            self._misbehave(draw)
            end = self._calm
        self.counts[draw.kind] += 1
        return draw.kind, end

    def _kill(self, victim: Victim) -> tuple[str, Callable[[], None]] | None:
        if not victim.is_alive:
            return None
        self._stopped.discard(victim.pid)
        victim.kill()
        self.counts[DEATH + victim.kind] += 1
        return DEATH + victim.kind, victim.start

    def _suspend(self, victim: Victim) -> tuple[str, Callable[[], None]] | None:
        if not victim.is_alive:
            return None
        pid = victim.pid
        os.kill(pid, signal.SIGSTOP)
        self._stopped.add(pid)

        def resume() -> None:
            if pid in self._stopped:  # else it was killed meanwhile, and the number may be another process's
                self._stopped.remove(pid)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

        self.counts["SIGSTOP"] += 1
        return "SIGSTOP", resume

    def _misbehave(self, draw: Draw) -> None:
        times = 1 + int(draw.which * 3)
        if draw.kind == "acknowledged, not stored":
            self.proxy.play(proxy.acknowledge(self.rows), times=times)
        else:
            self.proxy.play(self._fault(draw), times=times, applies=lambda _: True)

    def _calm(self) -> None:
        self.proxy.behave()
        self.proxy.cut()  # whoever waits for an answer would do so for a minute

    def _fault(self, draw: Draw) -> Fault:
        match draw.kind:
            case "request cut":
                return proxy.cut_request(lambda request: int(draw.where * len(request)))
            case "answer cut":
                return proxy.cut_answer(lambda length: int(draw.where * length))
            case "no answer":
                return proxy.hang if draw.where < 0.5 else proxy.hang_after_forwarding
            case "garbage":
                return proxy.answer_with(_GARBAGE[int(draw.where * len(_GARBAGE))])
        return proxy.answer_with(proxy.http(503, "Service Unavailable", b"try later"))


def _nothing() -> None:
    pass
