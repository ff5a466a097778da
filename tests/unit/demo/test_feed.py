"""The feed of a simulated exchange is as unreliable as it says, and its numbers tell what is missing."""

import random
from collections import Counter
from collections.abc import Callable

from ringbuf.demo.feed import Feed, Message

COUNT = 2_000


def told(seed: int) -> tuple[list[int], Feed]:
    """The numbers of the messages as they arrive; the late ones after the next few."""
    arrived: list[int] = []
    late: list[tuple[int, Message]] = []

    def deliver(message: Message) -> None:
        assert message["quantity"] == message["number"] * 2
        arrived.append(message["number"])

    def later(seconds: float, function: Callable[[Message], None], message: Message) -> None:
        assert 0 < seconds < 1
        late.append((feed.number + round(seconds * 50), message))

    feed = Feed(random.Random(seed), deliver, later)
    for number in range(1, COUNT + 1):
        feed.tell({"event": "fill", "quantity": number * 2})
        for each in [each for each in late if each[0] <= number]:
            late.remove(each)
            deliver(each[1])
    for _, message in late:
        deliver(message)
    return arrived, feed


def test_messages_are_lost_late_and_repeated_as_often_as_the_feed_counts() -> None:
    arrived, feed = told(1)
    times = Counter(arrived)
    assert feed.number == COUNT
    assert COUNT - len(times) == feed.faults["lost"] > 10
    assert sum(times.values()) - len(times) == feed.faults["repeated"] > 10
    assert feed.faults["late"] > 10
    assert arrived != sorted(arrived)


def test_the_same_seed_gives_the_same_faults() -> None:
    assert told(7)[0] == told(7)[0] != told(8)[0]
