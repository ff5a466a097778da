"""What did the positions earn? The fills of the database, folded by the rules of `ringbuf.trading.profit`.

The fills come position by position, each in the venue's order, and are folded as they come, so memory does not grow
with their number. The database sorts them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

from ringbuf.query.database import Database, row_of
from ringbuf.query.questions.selection import Selection, moment
from ringbuf.sinks.clickhouse.unique import MINUTE_NS
from ringbuf.sinks.clickhouse.unique import fills as stored_fills
from ringbuf.sinks.clickhouse.views.time import from_on, time_of
from ringbuf.trading.contract import UNKNOWN, Contract
from ringbuf.trading.contract_table import Contracts
from ringbuf.trading.number import EXACT, ZERO
from ringbuf.trading.profit import FLAT, Profit, State, traded

COMMISSIONS: Final = ("commission", "other_commission")
BEFORE: Final = ""
"""The part of the fills that is before the period."""

Amounts: TypeAlias = dict[str, Decimal]


class PositionKey(NamedTuple):
    """What a position is kept for in the database; position side and id are empty where there is one position."""

    exchange: str
    account: str
    symbol: str
    position_side: str
    position_id: str
    strategy: str


class Earned(NamedTuple):
    """What one position earned.

    Attributes:
        day: the day, as 2026-07-01, UTC; empty if it is the whole period.
    """

    key: PositionKey
    day: str
    profit: Profit


def profits(
    database: Database,
    contracts: Contracts,
    selection: Selection | None = None,
    *,
    by_day: bool = False,
) -> Iterator[Earned]:
    """What each position earned, by its fills and payments that are not simulated and with what is known of them now.

    Those with fills come first, in the order of their keys, then those that have payments alone.

    Args:
        contracts: by exchange and symbol; an instrument that is not among them counts as spot.
        selection: of which positions, and in which period; what is before it is what the positions were opened by.
            Those that had neither fill nor payment in it are left out.
        by_day: each day for itself; days without fill and payment are left out.

    Raises:
        SinkError: the database cannot be asked, or refuses the question; perhaps in the midst of the positions.
    """
    selection = selection or Selection()
    conditions = ["NOT simulated", *replace(selection, since_ns=None).conditions()]
    part = f"toString(toDate32({time_of()}, 'UTC'))" if by_day else "'all'"
    if selection.since_ns is not None:
        part = f"if({from_on(moment(selection.since_ns))}, {part}, '{BEFORE}')"
    paid = _funding(database, conditions, part)
    last = None if selection.until_ns is None else str(selection.until_ns // MINUTE_NS)
    fills = groupby(_fills(database, conditions, part, last), key=_key)
    for key, rows in fills:
        yield from _of_position(key, rows, contracts, paid.pop(key, {}))
    for key in sorted(paid):
        yield from _of_position(key, (), contracts, paid[key])


def _of_position(
    key: PositionKey, rows: Iterable[dict[str, Any]], contracts: Contracts, paid: dict[str, Amounts]
) -> Iterator[Earned]:
    """What one position earned, part by part of its fills; `paid` is the funding of each part."""
    contract = contracts.get((key.exchange, key.symbol), UNKNOWN)
    paid.pop(BEFORE, None)
    state = FLAT
    for part, some in groupby(rows, key=itemgetter("part")):
        for earlier in sorted(each for each in paid if each < part):
            yield _earned(key, earlier, Profit(contract, state, {}, paid.pop(earlier), state))
        opening = state
        state, commissions = _folded(state, contract, some)
        if part != BEFORE:
            yield _earned(key, part, Profit(contract, state, commissions, paid.pop(part, {}), opening))
    for rest in sorted(paid):
        yield _earned(key, rest, Profit(contract, state, {}, paid[rest], state))


def _earned(key: PositionKey, part: str, profit: Profit) -> Earned:
    return Earned(key, "" if part == "all" else part, profit)


def _folded(state: State, contract: Contract, rows: Iterable[dict[str, Any]]) -> tuple[State, Amounts]:
    """The state after further fills of a position, and their commissions."""
    commissions: Amounts = {}
    for row in rows:
        price = row["price"]
        state = traded(state, contract, Decimal(row["quantity"]), None if price is None else Decimal(price))
        for amount, currency in row["commissions"]:
            if amount is not None:
                commissions[currency] = EXACT.add(commissions.get(currency, ZERO), Decimal(amount))
    return state, commissions


def _fills(database: Database, conditions: Sequence[str], part: str, last: str | None) -> Iterator[dict[str, Any]]:
    """Those that count, position by position, each in the venue's order."""
    amounts = ", ".join(f"(toString({name}_paid), {name}_currency)" for name in COMMISSIONS)
    statement = f"""
SELECT
    {_KEY}, {part} AS part, concat(if(side = 'sell', '-', ''), toString(traded_quantity)) AS quantity,
    toString(traded_price) AS price, [{amounts}] AS commissions
FROM ({stored_fills(database.name, last=last)})
WHERE {" AND ".join(("counted", *conditions))}
ORDER BY {", ".join(PositionKey._fields)}, {time_of()}, exchange_seq, captured_ns, session, seq"""
    for lines in database.batches(statement):
        for line in lines:
            yield row_of(line)


def _funding(database: Database, conditions: Sequence[str], part: str) -> dict[PositionKey, dict[str, Amounts]]:
    """What was paid for each position, by part and currency."""
    found: dict[PositionKey, dict[str, Amounts]] = defaultdict(lambda: defaultdict(dict))
    for name in COMMISSIONS:
        statement = f"""
SELECT {_KEY}, {part} AS part, {name}_currency AS currency, toString(sum({name})) AS amount
FROM funding_payments
WHERE {" AND ".join((f"{name} IS NOT NULL", *conditions))}
GROUP BY {", ".join(PositionKey._fields)}, part, currency"""
        for row in database.rows(statement):
            sums = found[_key(row)][row["part"]]
            sums[row["currency"]] = EXACT.add(sums.get(row["currency"], ZERO), Decimal(row["amount"]))
    return found


def _key(row: dict[str, Any]) -> PositionKey:
    return PositionKey(*(row[name] for name in PositionKey._fields))


_KEY: Final = ", ".join(
    f"if({name} = 'unknown', '', {name}) AS {name}" if name == "position_side" else name for name in PositionKey._fields
)
