"""Hedge orders for what maker orders execute.

    inventory = Inventory(hedges=lambda order: HEDGES.get((order.key.exchange, order.key.symbol)))
    pages = OrderPages(recorder, inventory)
    hedger = Hedger(pages, send, strategy="mm-btc", client_order_id=next_id)

Whenever an update changes what is owed in a hedge instrument, the balance there is cut to the step, and sent: recorded
first, as a request whose `link_id` names the maker order, and only then given to `send`. So a process that dies at any
moment has recorded every hedge order that it sent. After a restart the records are applied to the pages once more, and
whatever was requested counts as working until the venue or the strategy says otherwise.
"""

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple, TypeAlias

from ringbuf.errors import ConfigurationError
from ringbuf.record.enumerations import ExecType, OrderStatus, OrderType, Side
from ringbuf.record.number import exact_number
from ringbuf.record.timestamp import time_ns
from ringbuf.strategies.arguments import check_function, check_kind
from ringbuf.strategies.bound_recorder import Number
from ringbuf.strategies.handlers import RAISED, running_loop
from ringbuf.strategies.orders import OrderPages
from ringbuf.strategies.update_recorder import unrecorded
from ringbuf.trading.delta import Delta
from ringbuf.trading.hedge import Hedge, HedgeBalance
from ringbuf.trading.hedge_book import HedgeState
from ringbuf.trading.number import DECIMALS, EXACT, is_countable
from ringbuf.trading.report import Instrument

__all__ = ["Hedge", "HedgeBalance", "HedgeOrder", "Hedger"]

LOGGER: Final = logging.getLogger("ringbuf.hedger")


class HedgeOrder(NamedTuple):
    """An order that is to be sent to the venue of a hedge.

    Attributes:
        quantity: above zero, whole steps.
        client_order_id: under which it is recorded; send it with this one.
        link_id: the maker order that led to it.
        price: of the hedge instrument, as far as it is known.
    """

    hedge: Hedge
    exchange: str
    account: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    client_order_id: str
    link_id: str
    price: Decimal | None


Send: TypeAlias = Callable[[HedgeOrder], None] | Callable[[HedgeOrder], Awaitable[object]]


class Hedger:
    """Sends hedge orders. Make one for the order pages of a strategy process.

    Only a change of what is owed sends an order. What is rejected or not filled returns to the balance, and goes with
    the next change, or with `flush`; so a venue that rejects everything is not hammered. An update that has a seq is a
    record that was stored, as after a restart: it counts, and sends nothing.

    Args:
        pages: whose inventory was given `hedges`.
        send: a function or coroutine function that sends an order to its venue. If it raises, nobody knows whether the
            venue got the order: it goes on to count as working, until an update says what became of it. If you know
            that it was not sent, apply an update with the `exec_type` `denied`.
        strategy: recorded with each hedge order.
        client_order_id: gives each hedge order an id that is never used again.
        price: the price of a hedge instrument now, a number or its text; None if it is not known. Without it the price
            of the maker's last fill stands for it. It decides on the minimum notional, and is recorded as
            `arrival_price`. If this or `client_order_id` raises, what is due there is carried.

    Attributes:
        sent: orders that were given to `send`.
        failed: how many of them it raised for.
        broken: how often owed was not filled + working + balance after an event; 0, or the figures are not to be relied
            on.

    Raises:
        ConfigurationError: the inventory of the pages has no hedges, or an argument is none of these.
    """

    def __init__(
        self,
        pages: OrderPages,
        send: Send,
        *,
        strategy: str,
        client_order_id: Callable[[Hedge], str],
        price: Callable[[Hedge], Number] | None = None,
    ) -> None:
        check_kind("pages", pages, OrderPages)
        for name, given in (("send", send), ("client_order_id", client_order_id)):
            check_function(name, given)
        check_function("price", price, is_optional=True)
        check_kind("strategy", strategy, str)
        self.sent = self.failed = self.broken = 0
        self._pages = pages
        self._send = send
        self._strategy = strategy
        self._client_order_id = client_order_id
        self._price = price
        self._fill_prices: dict[Instrument, Decimal] = {}
        self._lock = threading.RLock()
        self._loop = running_loop()
        self._tasks: set[asyncio.Future[None]] = set()
        pages.inventory.touched_hedges()  # what was owed before is carried
        pages.on_delta(self._follow)

    def balances(self) -> dict[Instrument, HedgeBalance]:
        """What is owed, hedged, working and left, by hedge instrument."""
        return self._pages.inventory.hedge_balances()

    def flush(self) -> list[HedgeOrder]:
        """Send what is due now in all hedge instruments, as after a reject. Gives the orders."""
        orders: list[HedgeOrder] = []
        try:
            with self._lock:
                states = [self._pages.inventory.hedge_state(key) for key in self.balances()]
                _request_each(states, self._request, orders)
        finally:
            self._give_all(orders)
        return orders

    def _follow(self, delta: Delta) -> None:
        """Hedge what an update made owed."""
        orders: list[HedgeOrder] = []
        try:
            with self._lock:
                states = self._pages.inventory.touched_hedges()
                for state in states:
                    self._check(state)
                owed = [state for state in states if state.newly_owed]
                _request_each(owed, lambda state: self._owe(state, delta), orders)
        finally:
            self._give_all(orders)

    def _owe(self, state: HedgeState, delta: Delta) -> list[HedgeOrder]:
        fields = unrecorded(delta.update)
        if state.maker is None or state.maker.key[:3] != delta.page.key[:3]:  # a later update's, which is told next
            return [] if fields is None else self._request(state)
        price = exact_number(delta.update, "last_price")
        if price is not None:
            self._fill_prices[state.key] = price
        return [] if fields is None else self._request(state, time_ns(fields, "exchange_ns"))

    def _request(self, state: HedgeState, market_ns: int = 0) -> list[HedgeOrder]:
        """Record the request for what is due in one instrument; gives the order, if anything is due."""
        if state.hedge is None or state.maker is None:
            return []
        hedge, maker = state.hedge, state.maker
        price = None
        if self._price is not None:
            price = exact_number({"arrival_price": self._price(hedge)}, "arrival_price")
            state = self._pages.inventory.hedge_state(state.key)  # it may have applied an update
        known = self._fill_prices.get(state.key) if price is None else price
        quantity = hedge.order_quantity(state.balance.balance, known)
        if not quantity:
            return []
        side = Side.BUY if quantity > 0 else Side.SELL
        ids = self._client_order_id(hedge), maker.client_order_id or maker.order_id
        names = hedge.exchange, hedge.account, hedge.symbol
        order = HedgeOrder(hedge, *names, side, hedge.order_type, quantity.copy_abs(), *ids, known)
        update = self._update(order, ExecType.PENDING_NEW, OrderStatus.PENDING_NEW)
        update |= {"arrival_price": price, "hedge_ratio": _recorded(hedge.ratio_of(maker.side)), "market_ns": market_ns}
        delta = self._pages.apply(update) if is_countable(order.quantity) else None
        if delta is None or delta.remaining != order.quantity:
            raise ConfigurationError(
                f"{_shown(order)} was not sent: its request does not count as working, so it would be sent again",
                "let client_order_id give ids that were never used, and keep quantities below 1e21",
            )
        return [order]

    def _update(self, order: HedgeOrder, exec_type: ExecType, status: OrderStatus) -> dict[str, Any]:
        """An update of ours about a hedge order."""
        return {
            "exec_type": exec_type,
            "order_status": status,
            "exchange": order.exchange,
            "account": order.account,
            "symbol": order.symbol,
            "strategy": self._strategy,
            "side": order.side,
            "order_type": order.order_type,
            "quantity": order.quantity,
            "client_order_id": order.client_order_id,
            "link_id": order.link_id,
        }

    def _give_all(self, orders: list[HedgeOrder]) -> None:
        """Hand over the orders whose requests are recorded, also if the request of another one failed."""
        for each in orders:
            self._give(each)

    def _give(self, order: HedgeOrder) -> None:
        """Hand an order to the callback."""
        self.sent += 1
        try:
            result = self._send(order)
            if inspect.isawaitable(result):
                self._await(order, result)
        except RAISED:
            self.failed += 1
            LOGGER.exception("%s may not have been sent; it counts as working until an update says more", _shown(order))

    def _await(self, order: HedgeOrder, result: Awaitable[object]) -> None:
        """Let what a coroutine function has begun run in the event loop."""
        running = running_loop()
        if running is not None:
            self._start(running, order, result)
        elif self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._start, self._loop, order, result)
        else:
            if inspect.iscoroutine(result):
                result.close()
            self.failed += 1
            LOGGER.error("%s was not sent: no event loop runs", _shown(order))
            self._pages.apply(self._update(order, ExecType.DENIED, OrderStatus.DENIED))

    def _start(self, loop: asyncio.AbstractEventLoop, order: HedgeOrder, result: Awaitable[object]) -> None:
        task = loop.create_task(self._finish(order, result), name=f"ringbuf hedge {order.client_order_id}")
        self._tasks.add(task)  # the loop itself holds no task
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, order: HedgeOrder, result: Awaitable[object]) -> None:
        try:
            await result
        except (Exception, asyncio.CancelledError) as error:
            self.failed += 1
            LOGGER.exception("%s may not have been sent; it counts as working until an update says more", _shown(order))
            if isinstance(error, asyncio.CancelledError):
                raise  # as when the loop ends

    def _check(self, state: HedgeState) -> None:
        if not state.balance.is_whole:
            self.broken += 1
            LOGGER.error("hedge balance of %s is not owed - filled - working: %s", state.key[:3], state.balance)


def _request_each(
    states: Sequence[HedgeState], request: Callable[[HedgeState], list[HedgeOrder]], orders: list[HedgeOrder]
) -> None:
    """Add the requests for all instruments to the orders; what raises for one of them is raised when all are there."""
    with ExitStack() as last_first:
        for state in reversed(states):
            last_first.callback(lambda state: orders.extend(request(state)), state)


def _recorded(ratio: Decimal | Fraction) -> Decimal:
    """A ratio as a record has it: of one without an end more decimals than the database takes for exact."""
    if isinstance(ratio, Decimal):
        return ratio
    return EXACT.scaleb(Decimal(round(ratio * 10**DECIMALS)), -DECIMALS).normalize(EXACT)


def _shown(order: HedgeOrder) -> str:
    return f"hedge order {order.client_order_id} ({order.side.name.lower()} {order.quantity} {order.symbol})"
