"""The values of FIX fields, as the words of EXECUTION. FIX 4.0 to 5.0.

Source: the fields of https://www.onixs.biz/fix-dictionary/4.4/fields_by_tag.html and, for what earlier versions have,
https://www.onixs.biz/fix-dictionary/4.2/fields_by_tag.html; 851, 1057 and 2618 of 5.0.
"""

from typing import Final

_BOTH: Final = {
    "0": "new",
    "3": "done_for_day",
    "4": "canceled",
    "5": "replaced",
    "6": "pending_cancel",
    "7": "stopped",
    "8": "rejected",
    "9": "suspended",
    "A": "pending_new",
    "B": "calculated",
    "C": "expired",
    "E": "pending_replace",
}
"""What a report says happened, and the state after it, have the same code."""

EXEC_TYPES: Final = {
    **_BOTH,
    "1": "fill",  # up to 4.2: a part
    "2": "fill",  # up to 4.2: the rest
    "D": "restated",
    "F": "fill",
    "G": "trade_correct",
    "H": "trade_cancel",
    "I": "order_status",
    "L": "triggered",
}
"""ExecType (150)."""

TRANSACTIONS: Final = {"1": "trade_cancel", "2": "trade_correct", "3": "order_status"}
"""ExecTransType (20), up to 4.2: it says what ExecType does not."""

STATUSES: Final = {
    **_BOTH,
    "1": "partially_filled",
    "2": "filled",
    "D": "new",  # accepted for bidding
}
"""OrdStatus (39)."""

SIDES: Final = {"1": "buy", "2": "sell", "3": "buy", "4": "sell", "5": "sell", "6": "sell"}
"""Side (54); a short sale is a sell."""

ORDER_TYPES: Final = {
    "1": "market",
    "2": "limit",
    "3": "stop",
    "4": "stop_limit",
    "5": "market",  # on close
    "7": "limit",  # or better
    "8": "limit",  # with or without
    "A": "market",  # on close
    "B": "limit",  # on close
    "C": "market",  # of foreign exchange
    "D": "limit",  # at the price that was quoted
    "F": "limit",  # of foreign exchange
    "H": "limit",  # of foreign exchange, at the price that was quoted
    "J": "take_profit",  # market if touched
    "K": "market",  # what is left of it is a limit
}
"""OrdType (40)."""

TIMES_IN_FORCE: Final = {"0": "day", "1": "gtc", "3": "ioc", "4": "fok", "6": "gtd"}
"""TimeInForce (59)."""

POSITION_EFFECTS: Final = {"O": "open", "C": "close"}
"""PositionEffect (77)."""

LIQUIDITY: Final = {"1": "maker", "2": "taker"}
"""LastLiquidityInd (851): added, removed."""

AGGRESSORS: Final = {"Y": "taker", "N": "maker"}
"""AggressorIndicator (1057)."""

TRADE_TYPES: Final = {"0": "regular", "1": "block"}
"""TrdType (828)."""

QUANTITY_UNITS: Final = {"0": "base", "1": "contracts"}
"""QtyType (854)."""

PARTICIPATE_ONLY: Final = "6"
"""ExecInst (18): it must not take liquidity."""
