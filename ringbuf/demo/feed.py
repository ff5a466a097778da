"""A client's stream of messages at a simulated exchange, as unreliable as the worst of real ones.

Each message has a number, so that a client can tell that one is missing. Some are lost, some come late and so out of
order, some come twice.
"""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

Message = dict[str, Any]
Later = Callable[[float, Callable[[Message], None], Message], object]

LOST: Final = 0.02
REPEATED: Final = 0.03
LATE: Final = 0.04
LATE_SECONDS: Final = (0.005, 0.15)


class Feed:
    """The stream of one client; it goes on when the client has connected again.

    Args:
        random_source: decides what happens to a message.
        deliver: sends a message, if the client is connected.
        later: calls a function with a message after some seconds.

    Attributes:
        number: of the last message.
        faults: how many messages were lost, late and repeated.
    """

    def __init__(self, random_source: random.Random, deliver: Callable[[Message], None], later: Later) -> None:
        self.number = 0
        self.faults: Counter[str] = Counter()
        self._random = random_source
        self._deliver = deliver
        self._later = later

    def tell(self, event: Message) -> None:
        """Send an event, or not."""
        self.number += 1
        message = event | {"number": self.number}
        if self._happens("lost", LOST):
            return
        self._pass(message)
        if self._happens("repeated", REPEATED):
            self._pass(message)

    def _pass(self, message: Message) -> None:
        if self._happens("late", LATE):
            self._later(self._random.uniform(*LATE_SECONDS), self._deliver, message)
        else:
            self._deliver(message)

    def _happens(self, fault: str, share: float) -> bool:
        happens = self._random.random() < share
        self.faults[fault] += happens
        return happens
