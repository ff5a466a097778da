"""The types of the views' columns.

A view is created with them, so that the server need not find them out: that takes it seconds.
"""

from collections.abc import Iterable
from typing import Final

from ringbuf.record.execution import EXECUTION
from ringbuf.trading.number import DECIMALS

COUNT: Final = "UInt64"
EXACT: Final = f"Decimal(76, {DECIMALS})"
QUOTE: Final = "Decimal(76, 52)"
TIME: Final = "DateTime64(9, 'UTC')"
_NUMBERS: Final = {"f8": "Float64", "u8": "UInt64", "u2": "UInt16"}


def of_execution(names: Iterable[str]) -> dict[str, str]:
    """Those of columns of EXECUTION, by name."""
    return {name: _type(name) for name in names}


def _type(name: str) -> str:
    if name in ("exchange", "account", "symbol"):
        return "LowCardinality(String)"
    if name in EXECUTION.words:
        return "String"
    return TIME if EXECUTION.is_time(name) else _NUMBERS.get(EXECUTION.dtype[name].str[1:], "String")
