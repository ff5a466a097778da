"""Which instruments does the database know, and which occur that it does not know?"""

import math
from decimal import Decimal
from typing import Any, Final, NamedTuple

from ringbuf.errors import ConfigurationError
from ringbuf.query.database import Database
from ringbuf.record.instrument import INSTRUMENTS
from ringbuf.trading.contract import Contract
from ringbuf.trading.contract_table import NUMBERS, Contracts, contract_of

_TEXTS: Final = ("kind", "base", "quote", "settle")


class UnknownInstrument(NamedTuple):
    """An instrument that occurs in executions and that nobody specified, so that it counts as spot.

    Attributes:
        records: how many records of it there are, with copies.
    """

    exchange: str
    symbol: str
    records: int


def recorded_contracts(database: Database) -> dict[tuple[str, str], Contract]:
    """The contract of each instrument that was recorded, by exchange and symbol; of several the latest.

    Raises:
        ConfigurationError: what was recorded of one cannot be a contract.
        SinkError: the database cannot be asked.
    """
    if INSTRUMENTS.name not in database.tables():
        return {}
    columns = (*_TEXTS, *NUMBERS)
    latest = f"argMax(({', '.join(columns)}), (captured_ns, session, seq))"
    selected = ", ".join(f"latest.{place} AS {name}" for place, name in enumerate(columns, 1))
    statement = f"""
SELECT exchange, symbol, {selected}
FROM (SELECT exchange, symbol, {latest} AS latest FROM {INSTRUMENTS.name} GROUP BY exchange, symbol)
ORDER BY exchange, symbol"""
    return {(row["exchange"], row["symbol"]): _contract(row) for row in database.rows(statement)}


def unknown_instruments(database: Database, contracts: Contracts) -> list[UnknownInstrument]:
    """Those that occur in executions and are not among these contracts.

    Raises:
        SinkError: the database cannot be asked.
    """
    statement = (
        "SELECT exchange, symbol, toString(count()) AS records FROM executions GROUP BY exchange, symbol ORDER BY 1, 2"
    )
    found = (UnknownInstrument(row["exchange"], row["symbol"], int(row["records"])) for row in database.rows(statement))
    return [each for each in found if (each.exchange, each.symbol) not in contracts]


def _contract(row: dict[str, Any]) -> Contract:
    numbers = {name: row[name] for name in NUMBERS if row[name] is not None and math.isfinite(row[name])}
    texts = {name: f"{Decimal(repr(float(number))):f}" for name, number in numbers.items()}
    try:
        return contract_of({**{name: row[name] for name in _TEXTS}, **texts})
    except ConfigurationError as error:
        what = f"instrument {(row['exchange'], row['symbol'])} as it was recorded: {error.what}"
        raise ConfigurationError(what, f"{error.hint}, and record it again") from None
