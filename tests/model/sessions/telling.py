"""How a venue tells what happens: in the dialect of each, one message or several for each event."""

import json
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

from ringbuf.strategies.adapters.stream import StreamAdapter
from tests.model.sessions.exchange import Abilities, Event, Order

Message = dict[Any, Any]


class Told(NamedTuple):
    """A message.

    Attributes:
        stream: those of one stream arrive in their order.
        number: of the order it is the state of; None if it tells none.
        is_kept: whether a snapshot has it: fills and payments.
    """

    stream: str
    number: int | None
    is_kept: bool
    message: Message


class Dialect(ABC):
    """How a venue tells.

    Attributes:
        adapter: takes its messages.
        currency: of fees.
    """

    adapter: ClassVar[type[StreamAdapter]]
    exchange: ClassVar[str]
    symbol: ClassVar[str]
    currency: ClassVar[str] = "USDT"
    abilities: ClassVar[Abilities]

    @abstractmethod
    def tell(self, event: Event) -> list[Told]:
        """The messages of an event."""

    def client_id(self, order: Order) -> str:
        """The client id with which the strategy asked for an order."""
        return order.client_id

    def text(self, message: Message) -> str:
        """A message as it is received."""
        return json.dumps(message, default=float)


def order_id(number: int) -> int:
    """The exchange's order id."""
    return 8_000_000_000 + number


def trade_id(number: int) -> int:
    """The exchange's id of a trade."""
    return 700_000 + number
