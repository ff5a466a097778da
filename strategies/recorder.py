"""The hook in a strategy process: records order updates and fills into the process's own ring.

recorder = Recorder.open("mm-btc")
btc = recorder.bind(exchange="deribit", account="A1", symbol="BTC-PERPETUAL", strategy="mm-btc")
btc.fill(side="buy", last_price=64000.5, last_quantity=0.1, order_id="1", trade_id="7", liquidity="maker")
"""

import logging
from typing import Final, Self

from ringbuf.record.execution import EXECUTION, Flag
from ringbuf.record.fields import BY_NAME
from ringbuf.record.salvage import text
from ringbuf.ring import native
from ringbuf.ring.producer import Producer
from ringbuf.strategies.bound_recorder import BOUND, BoundRecorder
from ringbuf.strategies.native_recorder import native_recorder

LOGGER: Final = logging.getLogger("ringbuf.recorder")


class Recorder:
    """Records executions of one strategy process. Make it with `open`.

    Attributes:
        producer: the ring's producer, for its counters (`dropped`, `flagged`, `lag`) and its `session`.
    """

    def __init__(self, producer: Producer) -> None:
        self.producer = producer
        self._warned: dict[str, object] = {}

    @classmethod
    def open(cls, name: str, *, capacity: int | None = None, namespace: str | None = None) -> Self:
        """Create the ring of this name, or go on with the one an earlier process left.

        Args:
            capacity: records the ring holds, a power of two; by default that of the existing ring, else 16,384.
            namespace: by default that of `RINGBUF_NAMESPACE`.

        Raises:
            RingbufError: as `Producer.open`. This is the one call of the recorder that raises for its surroundings.
        """
        producer = Producer.open(name, EXECUTION, capacity=capacity, namespace=namespace)
        if not producer.memory_locked:
            LOGGER.info("ring %r is not locked in memory, the limit (`ulimit -l`) is lower than its size", name)
        return cls(producer)

    def bind(self, *, exchange: str, account: str, symbol: str, strategy: str) -> BoundRecorder:
        """Encode once what never changes.

        A text too long for its field is shortened (prefix, `#`, hash); every record then carries the flag.

        Returns:
            An object whose `order` and `fill` take only what changes.
        """
        given = {"exchange": exchange, "account": account, "strategy": strategy, "symbol": symbol}
        encoded = b""
        flags = Flag(0)
        for name in BOUND:
            data, flag = text(given[name], BY_NAME[name].width)
            encoded += data.ljust(BY_NAME[name].width, b"\0")
            flags |= flag
        pure = BoundRecorder(self.producer, self.warn, encoded, flags)
        # With a flag in every record there is nothing usual to be quick about.
        return pure if native.CORE is None or flags else native_recorder(native.CORE, self.producer, pure)

    def warn(self, kind: str, detail: str) -> None:
        """Log the first event of a kind; the ring's counters count all of them."""
        first = object()
        if self._warned.setdefault(kind, first) is first:  # one step, so that of several threads one logs
            LOGGER.warning("ring %r: %s (%s); logged once, counted in `ringbuf show`", self.producer.name, kind, detail)

    def close(self) -> None:
        """Let the next process of this name in. The ring and its records stay. Idempotent."""
        self.producer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
