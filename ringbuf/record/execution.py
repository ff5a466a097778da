"""EXECUTION: the built-in schema for order updates and fills, modelled on the FIX 4.4 ExecutionReport.

Every order state change and every fill is one record. It carries both the fill (`last_price`, `last_quantity`) and the
state of the order after it (`order_status`, `cumulative_quantity`), so that no reader can see one without the other.

Absent number = NaN, absent text = empty, absent time = 0, absent enumeration = 0 (`unknown`). Times are ns since the
epoch. Text is UTF-8, padded with NUL bytes.

Persisted: never reorder, retype or remove a field or a value of an enumeration; add fields in the padding or behind and
raise `VERSION`. The layout is pinned by a golden test.
"""

from typing import Final

import numpy as np

from ringbuf.record.enumerations import (
    ExecType,
    Flag,
    Liquidity,
    MarginMode,
    OrderStatus,
    OrderType,
    Origin,
    PositionEffect,
    PositionSide,
    QuantityUnit,
    Side,
    TimeInForce,
    TradeType,
)
from ringbuf.record.fields import FIELDS
from ringbuf.record.schema import Schema

__all__ = [
    "EXECUTION",
    "REAR",
    "RECORD_SIZE",
    "VERSION",
    "ExecType",
    "Flag",
    "Liquidity",
    "MarginMode",
    "OrderStatus",
    "OrderType",
    "Origin",
    "PositionEffect",
    "PositionSide",
    "QuantityUnit",
    "Side",
    "TimeInForce",
    "TradeType",
]

VERSION: Final = 2
RECORD_SIZE: Final = 1216
REAR: Final = 704
"""Byte from which on nearly all records are zero: fields there are seldom given, and zero when absent."""

EXECUTION: Final = Schema(
    name="executions",
    version=VERSION,
    dtype=np.dtype(
        {
            "names": [each.name for each in FIELDS],
            "formats": [each.format for each in FIELDS],
            "offsets": [each.offset for each in FIELDS],
            "itemsize": RECORD_SIZE,
        }
    ),
    words={
        each.name: {int(member): member.name.lower() for member in each.words}
        for each in FIELDS
        if each.words is not None
    },
)
"""The schema of order updates and fills; 1216 bytes a record."""
