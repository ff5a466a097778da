"""EXECUTION: the built-in schema for order updates and fills, modelled on the FIX 4.4 ExecutionReport.

Every order state change and every fill is one record. It carries both the fill (`last_price`, `last_quantity`) and the
state of the order after it (`order_status`, `cumulative_quantity`), so that no reader can see one without the other.

Absent number = NaN, absent text = empty, absent time = 0, absent enumeration = 0 (`unknown`). Times are ns since the
epoch. Text is UTF-8, padded with NUL bytes.

Persisted: never reorder, retype or remove a field or a value of an enumeration; add fields in the padding and raise
`VERSION`. The layout is pinned by a golden test.
"""

from enum import IntEnum, IntFlag
from typing import Final

import numpy as np

from ringbuf.record.schema import Schema

VERSION: Final = 1


class ExecType(IntEnum):
    """What this record reports (FIX tag 150)."""

    UNKNOWN = 0
    NEW = 1
    FILL = 2
    CANCELED = 3
    REPLACED = 4
    REJECTED = 5
    EXPIRED = 6
    PENDING_NEW = 7
    PENDING_CANCEL = 8
    PENDING_REPLACE = 9
    ORDER_STATUS = 10
    TRADE_CORRECT = 11
    TRADE_CANCEL = 12
    FUNDING = 13


class OrderStatus(IntEnum):
    """State of the order after this record (FIX tag 39)."""

    UNKNOWN = 0
    PENDING_NEW = 1
    NEW = 2
    PARTIALLY_FILLED = 3
    FILLED = 4
    PENDING_CANCEL = 5
    PENDING_REPLACE = 6
    CANCELED = 7
    REJECTED = 8
    EXPIRED = 9


class Side(IntEnum):
    """Side of the order (FIX tag 54)."""

    UNKNOWN = 0
    BUY = 1
    SELL = 2


class OrderType(IntEnum):
    """Kind of order (FIX tag 40)."""

    UNKNOWN = 0
    MARKET = 1
    LIMIT = 2
    STOP = 3
    STOP_LIMIT = 4
    TRAILING_STOP = 5
    TAKE_PROFIT = 6
    TAKE_PROFIT_LIMIT = 7


class TimeInForce(IntEnum):
    """How long the order stays (FIX tag 59; `post_only` is the venues' GTX)."""

    UNKNOWN = 0
    GOOD_TILL_CANCEL = 1
    IMMEDIATE_OR_CANCEL = 2
    FILL_OR_KILL = 3
    DAY = 4
    GOOD_TILL_DATE = 5
    POST_ONLY = 6


class Liquidity(IntEnum):
    """Whether the fill added or removed liquidity (FIX tag 851)."""

    UNKNOWN = 0
    MAKER = 1
    TAKER = 2


class PositionEffect(IntEnum):
    """Whether the order opens or closes a position (FIX tag 77)."""

    UNKNOWN = 0
    OPEN = 1
    CLOSE = 2
    REDUCE_ONLY = 3


class MarginMode(IntEnum):
    """How the position is margined."""

    UNKNOWN = 0
    CASH = 1
    CROSS = 2
    ISOLATED = 3


class Origin(IntEnum):
    """Where the record came from: the live stream, a look back at a venue's history, a reconciliation, a simulation."""

    UNKNOWN = 0
    LIVE = 1
    LOOKBACK = 2
    RECONCILIATION = 3
    SIMULATED = 4


class Flag(IntFlag):
    """What the recorder could not store as it was given. 0: everything is stored as given."""

    TEXT_SHORTENED = 1  # too long: prefix + "#" + hash of the whole
    TEXT_INVALID = 2  # no text, or not storable as such: NUL characters, lone surrogates
    NUMBER_INVALID = 4  # no number, left out; or a number given as text, parsed
    NUMBER_INEXACT = 8  # a Decimal or int that f64 cannot hold: the nearest f64 is stored
    WORD_UNKNOWN = 16  # a word or value that the enumeration does not have: `unknown` is stored
    REQUIRED_MISSING = 32  # a fill without side, price or quantity
    TIME_INVALID = 64  # no i64, left out


ENUMERATIONS: Final[dict[str, type[IntEnum]]] = {
    "exec_type": ExecType,
    "order_status": OrderStatus,
    "side": Side,
    "order_type": OrderType,
    "time_in_force": TimeInForce,
    "liquidity": Liquidity,
    "position_effect": PositionEffect,
    "margin_mode": MarginMode,
    "origin": Origin,
}

NUMBERS: Final = (
    "price",
    "stop_price",
    "quantity",
    "last_price",
    "last_quantity",
    "cumulative_quantity",
    "leaves_quantity",
    "average_price",
    "commission",
    "quote_quantity",
    "realized_pnl",
)

TEXTS: Final = {
    "exchange": 16,
    "account": 32,
    "strategy": 32,
    "symbol": 64,
    "client_order_id": 64,
    "order_id": 72,
    "trade_id": 72,
    "link_id": 64,
    "commission_currency": 16,
    "text": 64,
}

RECORD_SIZE: Final = 704


def _dtype() -> np.dtype[np.void]:
    fields: list[tuple[str, str]] = [
        ("session", "<u8"),
        ("seq", "<u8"),
        ("captured_ns", "<i8"),
        ("received_ns", "<i8"),
        ("exchange_ns", "<i8"),
        ("exchange_seq", "<u8"),
        ("flags", "<u2"),
        *((name, "|u1") for name in ENUMERATIONS),
    ]
    names = [name for name, _ in fields]
    formats = [code for _, code in fields]
    offsets = [sum(np.dtype(code).itemsize for code in formats[:index]) for index in range(len(formats))]
    offset = 64
    for name in NUMBERS:
        names.append(name)
        formats.append("<f8")
        offsets.append(offset)
        offset += 8
    for name, width in TEXTS.items():
        names.append(name)
        formats.append(f"|S{width}")
        offsets.append(offset)
        offset += width
    assert offset <= RECORD_SIZE, f"fields end at byte {offset}, the record at {RECORD_SIZE}"
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": RECORD_SIZE})


EXECUTION: Final = Schema(
    name="executions",
    version=VERSION,
    dtype=_dtype(),
    words={name: {int(each): each.name.lower() for each in kind} for name, kind in ENUMERATIONS.items()},
)
"""The schema of order updates and fills; 704 bytes a record."""
