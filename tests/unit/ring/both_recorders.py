"""One ring with a pure and a native recorder on it, to compare what they store."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from ringbuf.record.execution import EXECUTION
from ringbuf.ring import layout, native, registry
from ringbuf.ring.consumer import Consumer
from ringbuf.strategies import Recorder
from ringbuf.strategies.bound_recorder import BoundRecorder

BOUND = {"exchange": "binance", "account": "A-1", "symbol": "ETHUSDT", "strategy": "mm-eth"}
FILL: dict[str, Any] = {"side": "buy", "last_price": 2500.25, "last_quantity": 0.5}

needs_core = pytest.mark.skipif(native.CORE is None, reason="the native core is not in use")


def core() -> Any:
    """The module of the native core."""
    assert native.CORE is not None
    return native.CORE


class Text(str):
    """A text that is not exactly a str, which the native core leaves to pure Python."""

    __slots__ = ()


class Both:
    """One ring with a pure and a native recorder on it."""

    def __init__(self, capacity: int = 64) -> None:
        name = f"both-{uuid4().hex[:8]}"
        self.recorder = Recorder.open(name, capacity=capacity)
        self.producer = self.recorder.producer
        self.consumer = Consumer.open(name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(native, "CORE", None)
            self.pure = self.recorder.bind(**BOUND)
        self.native = self.recorder.bind(**BOUND)
        self.producer.has_room(0)  # which the first append of a process leaves to pure Python
        assert type(self.pure) is BoundRecorder
        assert type(self.native) is core().BoundRecorder

    def take(self) -> np.ndarray[Any, np.dtype[np.void]]:
        """All records there are, acknowledged."""
        records = np.concatenate([np.zeros(0, EXECUTION.dtype), *(view.copy() for view in self.consumer.poll())])
        if len(records):
            self.consumer.acknowledge(self.consumer.position - 1)
        return records

    def stored(self, append: Callable[[], object]) -> tuple[str, int]:
        """The bytes of the record that a call makes over an old one, and how many were counted as flagged."""
        flagged = self.producer.flagged
        self.producer.mark_dirty(self.producer.head)
        begin = layout.HEADER_SIZE + self.producer.head % self.producer.capacity * EXECUTION.record_size
        slot = slice(begin, begin + EXECUTION.record_size)
        self.producer.memory[slot] = b"\xff" * EXECUTION.record_size
        append()
        (record,) = self.take()
        assert record["captured_ns"] > 1_700_000_000 * 10**9
        data = bytearray(self.producer.memory[slot])
        for name in ("seq", "captured_ns"):
            offset = EXECUTION.fields[name][1]
            data[offset : offset + 8] = bytes(8)
        return data.hex(), self.producer.flagged - flagged

    def check_same(self, method: str, fields: dict[str, Any]) -> None:
        """Let both recorders record the same, and compare."""
        stored = [self.stored(partial(getattr(each, method), **fields)) for each in (self.native, self.pure)]
        if method == "order":
            update = BOUND | fields
            stored += [self.stored(partial(each.order_of, update)) for each in (self.native, self.pure)]
        assert stored.count(stored[0]) == len(stored), fields

    def remove(self) -> None:
        self.recorder.close()
        self.consumer.close()
        registry.remove(self.producer.name, force=True)
