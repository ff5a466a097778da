"""A contender: one way to hand a fill to another process, its consumer, and the check that everything arrived."""

import importlib
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from typing import Any, ClassVar, Final, Protocol, runtime_checkable

from ringbuf.bench.fills import MODULUS, Fill, Tally
from ringbuf.bench.spawn import SPAWN
from ringbuf.bench.timing import Style
from ringbuf.bench.workspace import Workspace
from ringbuf.errors import RingbufError

READY_SECONDS: Final = 30.0
SETTLE_SECONDS: Final = 10.0
LATE_SECONDS: Final = 0.02
"""What a consumer gets twice may arrive after everything was there once."""

INSTALL: Final = "pip install 'ringbuf-capture[bench]'"


class Absent(RingbufError):
    """A contender, or something it needs, is not here."""


class CheckFailed(RingbufError):
    """A consumer did not get what was sent, each fill once."""


@runtime_checkable
class Buffering(Protocol):
    """A contender whose client keeps fills for a while."""

    def finish_slice(self) -> None:
        """Send what is still kept, after a slice and not for every fill; it is not timed."""


class Contender(ABC):
    """One way to hand over a fill. Made in the producer's process.

    Attributes:
        name: as reports show it.
        style: how it is called.
        burst: fills per round without pauses.
        settings: what a report says beside the name; may be empty.
    """

    name: ClassVar[str]
    style: ClassVar[Style] = Style.EVENT
    burst: ClassVar[int] = 2_000
    settings: ClassVar[str] = ""

    def __init__(self, workspace: Workspace, services: "Services", core: int | None) -> None:
        self.workspace = workspace
        self.services = services
        self.core = core

    @abstractmethod
    def open(self) -> None:
        """Start the consumer and connect to it.

        Raises:
            Absent: something that is needed is not there.
        """

    @property
    @abstractmethod
    def call(self) -> Callable[..., Any]:
        """What is timed."""

    def prepare(self, fills: list[Fill]) -> Sequence[Any]:
        """The fills as `call` takes them."""
        return fills

    @abstractmethod
    def received(self) -> Tally | None:
        """What the consumer has got so far; None if there is nothing to consume."""

    @abstractmethod
    def close(self) -> None:
        """End the consumer. Called once, also if `open` has failed."""


class Services:
    """Servers that contenders share: the address of each, None if it is not there, and then the reason.

    Plain data, so that it can be handed to other processes.
    """

    def __init__(self, clickhouse: str | None, no_clickhouse: str, redis: str | None, no_redis: str) -> None:
        self.clickhouse = clickhouse
        self.no_clickhouse = no_clickhouse
        self.redis = redis
        self.no_redis = no_redis


class Counter:
    """A tally in memory shared with the consumer's process, which alone writes it."""

    def __init__(self) -> None:
        self._cells = SPAWN.RawArray("Q", 4)

    def add(self, seqs: Sequence[int]) -> None:
        """Count some fills. The count is stored last, so who sees it sees the rest too."""
        cells = self._cells
        xor, total = cells[1], cells[2]
        for seq in seqs:
            xor ^= seq
            total += seq
        cells[1], cells[2] = xor, total % MODULUS
        cells[0] += len(seqs)

    def set_ready(self) -> None:
        """Say that the consumer consumes from now on."""
        self._cells[3] = 1

    @property
    def tally(self) -> Tally:
        """What was counted so far."""
        count = self._cells[0]
        return Tally(count, self._cells[1], self._cells[2])

    @property
    def is_ready(self) -> bool:
        """Whether the consumer consumes."""
        return bool(self._cells[3])


class ConsumerContender(Contender):
    """A contender whose consumer is a process that runs `consume(counter, *arguments)`."""

    consume: ClassVar[Callable[..., None]]

    _process: BaseProcess | None = None

    def start_consumer(self, *arguments: Any) -> None:
        """Start the consumer on its core and wait until it consumes.

        Raises:
            Absent: it ended instead.
        """
        self.counter = Counter()
        target = type(self).consume
        self._process = SPAWN.Process(target=_run, args=(self.core, target, self.counter, *arguments), daemon=True)
        self._process.start()
        deadline = time.monotonic() + READY_SECONDS
        while not self.counter.is_ready:
            if not self._process.is_alive() or time.monotonic() > deadline:
                raise Absent(f"its consumer did not start, exit code {self._process.exitcode}")
            time.sleep(0.002)

    def received(self) -> Tally | None:
        """What the consumer has counted."""
        return self.counter.tally

    def close(self) -> None:
        """Kill the consumer."""
        if self._process is not None:
            self._process.kill()
            self._process.join()


def _run(core: int | None, target: Callable[..., None], counter: Counter, *arguments: Any) -> None:
    pin(core)
    target(counter, *arguments)


def pin(core: int | None) -> None:
    """Keep this process on one core; None for any."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def package(name: str) -> Any:
    """Import a package of the extra `bench`.

    Raises:
        Absent: it is not installed, or cannot be loaded.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Absent(f"Python package {name!r}: {error}", INSTALL) from error


def check(contender: Contender, sent: Tally) -> None:
    """Wait until the consumer has got everything; each fill must have come once and as it was sent.

    Raises:
        CheckFailed: it has not.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    received = contender.received()
    while received is not None and received.count < sent.count and time.monotonic() < deadline:
        time.sleep(0.001)
        received = contender.received()
    if received == sent:
        time.sleep(LATE_SECONDS)
        received = contender.received()
    if received is None or received == sent:
        return
    if received.count != sent.count:
        what = "lost" if received.count < sent.count else "got twice"
        difference = abs(received.count - sent.count)
        raise CheckFailed(f"of {sent.count} fills sent the consumer {what} {difference}")
    raise CheckFailed(f"{sent.count} fills arrived, but not those that were sent: {received}, sent {sent}")
