"""The words venues and libraries use for the values of our enumerations."""

import re
from enum import Enum, IntEnum
from numbers import Integral
from typing import Final

from ringbuf.record.attempt import attempt
from ringbuf.record.enumerations import (
    ExecType,
    Liquidity,
    MarginMode,
    OrderStatus,
    OrderType,
    PositionEffect,
    PositionSide,
    QuantityUnit,
    Side,
    TimeInForce,
    TradeType,
)
from ringbuf.record.fields import ENUMERATIONS

SYNONYMS: Final[dict[type[IntEnum], dict[str, IntEnum]]] = {
    ExecType: {
        "trade": ExecType.FILL,
        "filled": ExecType.FILL,
        "partial_fill": ExecType.FILL,
        "adl_trade": ExecType.FILL,
        "block_trade": ExecType.FILL,
        "bust_trade": ExecType.FILL,  # of a position that went bust: a liquidation
        "partially_filled": ExecType.FILL,
        "cancelled": ExecType.CANCELED,
        "replace": ExecType.REPLACED,
        "amended": ExecType.REPLACED,
        "amendment": ExecType.REPLACED,
        "pending_amend": ExecType.PENDING_REPLACE,
        "pending_update": ExecType.PENDING_REPLACE,
        "cancel_reject": ExecType.CANCEL_REJECTED,
        "order_cancel_reject": ExecType.CANCEL_REJECTED,
        "modify_rejected": ExecType.CANCEL_REJECTED,
        "amend_rejected": ExecType.CANCEL_REJECTED,
        "replace_rejected": ExecType.CANCEL_REJECTED,
        "triggered_or_activated_by_system": ExecType.TRIGGERED,
        "trade_bust": ExecType.TRADE_CANCEL,
    },
    OrderStatus: {
        "open": OrderStatus.NEW,
        "live": OrderStatus.NEW,
        "accepted": OrderStatus.NEW,
        "closed": OrderStatus.FILLED,
        "partial_fill": OrderStatus.PARTIALLY_FILLED,
        "partial_filled": OrderStatus.PARTIALLY_FILLED,
        "cancelled": OrderStatus.CANCELED,
        "deactivated": OrderStatus.CANCELED,
        "partially_canceled": OrderStatus.CANCELED,
        "partially_filled_canceled": OrderStatus.CANCELED,
        "expired_in_match": OrderStatus.EXPIRED,
        "canceling": OrderStatus.PENDING_CANCEL,
        "cancelling": OrderStatus.PENDING_CANCEL,
        "cancel_pending": OrderStatus.PENDING_CANCEL,
        "pending_amend": OrderStatus.PENDING_REPLACE,
        "pending_update": OrderStatus.PENDING_REPLACE,
        "submitted": OrderStatus.PENDING_NEW,
        "amended": OrderStatus.REPLACED,
    },
    Side: {"b": Side.BUY, "s": Side.SELL},
    OrderType: {"stop_market": OrderType.STOP, "take_profit_market": OrderType.TAKE_PROFIT},
    TimeInForce: {
        "gtc": TimeInForce.GOOD_TILL_CANCEL,
        "ioc": TimeInForce.IMMEDIATE_OR_CANCEL,
        "fok": TimeInForce.FILL_OR_KILL,
        "gtd": TimeInForce.GOOD_TILL_DATE,
        "po": TimeInForce.POST_ONLY,
        "gtx": TimeInForce.POST_ONLY,
        "good_till_cancelled": TimeInForce.GOOD_TILL_CANCEL,
        "good_til_cancelled": TimeInForce.GOOD_TILL_CANCEL,
    },
    Liquidity: {
        "m": Liquidity.MAKER,
        "t": Liquidity.TAKER,
        "added": Liquidity.MAKER,
        "removed": Liquidity.TAKER,
    },
    PositionEffect: {"reduce": PositionEffect.REDUCE_ONLY},
    MarginMode: {"spot": MarginMode.CASH, "crossed": MarginMode.CROSS},
    PositionSide: {"net": PositionSide.BOTH, "oneway": PositionSide.BOTH, "one_way": PositionSide.BOTH},
    TradeType: {
        "trade": TradeType.REGULAR,
        "block_trade": TradeType.BLOCK,
        "bust_trade": TradeType.LIQUIDATION,
        "adl_trade": TradeType.ADL,
        "auto_deleveraging": TradeType.ADL,
        "settle": TradeType.SETTLEMENT,
    },
    QuantityUnit: {
        "base_ccy": QuantityUnit.BASE,
        "quote_ccy": QuantityUnit.QUOTE,
        "contract": QuantityUnit.CONTRACTS,
        "cont": QuantityUnit.CONTRACTS,
    },
}


def _spellings(word: str) -> set[str]:
    parts = word.split("_")
    camel = "".join(part.title() for part in parts)
    forms = {word, "-".join(parts), " ".join(parts), "".join(parts), camel, camel[0].lower() + camel[1:]}
    return forms | {form.upper() for form in forms} | {word.capitalize()}


def _table(kind: type[IntEnum]) -> dict[str | int, int]:
    words = {each.name.lower(): each for each in kind} | SYNONYMS.get(kind, {})
    table: dict[str | int, int] = {spelling: int(each) for word, each in words.items() for spelling in _spellings(word)}
    return table | {int(each): int(each) for each in kind} | {"": 0}


TABLES: Final = {name: _table(kind) for name, kind in ENUMERATIONS.items()}
"""For each enumeration field: its numbers, members and their words in usual spellings, to the number."""


def look_up(name: str, given: object) -> int | None:
    """The number of an enumeration's word in any spelling, None if it has no such word.

    Of a member of another enumeration the name counts, not its number there. A bool is neither word nor number.
    """
    return attempt(None, _found, name, given)


def _found(name: str, given: object) -> int | None:
    table = TABLES[name]
    if isinstance(given, str):
        snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", given.strip())
        return table.get(re.sub(r"[\s_-]+", "_", snake).lower())
    if isinstance(given, Enum) and not isinstance(given, ENUMERATIONS[name]):
        return _found(name, str(given.name))
    if not isinstance(given, bool) and isinstance(given, Integral):
        return table.get(int(given))
    return 0 if given is None else None
