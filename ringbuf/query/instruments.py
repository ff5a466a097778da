"""Which instruments does the database know, and which occur that it does not know?"""

from typing import NamedTuple

from ringbuf.query.database import Database
from ringbuf.query.questions.selection import Selection
from ringbuf.record.instrument import INSTRUMENTS
from ringbuf.sinks.clickhouse.contracts import contract, recorded
from ringbuf.trading.contract import Contract
from ringbuf.trading.contract_table import Contracts


class UnknownInstrument(NamedTuple):
    """An instrument that occurs in executions or positions and that nobody specified, so that it counts as spot.

    Attributes:
        records: how many records of it there are, with copies; 0 if all were dropped.
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
    return contracts_of_table(database) if INSTRUMENTS.name in database.tables() else {}


def contracts_of_table(database: Database, selection: Selection | None = None) -> dict[tuple[str, str], Contract]:
    """The same where the table of instruments is known to be there.

    Args:
        selection: only those of its exchanges and symbols.
    """
    where = " AND ".join((selection or Selection()).named(("exchange", "symbol"))) or "true"
    rows = ([*row.values()] for row in database.rows(recorded(database.name, where)))
    return {(exchange, symbol): contract([exchange, symbol, *told]) for exchange, symbol, *told in rows}


def unknown_instruments(database: Database, contracts: Contracts) -> list[UnknownInstrument]:
    """Those that occur in executions or positions and are not among these contracts.

    Raises:
        SinkError: the database cannot be asked.
    """
    statement = (  # in positions are also those of which all records were dropped
        "SELECT exchange, symbol, toString(sum(count)) AS records FROM ("
        "SELECT exchange, symbol, count() AS count FROM executions GROUP BY exchange, symbol"
        " UNION ALL SELECT exchange, symbol, 0 FROM positions) GROUP BY exchange, symbol ORDER BY 1, 2"
    )
    found = (UnknownInstrument(row["exchange"], row["symbol"], int(row["records"])) for row in database.rows(statement))
    return [each for each in found if (each.exchange, each.symbol) not in contracts]
