"""A strategy that hedges, without a venue: what it is told, what it records, what it sends, and what is left of it."""

from collections.abc import Callable
from decimal import Decimal
from itertools import count
from typing import Any

from ringbuf.strategies.hedger import Hedge, HedgeBalance, HedgeOrder, Hedger
from ringbuf.strategies.inventory import Inventory, OrderState
from ringbuf.strategies.orders import Delta, OrderPages, Update

MAKER = {"exchange": "maker-venue", "account": "A", "symbol": "M", "strategy": "s"}


class RecordingPages(OrderPages):
    """Pages that keep what a ring would: each update that is no record yet."""

    def __init__(self, inventory: Inventory, records: list[dict[str, Any]]) -> None:
        super().__init__(inventory=inventory)
        self._records = records

    def apply(self, update: Update) -> Delta | None:
        if isinstance(update, dict) and "seq" not in update:
            self._records.append({**update, "seq": len(self._records)})
        return super().apply(update)


class Desk:
    """One strategy process after another.

    Attributes:
        records: what all of them recorded.
        sent: the hedge orders they sent.
    """

    def __init__(self, hedge_of: Callable[[OrderState], Hedge | None]) -> None:
        self.records: list[dict[str, Any]] = []
        self.sent: list[HedgeOrder] = []
        self._hedge_of = hedge_of
        self._numbers = count(1)
        self.restart()

    def restart(self) -> None:
        """Begin anew, with nothing but the records."""
        inventory = Inventory(lookback=None, hedges=self._hedge_of)
        self.pages: OrderPages = RecordingPages(inventory, self.records)
        self.hedger = Hedger(
            self.pages, self.sent.append, strategy="s", client_order_id=lambda _: f"h{next(self._numbers)}"
        )
        for each in list(self.records):
            self.pages.apply(each)

    def maker(self, name: str, **fields: Any) -> None:
        """An update about a maker order."""
        self.pages.apply({**MAKER, "order_id": name, **fields})

    def maker_fill(self, name: str, side: str, trade_id: str, quantity: str, **fields: Any) -> None:
        """A fill of one."""
        self.maker(name, exec_type="fill", side=side, trade_id=trade_id, last_quantity=quantity, **fields)

    def hedge(self, client_order_id: str, **fields: Any) -> None:
        """An update about a hedge order, as its venue tells it: with an order id, and without our link."""
        order = self.order(client_order_id)
        names = {"exchange": order.exchange, "account": order.account, "symbol": order.symbol, "strategy": "s"}
        ids = {"client_order_id": client_order_id, "order_id": f"O-{client_order_id}", "side": order.side}
        self.pages.apply({**names, **ids, **fields})

    def order(self, client_order_id: str) -> HedgeOrder:
        """A hedge order that was sent."""
        (found,) = (each for each in self.sent if each.client_order_id == client_order_id)
        return found

    def balance(self, symbol: str) -> HedgeBalance:
        """That of one hedge instrument; all zero if nothing is known of it."""
        found = {key.symbol: each for key, each in self.hedger.balances().items()}
        return found.get(symbol, HedgeBalance())


def hedge(symbol: str = "H", step: str = "1", **terms: Any) -> Hedge:
    """How an order is hedged, with terms as decimal text."""
    given: dict[str, Any] = {name: Decimal(value) if isinstance(value, str) else value for name, value in terms.items()}
    return Hedge(exchange="hedge-venue", account="B", symbol=symbol, step=Decimal(step), **given)
