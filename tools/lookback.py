"""Look-back records of saved messages: what they tell goes into a ring of its own, and none of it is dropped there."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import click

from ringbuf.conformance.play import Make, Outcome, outcomes
from ringbuf.conformance.saved import Saved
from ringbuf.errors import RingError
from ringbuf.record.execution import Origin
from ringbuf.strategies.adapters.adapter import Update
from ringbuf.strategies.recorder import Recorder
from ringbuf.strategies.update_recorder import UpdateRecorder

_LOOK_SECONDS: Final = 0.01


def record(make: Make, saved: Sequence[Saved], ring: str) -> dict[str, Any]:
    """Record what messages tell, and say what came of it.

    Args:
        make: makes the adapter that reads them.
        ring: its name; while it is full, this waits.

    Returns:
        messages, updates (recorded), silent (numbers of messages that told nothing of an order), refused (number, why
        and kind of what could not be kept), ring, unread (records that no writer has read so far).

    Raises:
        RingbufError: the ring cannot be had.
    """
    with Recorder.open(ring) as recorder:
        target = Lookback(recorder)
        found = outcomes(make(target), target, _shown(saved))
        silent: list[int] = []
        refused: list[dict[str, Any]] = []
        for each, outcome in zip(saved, found, strict=True):
            refused += _refused(each, outcome)
            if outcome.is_silent:
                silent.append(each.number)
        return {
            "messages": len(saved),
            "updates": target.updates,
            "silent": silent,
            "refused": refused,
            "ring": ring,
            "unread": recorder.producer.lag,
        }


class Lookback:
    """A target that records updates as look-back records, and waits while the ring is full.

    Attributes:
        updates: how many were recorded.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.updates = 0
        self._producer = recorder.producer
        self._recorder = UpdateRecorder(recorder)
        self._has_waited = False

    def apply(self, update: Update) -> None:
        """Record one.

        Raises:
            RingError: it could not be recorded; the adapter then lists its message.
        """
        self._wait_for_room()
        head = self._producer.head
        self._recorder.record(update | {"origin": Origin.LOOKBACK})
        if self._producer.head == head:
            raise RingError("an update was not recorded", "see the log for why")
        self.updates += 1

    def _wait_for_room(self) -> None:
        while self._producer.lag >= self._producer.capacity:
            if not self._has_waited:
                self._has_waited = True
                click.echo(
                    f"ring {self._producer.name!r} is full; this goes on when a writer has read some of it", err=True
                )
            time.sleep(_LOOK_SECONDS)


def _shown(saved: Sequence[Saved]) -> Iterator[Any]:
    """The messages, with a bar that shows how many were taken."""
    with click.progressbar(saved, label="recording", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        for each in bar:
            yield each.message


def _refused(saved: Saved, outcome: Outcome) -> list[dict[str, Any]]:
    return [{"number": saved.number, "why": each.why, "kind": each.kind} for each in outcome.refused]
