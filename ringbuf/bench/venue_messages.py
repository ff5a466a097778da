"""What a strategy hears of its orders: each order is four messages, with numbers as text, as venues send them.

An order is our own request, the venue's acknowledgement, and two fills, of which the second fills it.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

Message = dict[str, Any]

BEGIN_NS: Final = 1_790_000_000_000_000_000
KINDS: Final = ("request", "acknowledgement", "partial fill", "last fill")
PER_ORDER: Final = len(KINDS)
BOUND: Final = {"exchange": "binance", "account": "A1", "strategy": "mm"}
SYMBOLS: Final = 10
LOTS: Final = 9


class OrderMessages(NamedTuple):
    """The messages of one order.

    Attributes:
        number: of the order; its values follow from it.
        at_ns: when the venue acknowledges it, ns since the epoch.
    """

    number: int
    at_ns: int

    @property
    def lots(self) -> int:
        """How much each of its fills is for, in hundredths."""
        return 1 + self.number % LOTS

    @property
    def is_buy(self) -> bool:
        """Whether it buys."""
        return self.number % 3 != 0

    def updates(self) -> list[Message]:
        """As updates, in the order of `KINDS`."""
        number = self.number
        quantity, half = f"{2 * self.lots / 100:.2f}", f"{self.lots / 100:.2f}"
        price = f"{64_000 + number % 50}.5"
        own = BOUND | {
            "symbol": f"S{number % SYMBOLS}-USDT",
            "side": "buy" if self.is_buy else "sell",
            "client_order_id": f"c{number}",
            "price": price,
            "quantity": quantity,
            "order_type": "limit",
            "time_in_force": "gtc",
        }
        venue = own | {"order_id": f"{9_000_000_000 + number}", "exchange_ns": self.at_ns}
        fill = venue | {
            "exec_type": "fill",
            "last_price": price,
            "last_quantity": half,
            "liquidity": "maker",
            "commission": "0.0123",
            "commission_currency": "USDT",
        }
        first = {"cumulative_quantity": half, "trade_id": f"{2 * number}", "exchange_ns": self.at_ns + 1_000_000}
        last = {"cumulative_quantity": quantity, "trade_id": f"{2 * number + 1}", "exchange_ns": self.at_ns + 2_000_000}
        return [
            own | {"exec_type": "pending_new", "order_status": "pending_new"},
            venue | {"exec_type": "new", "order_status": "new", "cumulative_quantity": "0"},
            fill | first | {"order_status": "partially_filled"},
            fill | last | {"order_status": "filled"},
        ]

    def canceled(self) -> list[Message]:
        """As updates of an order that the venue acknowledges and cancels, as most orders of a market maker."""
        _, acknowledgement, *_ = self.updates()
        end = {"exec_type": "canceled", "order_status": "canceled", "exchange_ns": self.at_ns + 1_000_000}
        return [acknowledgement, acknowledgement | end]


def orders(first: int, count: int, gap_ns: int) -> Iterator[OrderMessages]:
    """Some orders, one every `gap_ns` of the venue's time."""
    for number in range(first, first + count):
        yield OrderMessages(number, BEGIN_NS + number * gap_ns)


def unified(update: Message) -> Message:
    """The state after an update, as ccxt unifies an order."""
    quantity, filled = float(update["quantity"]), float(update["cumulative_quantity"])
    milliseconds = update["exchange_ns"] // 1_000_000
    return {
        "id": update["order_id"],
        "clientOrderId": update["client_order_id"],
        "timestamp": milliseconds,
        "lastUpdateTimestamp": milliseconds,
        "symbol": update["symbol"].replace("-", "/"),
        "type": "limit",
        "timeInForce": "GTC",
        "side": update["side"],
        "price": float(update["price"]),
        "amount": quantity,
        "filled": filled,
        "remaining": quantity - filled,
        "average": float(update["price"]) if filled else None,
        "status": "closed" if filled == quantity else "open",
        "fee": None,
        "trades": [],
        "fees": [],
        "info": raw(update),
    }


def raw(update: Message) -> Message:
    """The same as Binance answers it: https://developers.binance.com/docs/binance-spot-api-docs/rest-api."""
    milliseconds = update["exchange_ns"] // 1_000_000
    return {
        "symbol": update["symbol"].replace("-", ""),
        "orderId": int(update["order_id"]),
        "clientOrderId": update["client_order_id"],
        "price": update["price"],
        "origQty": update["quantity"],
        "executedQty": update["cumulative_quantity"],
        "status": update["order_status"].upper(),
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": update["side"].upper(),
        "time": milliseconds,
        "updateTime": milliseconds,
    }


def market(number: int) -> Message:
    """One of the symbols, as ccxt knows a spot market."""
    base = f"S{number}"
    return {
        "id": f"{base}USDT",
        "symbol": f"{base}/USDT",
        "base": base,
        "quote": "USDT",
        "baseId": base,
        "quoteId": "USDT",
        "type": "spot",
        "spot": True,
        "contract": False,
        "swap": False,
        "future": False,
        "option": False,
        "linear": None,
        "inverse": None,
        "precision": {"amount": 0.01, "price": 0.1},
        "limits": {},
    }
