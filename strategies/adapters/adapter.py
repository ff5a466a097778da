"""An adapter: messages in, updates to a target out, and a list of what could not be kept."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol

from ringbuf.errors import RecordError
from ringbuf.record.attempt import attempt
from ringbuf.record.value import shown

LOGGER: Final = logging.getLogger("ringbuf.adapters")
LISTED: Final = 1_000
"""So many of what was refused are listed, the latest; all are counted."""

Update = dict[str, Any]
"""Fields of EXECUTION as `BoundRecorder.order` takes them, with `exchange`, `account`, `symbol` and `strategy`."""


class Refused(NamedTuple):
    """What could not be kept.

    Attributes:
        message: as it was received, or the part of it that could not be kept.
        why: one line.
        kind: the same for all that could not be kept for this reason.
    """

    message: Any
    why: str
    kind: str


class Target(Protocol):
    """What updates go to: an `OrderPages`, an `Inventory`, or anything else with this method."""

    def apply(self, update: Update, /) -> Any:
        """Take one update. What it returns that is not None, the adapter returns."""


class Adapter:
    """Takes messages of one account, and gives their updates to a target. Nothing that a message holds makes it raise.

    Args:
        target: gets each update.
        exchange, account, strategy: given to each update that does not tell its own.

    Attributes:
        refused: what could not be kept, the latest 1,000.
        refusals: how many there were of each kind.
    """

    def __init__(self, target: Target, *, exchange: str, account: str, strategy: str) -> None:
        self._target = target
        self._bound: Update = {"exchange": exchange, "account": account, "strategy": strategy}
        self.refused: deque[Refused] = deque(maxlen=LISTED)
        self.refusals: Counter[str] = Counter()

    def deliver(self, read: Callable[[Any], Iterable[Update | Refused]], messages: Any, **given: Any) -> list[Any]:
        """Give the updates of messages to the target, in their order.

        Args:
            read: what a message says: its updates, and of it what cannot be kept. It raises a `RecordError` if that is
                all of it; the error's hint is the kind.
            messages: one that is a mapping, a text or a named tuple, or any number of them.
            given: fields of each update that does not tell its own, as `origin` or `symbol`.

        Returns:
            What the target returned and is not None: the deltas, if it is an `OrderPages`.
        """
        found: list[Any] = []
        for message in self._each(messages):
            with self._refusing(message):
                for part in list(read(message)):
                    if isinstance(part, Refused):
                        self.refuse(part)
                        continue
                    with self._refusing(part):
                        update = {**self._bound, **given, **part}
                        if not update.get("symbol"):
                            raise RecordError("an update names no symbol", "give it with the message: symbol=…")
                        answer = self._target.apply(update)
                        if answer is not None:
                            found.append(answer)
        return found

    def refuse(self, refused: Refused) -> None:
        """Count and list what cannot be kept, and log it if it is the first of its kind."""
        self.refused.append(refused)
        self.refusals[refused.kind] += 1
        if self.refusals[refused.kind] == 1:
            exchange, account = self._bound["exchange"], self._bound["account"]
            LOGGER.warning("%s/%s: %s; logged once, counted and listed by the adapter", exchange, account, refused.why)

    def _each(self, messages: Any) -> list[Any]:
        is_one = isinstance(messages, Mapping | str | bytes | bytearray) or hasattr(type(messages), "_asdict")
        if is_one or not isinstance(messages, Iterable):
            return [messages]
        found: list[Any] = []
        with self._refusing(messages):
            found.extend(messages)
        return found

    def _refusing(self, message: Any) -> "_Refusing":
        return _Refusing(self, message)


class _Refusing:
    """What is raised in it is what a message holds, or what the target makes of it; it must not reach trading code."""

    def __init__(self, adapter: Adapter, message: Any) -> None:
        self._adapter = adapter
        self._message = message

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        if isinstance(error, RecordError):
            refused = Refused(self._message, str(error), error.hint or error.what)
        else:
            name = type(error).__name__
            refused = Refused(self._message, f"{name}: {attempt('', str, error) or shown(error)}", name)
        self._adapter.refuse(refused)
        return True
