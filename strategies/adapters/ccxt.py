"""Unified orders and trades of ccxt, as its `watch_…`, `fetch_…` and `create_order` give them.

adapter = CcxtAdapter(OrderPages(recorder), exchange="bybit", account="A1", strategy="mm")
adapter.orders(await exchange.watch_orders())
adapter.trades(await exchange.watch_my_trades())

Structures: https://docs.ccxt.com/#/README?id=order-structure and `safe_order`, `safe_trade` in ccxt's
`python/ccxt/base/exchange.py`; what single exchanges do differently was read in their files there (version 4.5.90).
Symbols are ccxt's.

ccxt fills in what an exchange does not say, and not always rightly. Nothing here comes from `cost`; an average price
that is in no raw message counts as reckoned from it, and is left out. See `ringbuf.strategies.adapters.ccxt_order` and
`ccxt_trade` for the rest.
"""

from collections.abc import Mapping
from typing import Any

from ringbuf.errors import RecordError
from ringbuf.record.value import shown
from ringbuf.strategies.adapters.adapter import Adapter, Refused, Update
from ringbuf.strategies.adapters.ccxt_order import read_order
from ringbuf.strategies.adapters.ccxt_trade import read_trade

__all__ = ["CcxtAdapter", "read", "read_order", "read_trade"]

_OF_TRADES = ("order", "takerOrMaker")
_OF_ORDERS = ("status", "filled", "remaining", "clientOrderId", "trades")


class CcxtAdapter(Adapter):
    """Takes what ccxt returns for one account; `deliver` says what each call returns.

    Fields that ccxt leaves out of a reply and the caller knows are given with it:
    `adapter.orders(await exchange.create_order("BTC/USDT", …), side="buy")`.
    """

    def orders(self, orders: Any, **given: Any) -> list[Any]:
        """Take a unified order, or any number of them, with the trades that are in them."""
        return self.deliver(read_order, orders, **given)

    def trades(self, trades: Any, **given: Any) -> list[Any]:
        """Take a unified trade of one's own, or any number of them."""
        return self.deliver(read_trade, trades, **given)

    def receive(self, messages: Any, **given: Any) -> list[Any]:
        """Take orders and trades in one list."""
        return self.deliver(read, messages, **given)


def read(message: Any) -> list[Update | Refused]:
    """What an order or a trade says.

    Raises:
        RecordError: it is neither.
    """
    if isinstance(message, Mapping):
        if any(each in message for each in _OF_ORDERS):
            return read_order(message)
        if any(each in message for each in _OF_TRADES):
            return read_trade(message)
    raise RecordError(f"{shown(message)} is neither an order nor a trade of ccxt", "give what ccxt returned")
