"""The contracts of instruments, as they were recorded."""

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from ringbuf.errors import ConfigurationError
from ringbuf.record.instrument import INSTRUMENTS
from ringbuf.sinks.clickhouse.table import table_name
from ringbuf.trading.contract import Contract
from ringbuf.trading.contract_table import NUMBERS, contract_of

_TEXTS: Final = ("kind", "base", "quote", "settle")


def recorded(database: str, where: str = "true") -> str:
    """Selects what was recorded of each instrument; of several records the latest. `contract` reads the rows.

    Args:
        where: only those that meet this condition on exchange and symbol.
    """
    columns = (*_TEXTS, *(f"toString({name})" for name in NUMBERS))
    latest = f"argMax(({', '.join(columns)}), (captured_ns, session, seq))"
    selected = ", ".join(f"latest.{place} AS its_{name}" for place, name in enumerate((*_TEXTS, *NUMBERS), 1))
    table = table_name(INSTRUMENTS, database)
    return f"""
SELECT exchange, symbol, {selected}
FROM (SELECT exchange, symbol, {latest} AS latest FROM {table} WHERE {where} GROUP BY exchange, symbol)
ORDER BY exchange, symbol"""


def contract(row: Sequence[str]) -> Contract:
    """The contract of a row.

    Raises:
        ConfigurationError: it cannot be one.
    """
    exchange, symbol, *told = row
    values = dict(zip((*_TEXTS, *NUMBERS), told, strict=True))
    numbers = {name: float(values[name]) for name in NUMBERS}
    texts = {name: f"{Decimal(repr(number)):f}" for name, number in numbers.items() if math.isfinite(number)}
    try:
        return contract_of({**{name: values[name] for name in _TEXTS}, **texts})
    except ConfigurationError as error:
        what = f"instrument {(exchange, symbol)} as it was recorded: {error.what}"
        raise ConfigurationError(what, f"{error.hint}, and record it again") from None
