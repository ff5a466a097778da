"""A process that plays the strategies of an order flow, each with a ring of its own."""

import time
from multiprocessing.connection import Connection
from typing import Final, NamedTuple

import numpy as np

from ringbuf.bench.order_flow import PER_ORDER, RECEIVED_NS, STRATEGIES, VENUE_NS, OrderFlow
from ringbuf.bench.spawn import AnsweringProcess
from ringbuf.errors import RingbufError
from ringbuf.record.enumerations import ExecType
from ringbuf.record.schema import Records
from ringbuf.ring.producer import FULL, Producer

CAPACITY: Final = 1_024
STEP_NS: Final = 1_000
"""Between the records of an order that are captured together."""


class Recorded(NamedTuple):
    """What was recorded.

    Attributes:
        records: how many.
        fills_ns: when each of its fills was appended, ns since the epoch.
    """

    records: int
    fills_ns: list[int]


class FlowProcess(AnsweringProcess):
    """Records the orders that come after the history of a flow; the rings stay when it ends.

    Attributes:
        orders: how many it was asked to record.
    """

    def __init__(self, flow: OrderFlow, namespace: str) -> None:
        super().__init__("the recording", _serve, flow, namespace)
        self.orders = 0
        self.first_answer()

    def record(self, orders: int) -> Recorded:
        """Record so many orders at once."""
        self.start_recording(orders, 0.0)
        return self.recorded()

    def start_recording(self, orders: int, per_second: float) -> None:
        """Begin to record orders one after the other, so many records a second, or all at once if that is 0.

        `recorded` waits for the end.
        """
        self.orders += orders
        self.ask((orders, per_second))

    def recorded(self) -> Recorded:
        """Wait until what was asked for is done."""
        answer: Recorded = self.answer()
        return answer


def _serve(connection: Connection, flow: OrderFlow, namespace: str) -> None:
    try:
        producers = [
            Producer.open(f"s{number:03d}", capacity=CAPACITY, namespace=namespace) for number in range(STRATEGIES)
        ]
        connection.send(None)
        following = flow.orders
        while (request := connection.recv()) is not None:
            orders, per_second = request
            records = flow.records(following, orders)
            following += orders
            connection.send(
                _paced(producers, flow, records, per_second) if per_second else _at_once(producers, records)
            )
    except RingbufError as error:
        connection.send(error)


def _at_once(producers: list[Producer], records: Records) -> Recorded:
    taken = 0
    _move_to_now(records)
    for number, session in enumerate(np.unique(records["session"])):
        taken += producers[number].extend(records[records["session"] == session])
    if taken < len(records):
        raise RingbufError(f"of {len(records)} records the rings took {taken}", "record fewer at once")
    return Recorded(taken, [time.time_ns()] * int((records["exec_type"] == ExecType.FILL).sum()))


def _paced(producers: list[Producer], flow: OrderFlow, records: Records, per_second: float) -> Recorded:
    appended = []
    begin = time.monotonic()
    for number, index in enumerate(np.lexsort((records["seq"], records["client_order_id"]))):
        ahead = begin + number / per_second - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        record = records[index : index + 1]
        _move_to_now(record)
        if producers[int(record["session"][0]) - flow.first_session].append(record[0]) == FULL:
            raise RingbufError("a ring was full", "see why the writer does not drain it")
        if record["exec_type"][0] == ExecType.FILL:
            appended.append(time.time_ns())
    return Recorded(len(records), appended)


def _move_to_now(records: Records) -> None:
    """Give records the present time; the producer says when they are captured."""
    now = time.time_ns() + records["seq"].astype(np.int64) % PER_ORDER * STEP_NS
    is_venue = records["exchange_ns"] != 0
    records["exchange_ns"] = np.where(is_venue, now - VENUE_NS, 0)
    records["received_ns"] = np.where(is_venue, now - RECEIVED_NS, 0)
    records["captured_ns"] = 0
