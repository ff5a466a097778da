"""Order pages: what is known of each order, and one call for all that follows from an update.

pages = OrderPages(recorder)
pages.on_delta(quote_again)
pages.apply({"exchange": "okx", "account": "A1", "symbol": "BTC-USDT", "strategy": "mm-btc", "order_id": "7", ...})

An update is recorded first. Then its page and the inventory change together, since they are one state. Then the
handlers are told what changed.
"""

import logging
from collections import deque
from typing import Final, TypeVar

from ringbuf.errors import RecordError
from ringbuf.strategies.arguments import check_function, check_kind
from ringbuf.strategies.handlers import Function, Handler, handler_of
from ringbuf.strategies.inventory import Inventory
from ringbuf.strategies.recorder import Recorder
from ringbuf.strategies.update_recorder import UpdateRecorder
from ringbuf.trading.delta import Delta, Update, deltas_of
from ringbuf.trading.number import Exactly
from ringbuf.trading.order_state import OrderState
from ringbuf.trading.reading import Reading
from ringbuf.trading.report import Report, instrument_named

__all__ = ["Delta", "Handler", "OrderPages", "OrderState", "Update"]

LOGGER: Final = logging.getLogger("ringbuf.orders")

F = TypeVar("F", bound=Function)


class OrderPages:
    """The pages of a strategy's orders. Any thread may apply updates; they are applied one after another.

    Memory is bounded as that of the inventory: an order that is over leaves when nothing was heard of it for the
    look-back.

    Args:
        recorder: records each update; without one nothing is recorded.
        inventory: of which the orders are; by default one of its own.

    Raises:
        ConfigurationError: one of them is something else.

    Attributes:
        inventory: positions, commissions and profit from the same updates.
        handlers: those that are told of deltas, the slow ones last. One that is taken off is told no more.
        refused: updates that no page took: see `apply`.
    """

    def __init__(self, recorder: Recorder | None = None, inventory: Inventory | None = None) -> None:
        if recorder is not None:
            check_kind("recorder", recorder, Recorder)
        self.inventory = Inventory() if inventory is None else inventory
        check_kind("inventory", self.inventory, Inventory)
        self.handlers: list[Handler] = []
        self.refused = 0
        self._recorder = None if recorder is None else UpdateRecorder(recorder)
        self._untold: deque[Delta] = deque()
        self._is_telling = False
        self._is_refusal_logged = False

    @property
    def unrecorded(self) -> int:
        """Updates that could not be recorded, but for what the ring counts."""
        return 0 if self._recorder is None else self._recorder.failed

    def on_delta(self, function: F) -> F:
        """Let a function or coroutine function be told of each delta; returns it, so this may decorate it.

        Raises:
            ConfigurationError: it cannot be called.
        """
        check_function("a handler", function)
        handler = handler_of(function)
        with self.inventory.lock:  # whoever tells may be putting slow ones last
            self.handlers = [*self.handlers, handler]
        return function

    def apply(self, update: Update) -> Delta | None:
        """Record an update, let page and inventory follow, and tell the handlers. Never raises because of the update.

        One that the rules refuse (see `Inventory.apply`) is recorded nevertheless, counted in `refused` and logged.
        What has a seq, as rows of the database have, is a record already, and is not recorded again.

        An update may change several orders: one that replaces another, or a trade that is taken back under an id that
        two orders have. Handlers are told of each, of the update's own order first; all pages are as they are after the
        update by then. A handler may apply updates itself: their deltas are told when it has returned.

        Returns:
            What changed in the page of the update's order; if it names none, in the first that changed. None if nothing
            changed: it is a copy or stale, or tells of no order, as funding does.
        """
        ledger = self.inventory.ledger
        with self.inventory.lock, Exactly():
            if self._recorder is not None:
                self._recorder.record(update)
            try:
                ledger.apply(Report(update))
            except RecordError as error:
                self._refuse(error)
                return None
            deltas = deltas_of(ledger, update)
            if not deltas:
                return None
            self._untold += deltas
            is_told_elsewhere, self._is_telling = self._is_telling, True
        if not is_told_elsewhere:
            self._tell()
        return deltas[0]

    def page(
        self, exchange: str, account: str, symbol: str, *, order_id: str = "", client_order_id: str = ""
    ) -> OrderState | None:
        """The page of an order; None if it is not known, or not any more.

        Args:
            order_id: the venue's; if it is given, it alone decides.
            client_order_id: of the order that a report would be about that has no order id: where several orders had
                it, the last one.
        """
        with self.inventory.lock:
            ids = Reading({"order_id": order_id, "client_order_id": client_order_id})
            order = self.inventory.ledger.order_of(
                instrument_named(exchange, account, symbol), ids.text("order_id"), ids.text("client_order_id")
            )
            return None if order is None else order.state

    def open_pages(self) -> list[OrderState]:
        """The pages of all orders that work or of which a fill is awaited, in the order in which they were opened."""
        with self.inventory.lock:
            return [each.state for each in self.inventory.ledger.open_orders if each.state is not None]

    def _tell(self) -> None:
        """Tell the handlers what they were not told yet. One thread does; what others apply meanwhile it tells, too."""
        try:
            while True:
                while self._untold:
                    delta = self._untold.popleft()
                    for each in tuple(self.handlers):  # one may take itself off, or another one
                        if not each.give(delta):
                            self._put_last(each)
                with self.inventory.lock:
                    if not self._untold:
                        self._is_telling = False
                        return
        except BaseException:  # a handler was interrupted, as by Ctrl-C
            self._is_telling = False
            raise

    def _put_last(self, slow: Handler) -> None:
        with self.inventory.lock:
            if slow in self.handlers:
                self.handlers = [each for each in self.handlers if each is not slow] + [slow]

    def _refuse(self, error: RecordError) -> None:
        self.refused += 1
        if not self._is_refusal_logged:
            self._is_refusal_logged = True
            LOGGER.warning("an update was refused, but recorded: %s; logged once, all are counted", error)
