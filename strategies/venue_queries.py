"""What can be asked of a venue after a disconnect: the user's functions, and what they answer."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from ringbuf.strategies.arguments import check_function
from ringbuf.trading.order_state import OrderState

Update: TypeAlias = Mapping[str, Any]
"""Fields of EXECUTION as `BoundRecorder.order` takes them; `exchange`, `account`, `strategy` are added if missing."""


class NoSuchOrder(Enum):
    """The venue says that it knows no such order."""

    NO_SUCH_ORDER = "no such order"


NO_SUCH_ORDER: Final = NoSuchOrder.NO_SUCH_ORDER

Updates: TypeAlias = Iterable[Update] | None
OneOrder: TypeAlias = Update | Iterable[Update] | Literal[NoSuchOrder.NO_SUCH_ORDER] | None
Positions: TypeAlias = Mapping[Any, Any] | None


@dataclass(frozen=True, kw_only=True)
class VenueQueries:
    """The user's functions, plain or coroutine functions.

    An answer is all that there is. A function that could not get all of it, or could not read some, raises or gives
    None: then nothing is concluded. An empty list says that there is nothing.

    Attributes:
        open_orders: the state of every open order, of all kinds; see `OpenOrders.queries`.
        trades: every fill since the connection was lost, and better some before.
        order: the state of one order, with its fills if the venue tells them; or `NO_SUCH_ORDER`.
        positions: the signed quantity of every position, by symbol, or by `Instrument` where there are several of one
            symbol; numbers or their text. What is not there is zero.

    Raises:
        ConfigurationError: one cannot be called.
    """

    open_orders: Callable[[], Updates | Awaitable[Updates]]
    trades: Callable[[], Updates | Awaitable[Updates]] | None = None
    order: Callable[[OrderState], OneOrder | Awaitable[OneOrder]] | None = None
    positions: Callable[[], Positions | Awaitable[Positions]] | None = None

    def __post_init__(self) -> None:
        check_function("open_orders", self.open_orders)
        for name in ("trades", "order", "positions"):
            check_function(name, getattr(self, name), is_optional=True)


class Answer(list[Update]):
    """A list of updates that an adapter can be given as its target, to make the answer of a query."""

    def apply(self, update: Update) -> None:
        """Take one update."""
        self.append(update)


class Failure(NamedTuple):
    """A query that was not answered.

    Attributes:
        query: the field of `VenueQueries`.
        why: the error, or that it gave nothing.
    """

    query: str
    why: str


class Question(NamedTuple):
    """A query that is to be asked now.

    Attributes:
        query: the field of `VenueQueries`.
        ask: calls the user's function.
    """

    query: str
    ask: Callable[[], Any]

    def failed(self, error: BaseException) -> Failure:
        """It raised."""
        return Failure(self.query, f"{type(error).__name__}: {error}")

    def answer(self, given: Any) -> Any:
        """What was given, as it is used from here on: a list of updates, a mapping of positions, or a `Failure`."""
        if given is None:
            return Failure(self.query, "it gave None")
        if given is NO_SUCH_ORDER:
            return given if self.query == "order" else Failure(self.query, "it gave NO_SUCH_ORDER")
        if self.query == "positions":
            return dict(given)
        updates = [given] if isinstance(given, Mapping) else list(given)
        if self.query == "order" and not updates:
            return Failure(self.query, "it told nothing; NO_SUCH_ORDER says that there is none")
        if not all(isinstance(each, Mapping) for each in updates):
            return Failure(self.query, "it gave what is no update")
        return updates
