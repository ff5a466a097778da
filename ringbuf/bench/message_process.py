"""The process in which messages are taken and timed: many short rounds, every contender in each."""

import gc
import time
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

import numpy as np

from ringbuf.bench.contender import Absent, CheckFailed
from ringbuf.bench.distribution import Samples
from ringbuf.bench.message_contender import MessageContender
from ringbuf.bench.message_contenders import CONTENDERS
from ringbuf.bench.spawn import AnsweringProcess
from ringbuf.bench.venue_messages import orders
from ringbuf.errors import RingbufError

GAP_NS: Final = 5_000_000


class Slices(NamedTuple):
    """What was measured.

    Attributes:
        samples: of each contender and round, ns for each message.
        absent, failed: the other contenders, and why.
    """

    samples: dict[str, list[Samples]]
    absent: dict[str, str]
    failed: dict[str, str]


class MessageProcess(AnsweringProcess):
    """Takes the messages of orders in every way there is."""

    def __init__(self, namespace: str, rounds: int, per_round: int) -> None:
        super().__init__("the taking", _serve, namespace, rounds, per_round)

    def measured(self) -> Slices:
        """Wait for what was measured."""
        found: Slices = self.first_answer(3_600)
        return found


def _serve(connection: Connection, namespace: str, rounds: int, per_round: int) -> None:
    try:
        with ExitStack() as stack:
            connection.send(_measure(stack, namespace, rounds, per_round))
    except RingbufError as error:
        connection.send(error)


def _measure(stack: ExitStack, namespace: str, rounds: int, per_round: int) -> Slices:
    found = Slices({}, {}, {})
    contenders = []
    for kind in CONTENDERS:
        contender = kind(namespace)
        try:
            contender.open(stack)
            contenders.append(contender)
        except Absent as error:
            found.absent[kind.name] = str(error)
    for number in range(rounds + 1):
        for each in [each for each in contenders if each.name not in found.failed]:
            try:
                samples = _slice(each, number * per_round, per_round)
            except CheckFailed as error:
                found.failed[each.name] = error.what
                found.samples.pop(each.name, None)
                continue
            if number:  # the first one warms up
                found.samples.setdefault(each.name, []).append(samples)
    return found


def _slice(contender: MessageContender, first: int, count: int) -> Samples:
    some = list(orders(first, count, GAP_NS))
    messages: list[Any] = contender.prepare(some)
    call, clock = contender.call, time.perf_counter_ns
    times = np.empty(len(messages))
    if not contender.is_collected:
        gc.disable()
    try:
        for at, message in enumerate(messages):
            begin = clock()
            call(message)
            times[at] = clock() - begin
    finally:
        gc.enable()
    contender.check(some)
    return times
