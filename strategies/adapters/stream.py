"""What adapters of streams of messages have in common: one call takes a message as it was received."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from ringbuf.record.attempt import attempt
from ringbuf.strategies.adapters.adapter import Adapter, Refused, Update
from ringbuf.strategies.adapters.value import loaded


class StreamAdapter(Adapter, ABC):
    """Takes the messages of a stream, as text, bytes or decoded JSON, or in another form that `updates` can read.

    What is no news of an order, fill or payment (answers to subscriptions, market data, balances) gives nothing.
    """

    def receive(self, message: Any, **given: Any) -> list[Any]:
        """Take one message, or any number of them in a list, which may be text of JSON.

        Args:
            given: fields of each update that does not tell its own, as `origin="lookback"` for what is told once more.

        Returns:
            What the target returned and is not None: the deltas, if it is an `OrderPages`.
        """
        if isinstance(message, str | bytes | bytearray) and message[:1] in ("[", b"["):
            message = attempt(message, loaded, message)  # what cannot be read is refused below
        return self.deliver(self.updates, message, **given)

    @abstractmethod
    def updates(self, message: Any) -> Iterable[Update | Refused]:
        """What a message says; see the module of each adapter."""
