"""What is measured: the recorder. And the two floors below it, and the timer."""

import mmap
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from ringbuf.bench.contender import Absent, ConsumerContender, Contender, Counter
from ringbuf.bench.fills import Fill, FillStream, Tally
from ringbuf.bench.timing import Style
from ringbuf.record.execution import EXECUTION, Liquidity, OrderStatus, Side
from ringbuf.ring import native
from ringbuf.ring.consumer import Consumer
from ringbuf.strategies import BoundRecorder, Recorder

CAPACITY: Final = 16_384
LONGEST_PAUSE: Final = 0.010


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
        """The floor copies what the last fill had, so there has to be one; nobody is to count it."""
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
    _format: ClassVar = struct.Struct("@QQqqqQH9B5x11d16s32s32s64s64s72s72s64s16s64s56x")

    def open(self) -> None:
        """Make the memory present, so that no page fault is measured."""
        assert self._format.size == EXECUTION.record_size
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


def packed_values(fill: Fill) -> tuple[Any, ...]:
    """All values of a record, as a struct takes them."""
    numbers = [fill.last_price, fill.last_quantity, fill.cumulative_quantity, fill.commission, *[float("nan")] * 7]
    fixed = [b"deribit", b"desk-7-main", b"mm-btc", b"BTC-PERPETUAL"]
    ids = [fill.client_order_id.encode(), fill.order_id.encode(), fill.trade_id.encode(), b"", b"USDT", b""]
    return (1, 2, time.time_ns(), 0, fill.exchange_ns, fill.exchange_seq, 0, *[1] * 9, *numbers, *fixed, *ids)
