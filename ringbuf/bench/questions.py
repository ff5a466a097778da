"""The questions of `ringbuf bench query`: those of the tool, as it asks them, and volumes, which it does not have."""

import random
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol

from ringbuf.bench import order_flow
from ringbuf.bench.order_flow import ACCOUNTS, GAP_NS, STEPS_NS, STRATEGIES, OrderFlow
from ringbuf.query.database import Database
from ringbuf.query.questions.fees import fees
from ringbuf.query.questions.fills import fills
from ringbuf.query.questions.moment import moment_text
from ringbuf.query.questions.orders import orders
from ringbuf.query.questions.positions import positions
from ringbuf.query.questions.profit import profit
from ringbuf.query.questions.selection import Selection, where

HOUR_NS: Final = 3_600_000_000_000
LAST_FILLS: Final = 100


class Lines(Protocol):
    """Rows that come while they are read."""

    def lines(self) -> Iterator[list[bytes]]:
        """The rows as JSON, some at a time."""


class Statement:
    """A question that the tool does not have."""

    def __init__(self, database: Database, statement: str) -> None:
        self._database = database
        self._statement = statement

    def lines(self) -> Iterator[list[bytes]]:
        """The rows as JSON, some at a time."""
        return self._database.batches(self._statement)


class Floor(Statement):
    """What no question takes less than."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, "SELECT 1")


class Question(NamedTuple):
    """One question; which order, symbol or moment it is about is another one each time it is asked.

    Attributes:
        ask: asks it of a database; the numbers are random.
    """

    name: str
    ask: Callable[[Database, random.Random], Lines]


def questions(flow: OrderFlow) -> list[Question]:
    """All questions about the history of a flow; the last hour is that before its end, with what came since."""
    hour = Selection(since_ns=flow.end_ns - HOUR_NS)
    return [
        Question("positions, all", lambda database, _: positions(database)),
        Question("positions, one symbol", lambda database, any_: positions(database, Selection(symbol=_symbol(any_)))),
        Question(
            "open orders, one account",
            lambda database, any_: orders(database, Selection(account=_account(any_)), is_open=True),
        ),
        Question("order, by venue id", lambda database, any_: orders(database, any_id=_order_id(any_, flow))),
        Question("order, by client id", lambda database, any_: orders(database, any_id=_client_id(any_, flow))),
        Question(
            f"last {LAST_FILLS} fills, one symbol",
            lambda database, any_: fills(database, Selection(symbol=_symbol(any_)), LAST_FILLS),
        ),
        Question("volume, last hour by symbol", lambda database, _: Statement(database, _volume(hour, "symbol"))),
        Question("fees, last hour by symbol", lambda database, _: fees(database, hour, ["symbol"])),
        Question(
            "volume, one strategy by day",
            lambda database, any_: Statement(database, _volume(Selection(strategy=_strategy(any_)), "day")),
        ),
        Question(
            "fees, one strategy by day",
            lambda database, any_: fees(database, Selection(strategy=_strategy(any_)), ["day"]),
        ),
        Question("positions, at a moment", lambda database, any_: positions(database, at_ns=_moment(any_, flow))),
        Question("profit, all", lambda database, _: profit(database)),
        Question("profit, last hour", lambda database, _: profit(database, hour)),
        Question(
            "profit, one strategy by day",
            lambda database, any_: profit(database, Selection(strategy=_strategy(any_)), by_day=True),
        ),
    ]


def _volume(selection: Selection, by: str) -> str:
    """What was traded: quantity, and price x quantity."""
    since = "" if selection.since_ns is None else moment_text(selection.since_ns)
    return (
        f"SELECT {by}, sum(volume.bought_quantity + volume.sold_quantity) AS quantity,"
        f" sum(volume.bought_quote + volume.sold_quote) AS quote"
        f" FROM volumes(since = '{since}', until = '') AS volume{where(selection.named())} GROUP BY {by} ORDER BY {by}"
    )


def _symbol(any_: random.Random) -> list[str]:
    return [f"S{any_.randrange(10):03d}-USDT"]


def _account(any_: random.Random) -> list[str]:
    return [f"a{any_.randrange(ACCOUNTS)}"]


def _strategy(any_: random.Random) -> list[str]:
    return [f"s{any_.randrange(STRATEGIES):03d}"]


def _order_id(any_: random.Random, flow: OrderFlow) -> str:
    return str(order_flow.FIRST_ORDER_ID + any_.randrange(flow.orders))


def _client_id(any_: random.Random, flow: OrderFlow) -> str:
    return f"c{any_.randrange(flow.orders):012d}"


def _moment(any_: random.Random, flow: OrderFlow) -> int:
    return flow.begin_ns + any_.randrange(STEPS_NS[-1], max(STEPS_NS[-1] + 1, flow.orders * GAP_NS))
