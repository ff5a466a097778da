"""What the adapters of venues' own private streams have in common: one call takes a message as it was received."""

from collections.abc import Iterable
from typing import Any

from ringbuf.strategies.adapters.adapter import Adapter, Refused, Update


class StreamAdapter(Adapter):
    """Takes the messages of a venue's private stream, as text, bytes or decoded JSON.

    What is no news of an order, fill or payment (answers to subscriptions, market data, balances) gives nothing.
    """

    def receive(self, message: Any, **given: Any) -> list[Any]:
        """Take one message, or any number of them in a list.

        Args:
            given: fields of each update that does not tell its own, as `origin="lookback"` for what is told once more.

        Returns:
            What the target returned and is not None: the deltas, if it is an `OrderPages`.
        """
        return self.deliver(self.updates, message, **given)

    def updates(self, message: Any) -> Iterable[Update | Refused]:
        """What a message says; see the module of each venue."""
        raise NotImplementedError
