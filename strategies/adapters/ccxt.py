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
from typing import Any, Final

from ringbuf.errors import RecordError
from ringbuf.record.value import shown
from ringbuf.strategies.adapters.adapter import Adapter, Refused, Target, Update
from ringbuf.strategies.adapters.ccxt_order import read_order
from ringbuf.strategies.adapters.ccxt_trade import read_trade
from ringbuf.strategies.adapters.latest import Latest

__all__ = ["CcxtAdapter", "read", "read_order", "read_trade"]

DATED: Final = 10_000
OF_CHANGES: Final = ("lastTradeTimestamp", "lastUpdateTimestamp")
"""Times of what an order tells, and not of when it was made."""

_OF_TRADES = ("order", "takerOrMaker")
_OF_ORDERS = ("status", "filled", "remaining", "clientOrderId", "trades")


class CcxtAdapter(Adapter):
    """Takes what ccxt returns for one account; `deliver` says what each call returns.

    Fields that ccxt leaves out of a reply and the caller knows are given with it:
    `adapter.orders(await exchange.create_order("BTC/USDT", …), side="buy")`.

    Some exchanges tell the time of a change in one answer, and in another one only when the order was made, which would
    then be older than what it follows. So it has the latest time of a change that its order told before: of the last
    10,000 orders that told one. And some tell the symbol only when the order is made (Kraken's stream): what follows is
    of the same one.
    """

    def __init__(self, target: Target, *, exchange: str, account: str, strategy: str) -> None:
        super().__init__(target, exchange=exchange, account=account, strategy=strategy)
        self._times = Latest[tuple[Any, Any], int](DATED)
        self._symbols = Latest[str, str](DATED)

    def orders(self, orders: Any, **given: Any) -> list[Any]:
        """Take a unified order, or any number of them, with the trades that are in them."""
        return self.deliver(self._read_order, orders, **given)

    def trades(self, trades: Any, **given: Any) -> list[Any]:
        """Take a unified trade of one's own, or any number of them."""
        return self.deliver(self._read_trade, trades, **given)

    def receive(self, messages: Any, **given: Any) -> list[Any]:
        """Take orders and trades in one list."""
        return self.deliver(self._read, messages, **given)

    def _read(self, message: Any) -> list[Update | Refused]:
        parts = self._named(read(message))
        return self._dated(message, parts) if is_order(message) else parts

    def _read_order(self, order: Any) -> list[Update | Refused]:
        return self._dated(order, self._named(read_order(order)))

    def _read_trade(self, trade: Any) -> list[Update | Refused]:
        return self._named(read_trade(trade))

    def _named(self, parts: list[Update | Refused]) -> list[Update | Refused]:
        for part in parts:
            if isinstance(part, Refused) or "order_id" not in part:
                continue
            if "symbol" in part:
                self._symbols[part["order_id"]] = part["symbol"]
            elif part["order_id"] in self._symbols:
                part["symbol"] = self._symbols[part["order_id"]]
        return parts

    def _dated(self, order: Mapping[str, Any], parts: list[Update | Refused]) -> list[Update | Refused]:
        update = parts[0]
        assert isinstance(update, dict), "an order is told before its trades"
        told = update.get("exchange_ns")
        if not isinstance(told, int):
            return parts
        key = update.get("symbol"), update.get("order_id") or update.get("client_order_id")
        latest = max(told, self._times.get(key, 0))
        if not any(order.get(each) for each in OF_CHANGES):
            update["exchange_ns"] = latest
            return parts
        self._times[key] = latest
        return parts


def read(message: Any) -> list[Update | Refused]:
    """What an order or a trade says.

    Raises:
        RecordError: it is neither.
    """
    if is_order(message):
        return read_order(message)
    if isinstance(message, Mapping) and any(each in message for each in _OF_TRADES):
        return read_trade(message)
    raise RecordError(f"{shown(message)} is neither an order nor a trade of ccxt", "give what ccxt returned")


def is_order(message: Any) -> bool:
    """Whether a message is a unified order, and no trade."""
    return isinstance(message, Mapping) and any(each in message for each in _OF_ORDERS)
