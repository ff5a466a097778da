"""Queues between two processes.

Those that carry Python objects are given the fill itself; those that carry bytes are given its record, packed.
"""

import ctypes
import multiprocessing.connection
import secrets
import struct
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import posix_ipc

from ringbuf.bench.contender import Absent, ConsumerContender, Counter, package
from ringbuf.bench.fills import Fill
from ringbuf.bench.spawn import SPAWN

# Only what is given: the queues are not to be charged for the empty fields of our record.
MESSAGE: Final = struct.Struct("<16s8s8sdddd48s32s48s8sqQ")
SEQ: Final = struct.Struct("<Q")
SEQ_AT: Final = MESSAGE.size - SEQ.size
ROOM: Final = 64 * 1024 * 1024
POLL_SECONDS: Final = 0.001
ICEORYX_DEPTH: Final = 4096


class Message(ctypes.Structure):
    """A packed fill, for iceoryx2."""

    _fields_ = [("record", ctypes.c_char * MESSAGE.size)]


def packed(fill: Fill) -> bytes:
    """A fill as bytes."""
    status, side, liquidity, price, quantity, total, fee, client_id, order_id, trade_id, currency, ns, seq = fill
    return MESSAGE.pack(
        status.encode(),
        side.encode(),
        liquidity.encode(),
        price,
        quantity,
        total,
        fee,
        client_id.encode(),
        order_id.encode(),
        trade_id.encode(),
        currency.encode(),
        ns,
        seq,
    )


def seq_of(message: Any) -> int:
    """`exchange_seq` of a packed fill."""
    (seq,) = SEQ.unpack_from(message, SEQ_AT)
    return int(seq)


def consume_queue(counter: Counter, queue: Any) -> None:
    """Take fills off a queue."""
    counter.set_ready()
    while True:
        counter.add([queue.get().exchange_seq])


class Queue(ConsumerContender):
    """`multiprocessing.Queue`: `put` hands over to a thread, which pickles."""

    name = "multiprocessing.Queue"
    consume = consume_queue

    def open(self) -> None:
        """Make the queue."""
        self._queue = SPAWN.Queue()
        self.start_consumer(self._queue)

    @property
    def call(self) -> Callable[..., Any]:
        """Its own method."""
        return self._queue.put


def consume_pipe(counter: Counter, connection: Connection) -> None:
    """Take fills out of a pipe."""
    counter.set_ready()
    while True:
        counter.add([connection.recv().exchange_seq])


class Pipe(ConsumerContender):
    """`multiprocessing.Pipe`: `send` pickles and writes."""

    name = "multiprocessing.Pipe"
    consume = consume_pipe

    def open(self) -> None:
        """Make the pipe."""
        receiving, self.sending = multiprocessing.connection.Pipe(duplex=False)
        self.start_consumer(receiving)

    @property
    def call(self) -> Callable[..., Any]:
        """Its own method."""
        return self.sending.send


def consume_zmq(counter: Counter, address: str) -> None:
    """Take messages from a PULL socket."""
    zmq = package("zmq")
    socket = zmq.Context().socket(zmq.PULL)
    socket.set_hwm(0)
    socket.bind(address)
    counter.set_ready()
    while True:
        counter.add([seq_of(socket.recv())])


class Zmq(ConsumerContender):
    """PUSH over ipc, packed. No high-water mark: it never waits for the consumer."""

    name = "pyzmq PUSH, ipc"
    consume = consume_zmq

    def open(self) -> None:
        """Connect."""
        zmq = package("zmq")
        address = f"ipc://{self.workspace.new_directory('zmq')}/socket"
        self.start_consumer(address)
        self._socket = zmq.Context().socket(zmq.PUSH)
        self._socket.set_hwm(0)
        self._socket.connect(address)

    @property
    def call(self) -> Callable[..., Any]:
        """Pack and send."""
        send = self._socket.send
        return lambda fill: send(packed(fill))


def consume_faster_fifo(counter: Counter, queue: Any) -> None:
    """Take messages, as many at once as there are."""
    counter.set_ready()
    while True:
        for message in queue.get_many(timeout=3600.0):
            counter.add([seq_of(message)])


class FasterFifo(ConsumerContender):
    """faster-fifo with packed messages, so that it need not pickle."""

    name = "faster-fifo"
    consume = consume_faster_fifo

    def open(self) -> None:
        """Make the queue."""
        module = package("faster_fifo")
        package("faster_fifo_reduction")
        self._queue = module.Queue(max_size_bytes=ROOM, loads=bytes, dumps=bytes)
        self.start_consumer(self._queue)

    @property
    def call(self) -> Callable[..., Any]:
        """Pack and put."""
        put = self._queue.put
        return lambda fill: put(packed(fill))


def consume_posix(counter: Counter, name: str) -> None:
    """Take messages from a message queue."""
    queue = posix_ipc.MessageQueue(name)
    counter.set_ready()
    while True:
        message, _ = queue.receive()
        counter.add([seq_of(message)])


class PosixQueue(ConsumerContender):
    """A POSIX message queue, as deep as the system allows: if it is full, `send` waits for the consumer."""

    name = "POSIX message queue"
    consume = consume_posix
    _queue: Any = None

    def open(self) -> None:
        """Make the queue."""
        limit = Path("/proc/sys/fs/mqueue/msg_max")
        if not limit.exists():
            raise Absent("this kernel has no message queues")
        self.depth = int(limit.read_text())
        name = f"/{self.workspace.namespace}.{secrets.token_hex(4)}"
        self._queue = posix_ipc.MessageQueue(
            name, posix_ipc.O_CREX, max_messages=self.depth, max_message_size=MESSAGE.size
        )
        self.start_consumer(name)

    @property
    def call(self) -> Callable[..., Any]:
        """Pack and send."""
        send = self._queue.send
        return lambda fill: send(packed(fill))

    def close(self) -> None:
        """Remove the queue."""
        super().close()
        if self._queue is not None:
            self._queue.unlink()
            self._queue.close()


def iceoryx_service(name: str) -> tuple[Any, Any]:
    """A node and its service; the same on both sides.

    Returns:
        both, for the service ends with its node.
    """
    iceoryx2 = package("iceoryx2")
    iceoryx2.set_log_level(iceoryx2.LogLevel.Error)
    node = iceoryx2.NodeBuilder.new().create(iceoryx2.ServiceType.Ipc)
    service = (
        node.service_builder(iceoryx2.ServiceName.new(name))
        .publish_subscribe(Message)
        .enable_safe_overflow(False)
        .subscriber_max_buffer_size(ICEORYX_DEPTH)
        .open_or_create()
    )
    return node, service


def consume_iceoryx(counter: Counter, name: str) -> None:
    """Take samples; look every millisecond when there is none."""
    _, service = iceoryx_service(name)
    subscriber = service.subscriber_builder().create()
    counter.set_ready()
    while True:
        sample = subscriber.receive()
        if sample is None:
            time.sleep(POLL_SECONDS)
        else:
            counter.add([seq_of(ctypes.string_at(sample.payload_ptr, MESSAGE.size))])
            sample.delete()


class Iceoryx(ConsumerContender):
    """iceoryx2: the packed fill is copied into a sample that was loaned. Nothing is overwritten."""

    name = "iceoryx2"
    consume = consume_iceoryx

    def open(self) -> None:
        """Make the service; the consumer must be there before the first fill."""
        name = f"{self.workspace.namespace}/{secrets.token_hex(4)}"
        self._node, self._service = iceoryx_service(name)
        self._publisher = self._service.publisher_builder().create()
        self.start_consumer(name)

    @property
    def call(self) -> Callable[..., Any]:
        """Loan, copy, send."""
        loan, move, size = self._publisher.loan_uninit, ctypes.memmove, MESSAGE.size

        def send(fill: Fill) -> None:
            sample = loan()
            move(sample.payload_ptr, packed(fill), size)
            sample.assume_init().send()

        return send
