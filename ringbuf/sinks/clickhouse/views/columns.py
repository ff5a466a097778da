"""The types of the views' columns.

A view is created with them, so that the server need not find them out: that takes it seconds.
"""

from collections.abc import Iterable
from typing import Final

from ringbuf.record.execution import EXECUTION
from ringbuf.sinks.clickhouse.table import TIME, column_type, plain
from ringbuf.trading.number import DECIMALS, DIGITS, QUOTE_DECIMALS

__all__ = ["COUNT", "EXACT", "QUOTE", "TIME", "of_execution"]

COUNT: Final = "UInt64"
EXACT: Final = f"Decimal({DIGITS}, {DECIMALS})"
QUOTE: Final = f"Decimal({DIGITS}, {QUOTE_DECIMALS})"


def of_execution(names: Iterable[str]) -> dict[str, str]:
    """Those of columns of EXECUTION, by name."""
    return {name: _type(name) for name in names}


def _type(name: str) -> str:
    type_ = column_type(EXECUTION, name)
    return type_ if name in ("exchange", "account", "symbol") else plain(type_)  # others go through functions of texts
