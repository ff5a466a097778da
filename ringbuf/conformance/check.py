"""Whether messages are kept, and end the same however they arrive."""

import random
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from ringbuf.conformance.ending import Ending
from ringbuf.conformance.play import Make, Played, play

RUNS: Final = 10
"""Streams of each kind, or fewer where there are many messages."""
PLAYED: Final = 20_000
"""So many messages are played in streams of a kind, if nothing else is said."""


class Difference(NamedTuple):
    """A stream that ends otherwise.

    Attributes:
        stream: which kind it is.
        run: which of those, from 1: the same for the same messages and seed.
        differences: one line each.
    """

    stream: str
    run: int
    differences: list[str]


class Check(NamedTuple):
    """What came of messages.

    Attributes:
        messages: how many there were.
        played: as they came.
        runs: streams of each kind that were played.
        different: those that ended otherwise.
    """

    messages: int
    played: Played
    runs: int
    different: list[Difference]

    @property
    def is_kept(self) -> bool:
        """Whether there was something, everything was kept, and each stream ended the same."""
        return self.played.updates > 0 and not self.played.refused and not self.different


def check(
    make: Make,
    messages: Sequence[Any],
    *,
    snapshot: Sequence[Any] | None = None,
    runs: int | None = None,
    seed: int = 1,
) -> Check:
    """Play messages as they came, then in streams that arrive otherwise; all must end the same.

    Args:
        make: makes the adapter, as `maker` gives it.
        snapshot: what the venue answers when it is asked after a loss: all orders and trades as they are at the end.
            By default a look back over all messages.
        runs: so many streams of each kind; 0 plays the messages only as they came. By default 10, fewer of more than
            2,000 messages, and at least one.
        seed: of chance.
    """
    if runs is None:
        runs = max(1, min(RUNS, PLAYED // max(1, len(messages))))
    played = play(make, messages)
    different = []
    for run in range(1, runs + 1):
        for stream, arrived in streams(
            messages, messages if snapshot is None else snapshot, random.Random(seed * 1_000 + run)
        ):
            differences = played.ending.differences(play(make, arrived).ending)
            if differences:
                different.append(Difference(stream, run, sorted(differences)))
    return Check(len(messages), played, runs, different)


def streams(messages: Sequence[Any], snapshot: Sequence[Any], draw: random.Random) -> Iterator[tuple[str, list[Any]]]:
    """One stream of each kind.

    Args:
        snapshot: what is told after a loss.
        draw: chance.
    """
    yield "any order", draw.sample(messages, len(messages))
    copies = [each for each in messages for _ in range(draw.choice((1, 1, 2, 3)))]
    yield "repetition", copies
    yield "repetition in any order", draw.sample(copies, len(copies))
    yield "loss, then a snapshot", [*(each for each in messages if draw.random() < 0.5), *snapshot]
    kept = [each for each in messages if draw.random() < 0.5]
    yield "loss in any order, then a snapshot", [*draw.sample(kept, len(kept)), *snapshot]


__all__ = ["RUNS", "Check", "Difference", "Ending", "check", "streams"]
