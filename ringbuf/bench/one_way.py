"""How long a record takes from one process to another; both read the same clock.

The producer stamps and publishes, then sleeps; the consumer reads the clock as soon as it sees the record.
"""

import mmap
import os
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

import numpy as np

from ringbuf.bench.contender import Counter, pin
from ringbuf.bench.distribution import Samples
from ringbuf.bench.fills import FillStream
from ringbuf.bench.machine import cores
from ringbuf.bench.spawn import SPAWN
from ringbuf.bench.workspace import Workspace
from ringbuf.errors import RingbufError
from ringbuf.ring import layout
from ringbuf.ring.consumer import Consumer
from ringbuf.strategies import Recorder

RING: Final = "one-way"
CELL: Final = "one-way.cell"
HEAD: Final = layout.HEAD // 8
TAKEN: Final = 16  # on a cache line of its own, which is not fetched with that of the first
GAP_SECONDS: Final = 0.001
SPINS: Final = 200
SHORTEST_PAUSE: Final = 0.000_05
LONGEST_PAUSE: Final = 0.000_25
END_SECONDS: Final = 120.0


class Way(NamedTuple):
    """How a record gets there: what the producer sends with, and how the consumer receives."""

    name: str
    open_sending: Callable[["Ends"], Callable[[int], None]]
    receive: Callable[["Ends", int], list[int]]


class Ends(NamedTuple):
    """What both processes need to meet."""

    workspace: Workspace
    ready: Counter
    sending: Connection
    receiving: Connection


def measure(way: Way, work: Workspace, count: int) -> Samples:
    """Nanoseconds that each of `count` records takes, one a millisecond; producer and consumer on different cores.

    Raises:
        RingbufError: not all arrived.
    """
    receiving, sending = SPAWN.Pipe(duplex=False)
    answers, theirs = SPAWN.Pipe(duplex=False)
    ends = Ends(work, Counter(), sending, receiving)
    pair = cores() or (None, None)
    processes = [
        SPAWN.Process(target=_produce, args=(way, ends, count, pair[0]), daemon=True),
        SPAWN.Process(target=_consume, args=(way, ends, count, pair[1], theirs), daemon=True),
    ]
    for process in processes:
        process.start()
    try:
        if not answers.poll(END_SECONDS):
            raise RingbufError(f"{way.name}: of {count} records not all arrived within {END_SECONDS:.0f} s")
        return np.array(answers.recv(), np.float64)
    finally:
        for process in processes:
            process.kill()
            process.join()
        work.remove_rings()


def _produce(way: Way, ends: Ends, count: int, core: int | None) -> None:
    pin(core)
    send = way.open_sending(ends)
    while not ends.ready.is_ready:
        time.sleep(0.01)
    time.sleep(0.1)
    for number in range(1, count + 1):
        send(number)
        time.sleep(GAP_SECONDS)
    time.sleep(END_SECONDS)  # what goes away with this process must stay until it was read


def _consume(way: Way, ends: Ends, count: int, core: int | None, answers: Connection) -> None:
    pin(core)
    answers.send(way.receive(ends, count))


def _open_ring(ends: Ends) -> Callable[[int], None]:
    recorder = Recorder.open(RING, namespace=ends.workspace.namespace)
    bound = recorder.bind(exchange="deribit", account="A1", symbol="BTC-PERPETUAL", strategy="mm-btc")
    (fill,) = FillStream().take(1)
    fields: Any = fill._asdict()

    def send(_: int) -> None:
        bound.fill(**fields)

    return send


def _attached(ends: Ends) -> Consumer:
    """The consumer of the producer's ring, once that is there."""
    deadline = time.monotonic() + END_SECONDS
    while True:
        try:
            consumer = Consumer.open(RING, namespace=ends.workspace.namespace)
        except RingbufError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
            continue
        ends.ready.set_ready()
        return consumer


def _take(consumer: Consumer, seen_ns: int, found: list[int]) -> None:
    for view in consumer.poll():
        found += (seen_ns - view["captured_ns"]).tolist()
    consumer.acknowledge(consumer.position - 1)


def _spin(ends: Ends, count: int) -> list[int]:
    """Look at the head all the time."""
    found: list[int] = []
    with _attached(ends) as consumer:
        cursors = consumer.cursors
        while len(found) < count:
            position = consumer.position
            while cursors[HEAD] == position:
                pass
            _take(consumer, time.time_ns(), found)
    return found


def _adapt(ends: Ends, count: int) -> list[int]:
    """Look at the head `SPINS` times, then between pauses that double from 50 us to 250 us."""
    found: list[int] = []
    with _attached(ends) as consumer:
        while len(found) < count:
            spins, pause = 0, SHORTEST_PAUSE
            while consumer.head == consumer.position:
                spins += 1
                if spins > SPINS:
                    time.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
            _take(consumer, time.time_ns(), found)
    return found


def _cell(ends: Ends) -> memoryview:
    """Numbers in shared memory: the first is the time that is sent, the one at `TAKEN` what was taken last."""
    descriptor = os.open(ends.workspace.directory / CELL, os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(descriptor, mmap.PAGESIZE)
    return memoryview(mmap.mmap(descriptor, mmap.PAGESIZE)).cast("Q")


def _open_cell(ends: Ends) -> Callable[[int], None]:
    cell = _cell(ends)
    clock = time.time_ns

    def send(_: int) -> None:
        while cell[TAKEN] != cell[0]:  # who receives may have lost its core meanwhile, and nothing may be overwritten
            time.sleep(GAP_SECONDS)
        cell[0] = clock()

    return send


def _watch_cell(ends: Ends, count: int) -> list[int]:
    """Look at one number in shared memory all the time; the number is the time when it was stored."""
    cell = _cell(ends)
    cell[0] = cell[TAKEN] = last = 0
    ends.ready.set_ready()
    found: list[int] = []
    while len(found) < count:
        while (sent_ns := cell[0]) == last:
            pass
        found.append(time.time_ns() - sent_ns)
        cell[TAKEN] = last = sent_ns
    return found


def _open_pipe(ends: Ends) -> Callable[[int], None]:
    clock, send = time.time_ns, ends.sending.send

    def send_time(_: int) -> None:
        send(clock())

    return send_time


def _read_pipe(ends: Ends, count: int) -> list[int]:
    """Be woken by the kernel."""
    ends.ready.set_ready()
    found = []
    with closing(ends.receiving) as receiving:
        for _ in range(count):
            sent_ns = receiving.recv()
            found.append(time.time_ns() - sent_ns)
    return found


WAYS: Final = (
    Way("floor: one number in shared memory, spinning", _open_cell, _watch_cell),
    Way("ring, spinning consumer", _open_ring, _spin),
    Way("ring, adaptive consumer", _open_ring, _adapt),
    Way("multiprocessing.Pipe", _open_pipe, _read_pipe),
)
