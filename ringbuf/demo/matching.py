"""The matching engine of a simulated exchange.

Orders trade with an outside market, not with each other. An order that crosses the spread takes liquidity at once,
level by level. An order that rests is filled, often in parts, when the market comes to its price. A market order gets
what the first level has.
"""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from ringbuf.demo.market import MAKER_FEE, OPENING_TICKS, QUOTE_CURRENCY, TAKER_FEE, Instrument, Market, steps

Message = dict[str, Any]

LIMIT: Final = "limit"
MARKET: Final = "market"
LIFETIME_NS: Final = 3_600_000_000_000
TIME_IN_FORCE: Final = ("good_till_cancel", "post_only", "immediate_or_cancel", "good_till_date")
_OVERLOAD: Final = 0.01
_LEVEL_LOTS: Final = 12
_QUEUE_LUCK: Final = 0.15
_FEE_STEP: Final = Decimal("0.00000001")


@dataclass
class Order:
    """An accepted order; prices in ticks, quantities in lots, `traded` in ticks times lots, times in ns."""

    client: str
    client_order_id: str
    order_id: str
    market: Market
    side: str
    price: int
    lots: int
    time_in_force: str
    order_type: str
    expires_ns: int
    filled: int = 0
    traded: int = 0

    @property
    def leaves(self) -> int:
        """Lots still open."""
        return self.lots - self.filled

    def crosses(self) -> bool:
        """Whether the market is at or through the order's price."""
        return self.price >= self.market.ask if self.side == "buy" else self.price <= self.market.bid

    def touches(self) -> bool:
        """Whether the order is at the best price."""
        return self.price >= self.market.bid if self.side == "buy" else self.price <= self.market.ask


class MatchingEngine:
    """Accepts, fills, rejects, cancels and expires the orders of all clients.

    Args:
        seed: of every random choice.
        send: takes a client's name and an event for it.
        opening: the instruments, and the best bid at which each begins.

    Attributes:
        markets: by symbol.
    """

    def __init__(
        self, seed: int, send: Callable[[str, Message], None], opening: Mapping[Instrument, int] = OPENING_TICKS
    ) -> None:
        self._random = random.Random(seed)
        self._send = send
        self._sequence = 0
        self._now_ns = 0
        self._trades = 0
        self._orders: dict[tuple[str, str], Order] = {}
        self._lots: defaultdict[tuple[str, Instrument], int] = defaultdict(int)
        self.markets = {each.symbol: Market(each, bid, self._random) for each, bid in opening.items()}

    def positions(self, client: str) -> dict[str, str]:
        """The venue's own account of a client: decimal text by symbol."""
        instruments = (market.instrument for market in self.markets.values())
        return {each.symbol: str(self._lots[client, each] * each.lot) for each in instruments}

    def step(self) -> None:
        """Let some time pass: prices move, resting orders are filled or expire."""
        for market in self.markets.values():
            market.step()
        now = time.time_ns()
        for order in list(self._orders.values()):
            if order.crosses() or (order.touches() and self._random.random() < _QUEUE_LUCK):
                lots = order.leaves if self._random.random() < 0.5 else self._random.randint(1, order.leaves)
                self._fill(order, order.price, lots, "maker")
            if order.leaves and now >= order.expires_ns:
                self._close(order, "expired")

    def new_order(self, client: str, message: Message) -> None:
        """Accept or reject an order; what crosses the spread trades at once."""
        market = self.markets.get(message.get("symbol", ""))
        reason = self._refusal(client, market, message)
        if market is None or reason is not None:
            self._report(client, message, "rejected", reason=reason)
            return
        price, lots = self._limit(market, message), steps(message["quantity"], market.instrument.lot)
        assert price is not None and lots is not None, "checked by _refusal"
        order = Order(
            client=client,
            client_order_id=message["client_order_id"],
            order_id=f"{self._sequence + 1:x}-{self._random.getrandbits(64):016x}",
            market=market,
            side=message["side"],
            price=price,
            lots=lots,
            time_in_force=message["time_in_force"],
            order_type=message.get("order_type", LIMIT),
            expires_ns=time.time_ns() + message.get("lifetime_ns", LIFETIME_NS),
        )
        self._orders[client, order.client_order_id] = order
        self._report_order(order, "new", "new")
        self._take(order)
        if order.leaves and order.time_in_force == "immediate_or_cancel":
            self._close(order, "expired")

    def cancel(self, client: str, message: Message) -> None:
        """Cancel an order, or say that it is no longer there."""
        order = self._orders.get((client, message.get("client_order_id", "")))
        if order is None:
            self._report(client, message, "cancel_rejected", reason="order is not open")
        else:
            self._close(order, "canceled")

    def _refusal(self, client: str, market: Market | None, message: Message) -> str | None:
        if market is None:
            return "unknown symbol"
        if message.get("order_type", LIMIT) not in (LIMIT, MARKET):
            return "unknown order type"
        price = self._limit(market, message)
        if price is None:
            return f"price is not a multiple of {market.instrument.tick}"
        if steps(message.get("quantity"), market.instrument.lot) is None:
            return f"quantity is not a multiple of {market.instrument.lot}"
        if message.get("side") not in ("buy", "sell") or message.get("time_in_force") not in TIME_IN_FORCE:
            return "unknown side or time in force"
        if not message.get("client_order_id") or (client, message["client_order_id"]) in self._orders:
            return "client order id is empty or in use"
        crosses = price >= market.ask if message["side"] == "buy" else price <= market.bid
        if message["time_in_force"] == "post_only" and crosses:
            return "post-only order would take liquidity"
        return "matching engine is overloaded" if self._random.random() < _OVERLOAD else None

    @staticmethod
    def _limit(market: Market, message: Message) -> int | None:
        """Up to which price in ticks an order may trade; None if what it says is no price."""
        if message.get("order_type", LIMIT) == MARKET:
            return market.ask if message.get("side") == "buy" else market.bid
        return steps(message.get("price"), market.instrument.tick)

    def _take(self, order: Order) -> None:
        """Trade against the outside market, each level one tick worse, as far as the order's limit goes."""
        worse = 1 if order.side == "buy" else -1
        level = order.market.ask if order.side == "buy" else order.market.bid
        while order.leaves and (order.price - level) * worse >= 0:
            self._fill(order, level, min(order.leaves, self._random.randint(1, _LEVEL_LOTS)), "taker")
            level += worse

    def _fill(self, order: Order, price: int, lots: int, liquidity: str) -> None:
        instrument = order.market.instrument
        order.filled += lots
        order.traded += price * lots
        self._lots[order.client, instrument] += lots if order.side == "buy" else -lots
        self._trades += 1
        notional = price * lots * instrument.tick * instrument.lot
        fee = (notional * (MAKER_FEE if liquidity == "maker" else TAKER_FEE)).quantize(_FEE_STEP)
        if not order.leaves:
            del self._orders[order.client, order.client_order_id]
        self._report_order(
            order,
            "fill",
            "partially_filled" if order.leaves else "filled",
            trade_id=f"T{self._trades:08d}",
            last_price=instrument.price(price),
            last_quantity=instrument.quantity(lots),
            liquidity=liquidity,
            fee=float(fee),
            fee_currency=QUOTE_CURRENCY,
        )

    def _close(self, order: Order, event: str) -> None:
        del self._orders[order.client, order.client_order_id]
        self._report_order(order, event, event)

    def _report_order(self, order: Order, event: str, status: str, **more: Any) -> None:
        """Tell a client the event together with the state of the order after it."""
        instrument = order.market.instrument
        message: Message = {
            "client_order_id": order.client_order_id,
            "order_id": order.order_id,
            "symbol": instrument.symbol,
            "side": order.side,
            "price": instrument.price(order.price) if order.order_type == LIMIT else None,
            "quantity": instrument.quantity(order.lots),
            "order_type": order.order_type,
            "time_in_force": order.time_in_force,
        }
        average = float(round(order.traded * instrument.tick / order.filled, 8)) if order.filled else None
        leaves = order.leaves if event in ("new", "fill") else 0
        self._report(
            order.client,
            message,
            event,
            status=status,
            cumulative_quantity=instrument.quantity(order.filled),
            leaves_quantity=instrument.quantity(leaves),
            average_price=average,
            **more,
        )

    def _report(self, client: str, about: Message, event: str, **more: Any) -> None:
        self._sequence += 1
        self._now_ns = max(time.time_ns(), self._now_ns + 1)  # no two reports have the same time
        now = {"event": event, "exchange_seq": self._sequence, "exchange_ns": self._now_ns}
        self._send(client, about | {"status": event} | more | now)
