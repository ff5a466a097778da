"""One way to take a venue's message in a strategy."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar

from ringbuf.bench.contender import CheckFailed
from ringbuf.bench.venue_messages import OrderMessages


class MessageContender(ABC):
    """One way to take the messages of orders, in the process that measures.

    Attributes:
        name: as reports show it.
        is_collected: whether Python's garbage collector may run meanwhile.
    """

    name: ClassVar[str]
    is_collected: ClassVar[bool] = True

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    @abstractmethod
    def open(self, stack: ExitStack) -> None:
        """Get ready.

        Raises:
            Absent: a package that is needed is not installed.
        """

    @property
    @abstractmethod
    def call(self) -> Callable[[Any], Any]:
        """What is timed."""

    def prepare(self, orders: Sequence[OrderMessages]) -> list[Any]:
        """The messages as `call` takes them."""
        return [each for order in orders for each in order.updates()]

    @abstractmethod
    def check(self, orders: Sequence[OrderMessages]) -> None:
        """After these orders: everything must have arrived, each message once.

        Raises:
            CheckFailed: something has not.
        """


def compare(name: str, what: str, found: object, expected: object) -> None:
    """Say that two figures must be the same.

    Raises:
        CheckFailed: they are not.
    """
    if found != expected:
        raise CheckFailed(f"{name}: {what} is {found} and should be {expected}")
