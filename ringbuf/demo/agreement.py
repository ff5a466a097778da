"""Whether order pages, inventory, exchange and database say the same, to the last digit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from ringbuf.demo.hedging import HEDGED_IN
from ringbuf.demo.result import StrategyResult
from ringbuf.query.database import Database

NOTHING = Decimal(0)
_Key = tuple[str, str]


class Executed(NamedTuple):
    """What orders executed."""

    bought: Decimal = NOTHING
    sold: Decimal = NOTHING


@dataclass(frozen=True)
class InstrumentRow:
    """One strategy and instrument.

    Attributes:
        pages, orders: what its orders executed, by its order pages and by the database.
        inventory, exchange, database: its position, as each of them has it.
    """

    strategy: str
    symbol: str
    pages: Executed
    orders: Executed
    inventory: Decimal
    exchange: Decimal
    database: Decimal

    @property
    def differences(self) -> list[str]:
        """What is not equal, in words."""
        found = []
        if self.pages != self.orders:
            found.append(f"bought and sold by pages {_shown(self.pages)}, by database {_shown(self.orders)}")
        if not self.pages.bought - self.pages.sold == self.inventory == self.exchange == self.database:
            found.append(
                f"position by pages {self.pages.bought - self.pages.sold}, inventory {self.inventory},"
                f" exchange {self.exchange}, database {self.database}"
            )
        return [f"{self.strategy} {self.symbol}: {each}" for each in found]


@dataclass(frozen=True)
class HedgeRow:
    """One strategy and hedge instrument; sales are below zero.

    Attributes:
        symbol, maker: of the hedge, and of what is hedged.
        filled: bought less sold of the maker, by the order pages.
        hedged, balance: what the hedger has hedged, and what it carries.
        working: of hedge orders, what may still trade.
        pages, database: what hedge orders executed, by the order pages and by the database's view `hedges`.
        broken: how often the hedger's figures did not add up.
    """

    strategy: str
    symbol: str
    maker: str
    ratio: Decimal
    filled: Decimal
    hedged: Decimal
    working: Decimal
    balance: Fraction
    pages: Decimal
    database: Decimal
    broken: int

    @property
    def owed(self) -> Fraction:
        """What was to be hedged: filled x ratio, on the other side."""
        return -Fraction(self.filled) * Fraction(self.ratio)

    @property
    def differences(self) -> list[str]:
        """What is not equal, in words."""
        found = []
        if Fraction(self.hedged) + self.balance != self.owed or self.working:
            found.append(
                f"filled {self.filled} x ratio {self.ratio}, but hedged {self.hedged}, working {self.working},"
                f" balance {float(self.balance)}"
            )
        if not self.hedged == self.pages == self.database:
            found.append(f"hedged by hedger {self.hedged}, pages {self.pages}, database {self.database}")
        if self.broken:
            found.append(f"the hedger's figures did not add up {self.broken} times")
        return [f"{self.strategy} {self.symbol}: {each}" for each in found]


@dataclass(frozen=True)
class Agreement:
    """All of them, by strategy and symbol."""

    instruments: list[InstrumentRow]
    hedges: list[HedgeRow]

    @property
    def differences(self) -> list[str]:
        """What is not equal, in words; empty if all is."""
        rows: list[InstrumentRow | HedgeRow] = [*self.instruments, *self.hedges]
        return [each for row in rows for each in row.differences]


def compare(results: Iterable[StrategyResult], account: str, since: datetime, database: Database) -> Agreement:
    """Put what the strategies and the exchanges say beside what the database has.

    Args:
        since: when the demo began.

    Raises:
        RingbufError: the database cannot be read.
    """
    results = list(results)
    pages = {
        (each.name, symbol): Executed(*map(Decimal, texts))
        for each in results
        for symbol, texts in each.executed.items()
    }
    stored = _positions(database, account)
    hedged = _hedged(database, account, since)
    rows = _instruments(results, pages, _orders(database, account), stored)
    hedges = [row for each in results for row in _hedges(each, pages, hedged)]
    return Agreement(rows, hedges)


def _instruments(
    results: list[StrategyResult],
    pages: Mapping[_Key, Executed],
    orders: Mapping[_Key, Executed],
    stored: Mapping[_Key, Decimal],
) -> list[InstrumentRow]:
    own = {(each.name, symbol): Decimal(text) for each in results for symbol, text in each.positions.items()}
    venue = {(each.name, symbol): Decimal(text) for each in results for symbol, text in each.venue_positions.items()}
    return [
        InstrumentRow(
            *key,
            pages=pages.get(key, Executed()),
            orders=orders.get(key, Executed()),
            inventory=own.get(key, NOTHING),
            exchange=venue.get(key, NOTHING),
            database=stored.get(key, NOTHING),
        )
        for key in sorted(pages.keys() | orders.keys() | own.keys() | venue.keys() | stored.keys())
    ]


def _hedges(
    result: StrategyResult, pages: Mapping[_Key, Executed], stored: Mapping[_Key, Decimal]
) -> Iterable[HedgeRow]:
    for maker, (instrument, ratio, _) in HEDGED_IN.items():
        symbol = instrument.symbol
        balance = result.hedges.get(symbol, {})
        yield HedgeRow(
            result.name,
            symbol,
            maker,
            ratio,
            filled=_net(pages.get((result.name, maker), Executed())),
            hedged=Decimal(balance.get("filled", 0)),
            working=Decimal(balance.get("working", 0)),
            balance=Fraction(balance.get("balance", 0)),
            pages=_net(pages.get((result.name, symbol), Executed())),
            database=stored.get((result.name, symbol), NOTHING),
            broken=result.broken,
        )


def _positions(database: Database, account: str) -> dict[_Key, Decimal]:
    rows = database.rows(
        f"SELECT strategy, symbol, toString(quantity) AS quantity FROM positions WHERE account = '{account}'"
    )
    return {(row["strategy"], row["symbol"]): Decimal(row["quantity"]) for row in rows}


def _orders(database: Database, account: str) -> dict[_Key, Executed]:
    rows = database.rows(
        "SELECT strategy, symbol, toString(sumIf(executed_quantity, side = 'buy')) AS bought,"
        " toString(sumIf(executed_quantity, side = 'sell')) AS sold"
        f" FROM orders WHERE account = '{account}' GROUP BY strategy, symbol"
    )
    return {(row["strategy"], row["symbol"]): Executed(Decimal(row["bought"]), Decimal(row["sold"])) for row in rows}


def _hedged(database: Database, account: str, since: datetime) -> dict[_Key, Decimal]:
    rows = database.rows(
        "SELECT strategy, hedge_symbol AS symbol, toString(sum(hedged_quantity)) AS hedged"
        f" FROM hedges(since = '{since:%FT%T}Z', until = '')"
        f" WHERE account = '{account}' GROUP BY strategy, hedge_symbol"
    )
    return {(row["strategy"], row["symbol"]): Decimal(row["hedged"]) for row in rows}


def _net(executed: Executed) -> Decimal:
    return executed.bought - executed.sold


def _shown(executed: Executed) -> str:
    return f"{executed.bought}/{executed.sold}"
