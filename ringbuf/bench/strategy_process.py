"""A process that plays many strategies, each with a ring of its own."""

import time
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from ringbuf.bench.fills import FillStream
from ringbuf.bench.spawn import AnsweringProcess
from ringbuf.errors import RingbufError
from ringbuf.ring.producer import FULL
from ringbuf.strategies import BoundRecorder, Recorder


class Recorded(NamedTuple):
    """What was recorded.

    Attributes:
        accepted: records the rings took.
        dropped: records that found a ring full.
        sessions: of the rings, in the order of their names.
    """

    accepted: int
    dropped: int
    sessions: list[int]


class StrategyProcess(AnsweringProcess):
    """Opens rings `s0000`, `s0001`, … and records fills in them, in a process of its own; the rings stay when it ends.

    Attributes:
        opening_ns: how long each ring took to open, with its binding.
    """

    def __init__(self, rings: int, capacity: int, namespace: str) -> None:
        super().__init__("the recording", _serve, rings, capacity, namespace)
        self.opening_ns: list[int] = self.first_answer()

    def start_recording(self, per_second: float, seconds: float) -> None:
        """Begin to record in all rings by turns; `recorded` waits for the end."""
        self.ask((per_second, seconds))

    def fill_up(self) -> Recorded:
        """Record until every ring is full, and close the rings: their names may be changed then."""
        self.ask(None)
        return self.recorded()

    def recorded(self) -> Recorded:
        """Wait until what was asked for is done."""
        answer: Recorded = self.answer()
        return answer


def _serve(connection: Connection, rings: int, capacity: int, namespace: str) -> None:
    recorders: list[Recorder] = []
    bound: list[BoundRecorder] = []
    opening: list[int] = []
    try:
        for number in range(rings):
            begin = time.perf_counter_ns()
            recorder = Recorder.open(f"s{number:04d}", capacity=capacity, namespace=namespace)
            bound.append(
                recorder.bind(exchange="deribit", account="A1", symbol="BTC-PERPETUAL", strategy=f"s{number:04d}")
            )
            opening.append(time.perf_counter_ns() - begin)
            recorders.append(recorder)
    except RingbufError as error:
        connection.send(error)
        return
    connection.send(opening)
    sessions = [recorder.producer.session for recorder in recorders]
    while True:
        request = connection.recv()
        accepted, dropped = _fill_up(recorders, bound, capacity) if request is None else _record(bound, *request)
        connection.send(Recorded(accepted, dropped, sessions))


def _record(bound: list[BoundRecorder], per_second: float, seconds: float) -> tuple[int, int]:
    fills: list[Any] = [fill._asdict() for fill in FillStream().take(1_000)]
    count = round(per_second * seconds)
    full = 0
    begin = time.monotonic()
    for number in range(count):
        ahead = begin + number / per_second - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        full += bound[number % len(bound)].fill(**fills[number % len(fills)]) == FULL
    return count - full, full


def _fill_up(recorders: list[Recorder], bound: list[BoundRecorder], capacity: int) -> tuple[int, int]:
    fills: list[Any] = [fill._asdict() for fill in FillStream().take(1_000)]
    accepted = 0
    for each in bound:
        for number in range(capacity):
            accepted += each.fill(**fills[number % len(fills)]) != FULL
    for recorder in recorders:
        recorder.close()
    return accepted, len(bound) * capacity - accepted
