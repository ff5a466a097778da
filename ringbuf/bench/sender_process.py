"""A process that sends the records of a writer's journal from memory: this shows the most that a server can take."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from multiprocessing.connection import Connection
from pathlib import Path

from ringbuf.bench.spawn import AnsweringProcess
from ringbuf.errors import RingbufError
from ringbuf.journal.reader import RECORDS, Frame, JournalReader
from ringbuf.record.execution import EXECUTION
from ringbuf.sinks.clickhouse.engine import Server
from ringbuf.sinks.clickhouse.sink import ClickHouseSink


class SenderProcess(AnsweringProcess):
    """Holds a journal in memory and has its connections open; ended at the end of a `with` block.

    Attributes:
        pid: its process.

    Args:
        journal: directory of the journal.
        url: of the server.
        database: name of a database to make.
        batches: how many records to send in each insert.
        connections: how many to use; the inserts take turns on them.

    Raises:
        RingbufError: the journal has other records than these, or the database cannot be made.
    """

    def __init__(self, journal: Path, url: str, database: str, batches: Sequence[int], connections: int) -> None:
        super().__init__("the sending", _serve, journal, url, database, batches, connections)
        self.first_answer()

    def send(self) -> float:
        """Send everything, once.

        Returns:
            seconds from the first insert until the last one was acknowledged.

        Raises:
            RingbufError: the server did not take it.
        """
        self.ask(None)
        return float(self.answer())


def _serve(
    connection: Connection, journal: Path, url: str, database: str, batches: Sequence[int], connections: int
) -> None:
    try:
        bodies = cut(_records(journal), batches)
        sinks = [ClickHouseSink(Server(url), database) for _ in range(connections)]
        for sink in sinks:
            sink.ensure(EXECUTION)
        connection.send(None)
        connection.recv()
        connection.send(_send(sinks, bodies, batches))
    except RingbufError as error:
        connection.send(error)


def _records(journal: Path) -> memoryview:
    """All records of a journal, as it has them."""
    records = bytearray()
    for each in JournalReader(journal).frames():
        if isinstance(each, Frame) and each.kind == RECORDS:
            records += each.payload
    return memoryview(records)


def cut(records: memoryview, batches: Sequence[int]) -> list[memoryview]:
    """The bytes of each insert.

    Raises:
        RingbufError: there are more records, or fewer.
    """
    size = EXECUTION.record_size
    ends = list(accumulate(batches))
    if not ends or ends[-1] * size != records.nbytes:
        raise RingbufError(f"the journal has {records.nbytes / size:g} records, the inserts were of {list(batches)}")
    return [records[(end - count) * size : end * size] for end, count in zip(ends, batches, strict=True)]


def _send(sinks: Sequence[ClickHouseSink], bodies: Sequence[memoryview], batches: Sequence[int]) -> float:
    def send(number: int) -> None:
        for index in range(number, len(bodies), len(sinks)):
            sinks[number].insert(EXECUTION, [bodies[index]], batches[index], f"insert {index}")

    with ThreadPoolExecutor(len(sinks)) as threads:
        begin = time.monotonic()
        list(threads.map(send, range(len(sinks))))
        return time.monotonic() - begin
