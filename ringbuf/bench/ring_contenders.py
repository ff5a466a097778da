"""What is measured: the recorder, the two floors below it, and an empty timer."""

import mmap
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from ringbuf.bench.contender import Absent, ConsumerContender, Contender, Counter
from ringbuf.bench.fills import Fill, FillStream, Tally
from ringbuf.bench.timing import Style
from ringbuf.record.execution import EXECUTION, Liquidity, OrderStatus, Side
from ringbuf.record.schema import Schema
from ringbuf.record.value import blank
from ringbuf.ring import native
from ringbuf.ring.consumer import Consumer
from ringbuf.strategies import BoundRecorder, Recorder

CAPACITY: Final = 16_384
LONGEST_PAUSE: Final = 0.010
STRUCT_CODES: Final = {"u1": "B", "u2": "H", "u8": "Q", "i8": "q", "f8": "d"}


def consume_ring(counter: Counter, name: str, namespace: str) -> None:
    """Take what is new, as a writer does: at once while there is something, else after a pause that grows to 10 ms."""
    with Consumer.open(name, namespace=namespace) as consumer:
        counter.set_ready()
        pause = 0.0
        while True:
            views = consumer.poll()
            for view in views:
                counter.add(view["exchange_seq"].tolist())
            if views:
                consumer.acknowledge(consumer.position - 1)
                pause = 0.0
            else:
                pause = min(pause + 0.001, LONGEST_PAUSE)
            time.sleep(pause)


class RingContender(ConsumerContender):
    """A ring with a bound recorder."""

    consume = consume_ring
    _recorder: Recorder | None = None

    def open(self) -> None:
        """Open a ring of its own."""
        self._recorder = Recorder.open(type(self).__name__, capacity=CAPACITY, namespace=self.workspace.namespace)
        self.bound = self._recorder.bind(
            exchange="deribit", account="desk-7-main", symbol="BTC-PERPETUAL", strategy="mm-btc"
        )
        self.before_consumer()
        self.start_consumer(self._recorder.producer.name, self.workspace.namespace)

    def before_consumer(self) -> None:
        """What has to happen to the ring first."""

    def close(self) -> None:
        """Close the ring."""
        super().close()
        if self._recorder is not None:
            self._recorder.close()


class NativeFill(RingContender):
    """`fill` with the native core."""

    name = "ringbuf, native"
    style = Style.NAMED

    def before_consumer(self) -> None:
        """There must be a native core."""
        if native.CORE is None:
            raise Absent("the native core was not built, or RINGBUF_PURE is set")

    @property
    def call(self) -> Callable[..., Any]:
        """The recorder's method."""
        return self.bound.fill


class NativeTextFill(NativeFill):
    """The same, with its numbers as the decimal text that venues send."""

    name = "ringbuf, native, numbers as text"

    def prepare(self, fills: list[Fill]) -> Sequence[Any]:
        """Each float as its shortest text."""
        return [tuple(repr(value) if isinstance(value, float) else value for value in fill) for fill in fills]


class PureFill(RingContender):
    """`fill` in pure Python."""

    name = "ringbuf, pure Python"
    style = Style.NAMED

    @property
    def call(self) -> Callable[..., Any]:
        """The recorder's method."""
        assert isinstance(self.bound, BoundRecorder), "runs with RINGBUF_PURE=1"
        return self.bound.fill


class NativeFloor(RingContender):
    """The C function that reads the clock, copies the same values and ids, and does one release store."""

    name = "floor: C"
    style = Style.VALUES

    def before_consumer(self) -> None:
        """Record one fill, for the floor copies the values of the last one; it is not counted."""
        if native.CORE is None:
            raise Absent("the native core was not built, or RINGBUF_PURE is set")
        (fill,) = FillStream().take(1)
        self.bound.fill(**fill._asdict())
        with Consumer.open(type(self).__name__, namespace=self.workspace.namespace) as consumer:
            consumer.poll()
            consumer.acknowledge(0)

    @property
    def call(self) -> Callable[..., Any]:
        """The floor."""
        recorder: Any = self.bound  # the native one
        floor: Callable[..., Any] = recorder._floor
        return floor

    def prepare(self, fills: list[Fill]) -> Sequence[Any]:
        """Words as their numbers."""
        return [
            (
                int(OrderStatus[fill.order_status.upper()]),
                int(Side[fill.side.upper()]),
                int(Liquidity[fill.liquidity.upper()]),
                *fill[3:],
            )
            for fill in fills
        ]


class Unconsumed(Contender):
    """A floor that hands nothing over."""

    def open(self) -> None:
        """Nothing is needed."""

    def received(self) -> Tally | None:
        """There is nothing to receive."""
        return None

    def close(self) -> None:
        """Nothing is left."""


class PackFloor(Unconsumed):
    """`struct.pack_into` of a record of the same size, all values ready, into memory as large as a ring."""

    name = "floor: pack_into"
    style = Style.PACKED

    def open(self) -> None:
        """Touch all the memory first, so that no page fault is measured."""
        self._format = struct.Struct(record_format(EXECUTION))
        self._memory = mmap.mmap(-1, CAPACITY * EXECUTION.record_size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
        self._next = 0

    @property
    def call(self) -> Callable[..., Any]:
        """The bare method."""
        return self._format.pack_into

    def prepare(self, fills: list[Fill]) -> Sequence[Any]:
        """The next slots, and all values as the struct takes them."""
        return [(self._memory, self._slot(), packed_values(fill)) for fill in fills]

    def _slot(self) -> int:
        self._next += 1
        return (self._next % CAPACITY) * EXECUTION.record_size


class Timer(Unconsumed):
    """Nothing at all: what the clock itself takes."""

    name = "empty timer"
    style = Style.NOTHING

    @property
    def call(self) -> Callable[..., Any]:
        """Not called."""
        return time.perf_counter_ns


def record_format(schema: Schema) -> str:
    """A record of a schema as a format of `struct`, which puts zeros into the gaps."""
    parts, end = ["@"], 0
    for dtype, offset in schema.fields.values():
        code = f"{dtype.itemsize}s" if dtype.kind == "S" else STRUCT_CODES[dtype.str[1:]]
        parts += [f"{offset - end}x", code]
        end = offset + dtype.itemsize
    return "".join([*parts, f"{schema.record_size - end}x"])


def packed_values(fill: Fill) -> tuple[Any, ...]:
    """All values of a record, as a struct takes them."""
    numbers = [OrderStatus[fill.order_status.upper()], Side[fill.side.upper()], Liquidity[fill.liquidity.upper()]]
    given = fill._asdict() | dict(zip(("order_status", "side", "liquidity"), map(int, numbers), strict=True))
    given |= {"session": 1, "seq": 2, "captured_ns": time.time_ns()}
    given |= {"exchange": "deribit", "account": "desk-7-main", "strategy": "mm-btc", "symbol": "BTC-PERPETUAL"}
    absent = dict(zip(EXECUTION.fields, blank(EXECUTION)[0].item(), strict=True))
    return tuple(value.encode() if isinstance(value, str) else value for value in (absent | given).values())
