"""Messages played through an adapter."""

import inspect
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from ringbuf.conformance.ending import Ending
from ringbuf.errors import ConfigurationError
from ringbuf.record.execution import ExecType, Flag
from ringbuf.record.salvage import salvage
from ringbuf.record.value import shown
from ringbuf.strategies.adapters.adapter import Adapter, Refused, Target, Update
from ringbuf.strategies.adapters.message import CONTRADICTION, UNREADABLE
from ringbuf.strategies.inventory import Inventory


class Playable(Protocol):
    """What an adapter has to have: `Adapter` and a method that takes any message."""

    refused: deque[Refused]
    refusals: Counter[str]

    def receive(self, messages: Any) -> Any:
        """Take a message."""


Make = Callable[[Target], Playable]
"""Makes an adapter that gives its updates to a target."""


class Flagged(NamedTuple):
    """An update that does not say all of its message.

    Attributes:
        message: place of its message, from 0.
        what: the flags that its record has, with what is missing of a fill, and what its text says could not be read or
            contradicts itself.
        update: without the fields that are bound.
    """

    message: int
    what: str
    update: Update


class Played(NamedTuple):
    """What came of messages.

    Attributes:
        updates: how many there were.
        silent: places of messages, from 0, that told nothing of an order, fill or payment.
        refused: what could not be kept, with the place of its message.
        flagged: those that were kept and do not say all.
        ending: what is known after the last one.
    """

    updates: int
    silent: list[int]
    refused: list[tuple[int, Refused]]
    flagged: list[Flagged]
    ending: Ending


class FunctionAdapter(Adapter):
    """A function of the user's, from a message to updates, as an adapter."""

    def __init__(self, read: Callable[[Any], Iterable[Update | Refused]], target: Target, **bound: str) -> None:
        super().__init__(target, exchange=bound["exchange"], account=bound["account"], strategy=bound["strategy"])
        self._read = read

    def receive(self, messages: Any) -> list[Any]:
        """Take a message."""
        return self.deliver(self._read, messages)


def maker(
    adapter: Any, *, exchange: str = "venue", account: str = "account", strategy: str = "strategy", **more: Any
) -> Make:
    """How an adapter is made.

    Args:
        adapter: a class that is made as `Adapter` is and has `receive`, or a function from a message to updates.
        exchange, account, strategy: given to each update that does not tell its own.
        more: what else the class takes.

    Raises:
        ConfigurationError: it is neither, or the class takes other arguments.
    """
    bound = {"exchange": exchange, "account": account, "strategy": strategy}
    is_class = inspect.isclass(adapter)
    if is_class and hasattr(adapter, "receive"):
        try:
            inspect.signature(adapter).bind(None, **bound, **more)
        except TypeError as error:
            raise ConfigurationError(
                f"{adapter.__name__} cannot be made: {error}",
                "an adapter takes a target, exchange, account and strategy",
            ) from error
        return lambda target: adapter(target, **bound, **more)
    if callable(adapter) and not is_class and not more:
        return lambda target: FunctionAdapter(adapter, target, **bound)
    raise ConfigurationError(
        f"{shown(adapter)} is no adapter", "give a class with `receive`, or a function from a message to updates"
    )


class CountingTarget(Target, Protocol):
    """A target that counts the updates it took."""

    updates: int


class Outcome(NamedTuple):
    """What came of one message.

    Attributes:
        updates: how many it told that were kept.
        refused: what of it could not be kept.
    """

    updates: int
    refused: list[Refused]

    @property
    def is_silent(self) -> bool:
        """Whether it told nothing of an order, fill or payment."""
        return not (self.updates or self.refused)


def outcomes(adapter: Playable, target: CountingTarget, messages: Iterable[Any]) -> Iterator[Outcome]:
    """Give messages one after another to the adapter of a target."""
    for message in messages:
        updates, refusals = target.updates, adapter.refusals.total()
        adapter.receive(message)
        new = adapter.refusals.total() - refusals
        yield Outcome(target.updates - updates, list(adapter.refused)[-new:] if new else [])


def play(make: Make, messages: Sequence[Any]) -> Played:
    """Give messages one after another to a new adapter."""
    target = _Rules()
    silent: list[int] = []
    refused: list[tuple[int, Refused]] = []
    for place, outcome in enumerate(outcomes(make(target), target, messages)):
        target.place = place + 1
        refused += [(place, each) for each in outcome.refused]
        if outcome.is_silent:
            silent.append(place)
    return Played(target.updates, silent, refused, target.flagged, Ending.of(target.inventory))


class _Rules:
    """A target that knows what a record would say, and is as strict as the rules."""

    def __init__(self) -> None:
        self.inventory = Inventory(lookback=None)
        self.place = 0
        self.updates = 0
        self.flagged: list[Flagged] = []

    def apply(self, update: Update) -> None:
        self.inventory.apply(update)
        self.updates += 1
        what = [*_flags(update), *_notes(update)]
        if what:
            told = {name: value for name, value in update.items() if name not in ("exchange", "account", "strategy")}
            self.flagged.append(Flagged(self.place, "; ".join(what), told))


def _flags(update: Update) -> list[str]:
    """The flags of its record, as `BoundRecorder.order` sets them, and what is missing of a fill."""
    stored, flags = salvage(update)
    missing = [] if stored.get("side") else ["side"]
    missing += [each for each in ("last_price", "last_quantity") if not math.isfinite(stored.get(each, math.nan))]
    words = [str(flag.name).lower() for flag in flags]
    if stored.get("exec_type") == ExecType.FILL and missing:
        words.append(f"{str(Flag.REQUIRED_MISSING.name).lower()}: {', '.join(missing)}")
    return words


def _notes(update: Update) -> list[str]:
    """What the text says of values that no field has."""
    text = update.get("text")
    parts = text.split("; ") if isinstance(text, str) else []
    return [each for each in parts if each.startswith((UNREADABLE, CONTRADICTION))]
