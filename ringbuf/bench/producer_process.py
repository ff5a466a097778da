"""The process that records fills, one contender at a time, and times each call."""

import os
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

import numpy as np

from ringbuf.bench.contender import Buffering, Contender, Services, check, pin
from ringbuf.bench.distribution import Samples
from ringbuf.bench.fills import NOTHING, Fill, FillStream
from ringbuf.bench.machine import cores
from ringbuf.bench.spawn import AnsweringProcess
from ringbuf.bench.timing import Timed, measure
from ringbuf.bench.workspace import Workspace
from ringbuf.errors import RingbufError
from ringbuf.ring.native import PURE_VARIABLE

END_SECONDS: Final = 30.0


class Slice(NamedTuple):
    """One short measurement: nanoseconds of each call, and how often the garbage collector ran meanwhile."""

    samples: Samples
    gc_runs: int


class ProducerProcess:
    """Starts the contenders in a process of their own; `measure` is one slice of one of them.

    Attributes:
        ready: names of those that can be measured.
        absent: names of the others, with the reason.
    """

    def __init__(self, contenders: Sequence[type[Contender]], workspace: Workspace, services: Services, *, pure: bool):
        # The implementation is chosen when `ringbuf` is imported, so by the environment.
        before = os.environ.get(PURE_VARIABLE)
        if pure:
            os.environ[PURE_VARIABLE] = "1"
        try:
            self._process = AnsweringProcess(
                "the producer's", _serve, list(contenders), workspace, services, daemon=False
            )
        finally:
            if pure:
                os.environ.pop(PURE_VARIABLE)
                if before is not None:
                    os.environ[PURE_VARIABLE] = before
        self.ready: list[str]
        self.absent: dict[str, str]
        try:
            self.ready, self.absent = self._process.answer()
        except BaseException:
            self.close()
            raise

    def measure(self, name: str, count: int, gap_ns: int) -> Slice:
        """Time `count` calls; `gap_ns` from one to the next, 0 for a burst.

        Raises:
            CheckFailed: the consumer did not get what was sent.
        """
        self._process.ask((name, count, gap_ns))
        times, gc_runs = self._process.answer()
        return Slice(np.frombuffer(times, np.int64).astype(np.float64), gc_runs)

    def close(self) -> None:
        """End the process and its consumers."""
        self._process.end(END_SECONDS)


class Lane:
    """A contender in the producer's process, with what was sent through it."""

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self._fills = FillStream()
        self._sent = NOTHING

    def run(self, count: int, gap_ns: int) -> Timed:
        """Time `count` calls.

        Raises:
            CheckFailed: the consumer did not get what was sent.
        """
        fills: list[Fill] = self._fills.take(count)
        prepared = self.contender.prepare(fills)
        timed = measure(self.contender.style, self.contender.call, prepared, gap_ns)
        if isinstance(self.contender, Buffering):
            self.contender.finish_slice()
        self._sent = self._sent.plus([fill.exchange_seq for fill in fills])
        check(self.contender, self._sent)
        return timed


def _serve(connection: Connection, kinds: list[type[Contender]], workspace: Workspace, services: Services) -> None:
    pair = cores()
    pin(pair[0] if pair else None)
    lanes: dict[str, Lane] = {}
    absent: dict[str, str] = {}
    opened: list[Contender] = []
    try:
        for kind in kinds:
            contender = kind(workspace, services, pair[1] if pair else None)
            opened.append(contender)
            reason = _opening_problem(contender)
            if reason is None:
                lanes[kind.name] = Lane(contender)
            else:
                absent[kind.name] = reason
        connection.send((list(lanes), absent))
        while (request := _received(connection)) is not None:
            name, count, gap_ns = request
            try:
                timed = lanes[name].run(count, gap_ns)
                connection.send((timed.times.tobytes(), timed.gc_runs))
            except RingbufError as error:
                connection.send(error)
    finally:
        for contender in opened:
            contender.close()


def _opening_problem(contender: Contender) -> str | None:
    try:
        contender.open()
    except RingbufError as error:
        return str(error)
    return None


def _received(connection: Connection) -> Any:
    try:
        return connection.recv()
    except EOFError:
        return None
