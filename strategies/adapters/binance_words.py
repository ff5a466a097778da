"""The words and numbers that Binance's streams and answers share."""

import re
from typing import Final

from ringbuf.strategies.adapters import value
from ringbuf.strategies.adapters.adapter import Update
from ringbuf.strategies.adapters.message import plain
from ringbuf.trading.number import EXACT

STATUSES: Final = {
    "PENDING_NEW": "pending_new",
    "NEW": "new",
    "NEW_INSURANCE": "new",
    "NEW_ADL": "new",
    "PARTIALLY_FILLED": "partially_filled",
    "FILLED": "filled",
    "CANCELED": "canceled",
    "PENDING_CANCEL": "pending_cancel",
    "REJECTED": "rejected",
    "EXPIRED": "expired",
    "EXPIRED_IN_MATCH": "expired",
}
ORDER_TYPES: Final = {
    "LIMIT": "limit",
    "LIMIT_MAKER": "limit",
    "MARKET": "market",
    "LIQUIDATION": "market",
    "STOP_LOSS": "stop",
    "STOP_LOSS_LIMIT": "stop_limit",
    "TAKE_PROFIT": "take_profit",
    "TAKE_PROFIT_LIMIT": "take_profit_limit",
}
FUTURES_ORDER_TYPES: Final = ORDER_TYPES | {
    "STOP": "stop_limit",
    "STOP_MARKET": "stop",
    "TAKE_PROFIT": "take_profit_limit",
    "TAKE_PROFIT_MARKET": "take_profit",
    "TRAILING_STOP_MARKET": "trailing_stop",
}
TIMES_IN_FORCE: Final = {
    "GTC": "gtc",
    "GTE_GTC": "gtc",
    "IOC": "ioc",
    "FOK": "fok",
    "GTX": "post_only",
    "RPI": "post_only",
    "GTD": "gtd",
}
SIDES: Final = {"BUY": "buy", "SELL": "sell"}
POSITION_SIDES: Final = {"BOTH": "both", "LONG": "long", "SHORT": "short"}
_COIN_MARGINED: Final = re.compile(r"[A-Z0-9]+USD_(?:PERP|[0-9]{6})")


def quantity_unit(symbol: object, unit: object = None) -> str:
    """What quantities of a symbol count: futures that are margined in the coin (`CM`) count contracts."""
    is_coin = unit == "CM" or (isinstance(symbol, str) and _COIN_MARGINED.fullmatch(symbol) is not None)
    return "contracts" if is_coin else "base"


def trade_id(trade: object, allocation: object) -> str | None:
    """The id of a fill; one of an order that was routed to other symbols is an allocation, which is counted apart.

    https://developers.binance.com/docs/binance-spot-api-docs/faqs/sor_faq
    """
    allocated = None if value.identity(trade) is not None else value.text(allocation)
    return value.identity(trade) if allocated is None else f"allocation-{allocated}"


def take_off_prevented(update: Update, prevented: object) -> None:
    """What self-trade prevention took off an order trades no more.

    https://developers.binance.com/docs/binance-spot-api-docs/faqs/stp_faq
    """
    taken, ordered = value.decimal(prevented), value.decimal(update.get("quantity"))
    if taken and ordered is not None and update.get("order_status") != "expired":
        update["quantity"] = plain(EXACT.subtract(ordered, taken))


def is_triggered(order_type: object, original_type: object) -> bool:
    """Whether an order of futures that is told as new is a conditional one that was triggered.

    It was told as expired in the same ms, and works on under the same id.
    """
    original = value.word(FUTURES_ORDER_TYPES, original_type)
    return original not in (None, "limit", "market") and order_type != original_type
