"""What did the positions earn? The fills of the database, folded by the rules of `ringbuf.trading.profit`.

The fills come position by position, each in the venue's order, and are folded as they come, so memory does not grow
with their number. The database sorts them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any, Final, NamedTuple

from ringbuf.query.database import Database, row_of
from ringbuf.sinks.clickhouse.views.expression import EPOCH
from ringbuf.trading.contract import UNKNOWN
from ringbuf.trading.contract_table import Contracts
from ringbuf.trading.number import EXACT, ZERO
from ringbuf.trading.profit import Profit, State, traded

COMMISSIONS: Final = ("commission", "other_commission")
TIME: Final = f"if(exchange_ns = {EPOCH}, captured_ns, exchange_ns)"
"""When a fill or a payment counts."""


class PositionKey(NamedTuple):
    """What a position is kept for in the database; position side and id are empty where there is one position."""

    exchange: str
    account: str
    symbol: str
    position_side: str
    position_id: str
    strategy: str


def profits(
    database: Database, contracts: Contracts, where: Sequence[str] = (), at_ns: int | None = None
) -> Iterator[tuple[PositionKey, Profit]]:
    """What each position earned, by its fills and payments that are not simulated; those with fills first, by key.

    Args:
        contracts: by exchange and symbol; an instrument that is not among them counts as spot.
        where: conditions in SQL on columns of `fills` and `funding_payments`: exchange, account, symbol, strategy.
        at_ns: as it was at this moment, ns since the epoch, with its own fills and with what is known now; None: now.

    Raises:
        SinkError: the database cannot be asked, or refuses the question; perhaps in the midst of the positions.
    """
    conditions = ["NOT simulated", *where]
    if at_ns is not None:
        conditions.append(f"{TIME} <= fromUnixTimestamp64Nano(toInt64({at_ns}), 'UTC')")
    paid = _funding(database, conditions)
    for key, rows in groupby(_fills(database, conditions), key=_key):
        yield key, _profit(key, rows, contracts, paid.pop(key, {}))
    for key in sorted(paid):
        yield key, _profit(key, (), contracts, paid[key])


def _profit(key: PositionKey, rows: Iterable[dict[str, Any]], contracts: Contracts, paid: dict[str, Decimal]) -> Profit:
    contract = contracts.get((key.exchange, key.symbol), UNKNOWN)
    state, commissions = State(), dict[str, Decimal]()
    for row in rows:
        price = row["price"]
        state = traded(state, contract, Decimal(row["quantity"]), None if price is None else Decimal(price))
        for amount, currency in row["commissions"]:
            if amount is not None:
                commissions[currency] = EXACT.add(commissions.get(currency, ZERO), Decimal(amount))
    return Profit(contract, state, commissions, paid)


def _key(row: dict[str, Any]) -> PositionKey:
    return PositionKey(*(row[name] for name in PositionKey._fields))


def _fills(database: Database, conditions: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Those that count, position by position, each in the venue's order."""
    amounts = ", ".join(f"(toString({name}_paid), {name}_currency)" for name in COMMISSIONS)
    statement = f"""
SELECT
    {_KEY}, concat(if(side = 'sell', '-', ''), toString(traded_quantity)) AS quantity, toString(traded_price) AS price,
    [{amounts}] AS commissions
FROM fills
WHERE {" AND ".join(("counted", *conditions))}
ORDER BY {", ".join(PositionKey._fields)}, {TIME}, exchange_seq, captured_ns, session, seq"""
    for lines in database.batches(statement):
        for line in lines:
            yield row_of(line)


def _funding(database: Database, conditions: Sequence[str]) -> dict[PositionKey, dict[str, Decimal]]:
    """What was paid for each position, by currency."""
    found: dict[PositionKey, dict[str, Decimal]] = defaultdict(dict)
    for name in COMMISSIONS:
        statement = f"""
SELECT {_KEY}, {name}_currency AS currency, toString(sum({name})) AS amount
FROM funding_payments
WHERE {" AND ".join((f"{name} IS NOT NULL", *conditions))}
GROUP BY {", ".join(PositionKey._fields)}, currency"""
        for row in database.rows(statement):
            sums = found[_key(row)]
            sums[row["currency"]] = EXACT.add(sums.get(row["currency"], ZERO), Decimal(row["amount"]))
    return found


_KEY: Final = ", ".join(
    f"if({name} = 'unknown', '', {name}) AS {name}" if name == "position_side" else name for name in PositionKey._fields
)
