"""The book of one instrument: its orders and trades, and what it forgets."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from ringbuf.trading.client_id import ClientId
from ringbuf.trading.directory import Directory, Found
from ringbuf.trading.funding import Payment, Payments
from ringbuf.trading.inferred_fill import settle
from ringbuf.trading.order import Order
from ringbuf.trading.rank import Rank
from ringbuf.trading.report import Instrument, Report
from ringbuf.trading.trade import Fill, Trade

Kept: TypeAlias = Order | ClientId | Trade | Payment
"""What a book keeps, and forgets one by one."""


class Changed:
    """What a report changed.

    Attributes:
        order: the order it is about, None if it names none.
        orders: those of which the open quantity may be another one.
        fills: those that may count otherwise.
        rank: how late the report is among those of its order; None if it has no news of its order's state.
        fill: the fill that it reports, or reports once more.
    """

    __slots__ = ("fill", "fills", "order", "orders", "rank")

    def __init__(self) -> None:
        self.order: Order | None = None
        self.orders: dict[Order, None] = {}
        self.fills: list[Fill] = []
        self.rank: Rank | None = None
        self.fill: Fill | None = None


class Book:
    """Orders and trades of one instrument.

    Attributes:
        directory: the orders by their ids.
        payments: those of funding.
        new: what was added to the book; whoever forgets takes it from here.
    """

    def __init__(self, instrument: Instrument) -> None:
        self.new: list[Kept] = []
        self.directory = Directory(instrument, self.new)
        self.payments = Payments(self.new)
        self._trades: dict[Any, Trade] = {}  # under all their ids
        self._arrivals = 0

    def __len__(self) -> int:
        """Number of ids that are known."""
        return len(self.directory) + len(self._trades) + len(self.payments)

    def knows(self, report: Report) -> bool:
        """Whether it could be told that a report was there before."""
        if report.is_funding:
            return self.payments.knows(report)
        if report.order_id and not report.is_change:
            return self.directory.knows(report)
        if report.is_trade or report.is_change:
            ids = (each for each in (report.ref_id, report.trade_id) if each)
            return any(each in self._trades for each in ids) or (report.is_change and self.directory.knows(report))
        return self.directory.knows(report)

    def trade(self, name: str) -> Trade | None:
        """The trade that is known by this id."""
        return self._trades.get(name)

    def known_fill(self, report: Report) -> Fill | None:
        """The fill that a report with an id of its trade tells once more; None if it is news, or tells no id."""
        trade = self._trades.get(report.trade_id or report.report_id)
        if trade is None:
            return None
        if report.order_id:
            order = self.directory.by_id(report.order_id)
        else:
            order = self.directory.by_client_id(report.client_order_id)
        same = (each for each in trade.fills.get(order, ()) if each.quantity == report.last_quantity)
        return next((each for each in same if each.price == report.last_price), None)

    def knows_change(self, report: Report, order: Order | None) -> bool:
        """Whether a cancel or correction of a trade was there before, and what it tells of its order, too."""
        trade = self._trades.get(report.ref_id or report.trade_id)
        if trade is None or not trade.has_heard(report, order):
            return False
        return not report.names_order if order is None else order.has_heard(report)

    def pay(self, report: Report) -> Payment:
        """Take a report of a payment of funding."""
        self._arrivals += 1
        report.arrival = self._arrivals
        return self.payments.apply(report)

    def apply(self, report: Report, before_ns: int) -> Changed:
        """Take one report; what is older than `before_ns` (ns since the epoch) may be forgotten."""
        self._arrivals += 1
        report.arrival = self._arrivals
        report.venue_ns = report.exchange_ns
        changed = Changed()
        if report.names_order:
            self._apply_to_order(report, before_ns, changed)
        else:
            self._apply_to_trade(report, changed)
        for order in changed.orders:
            if order.has_inferred and order.absorbed_by is None:
                changed.fills += settle(order)
        return changed

    def _apply_to_order(self, report: Report, before_ns: int, changed: Changed) -> None:
        found = self.directory.find(report, before_ns)
        changed.order = order = found.order
        told = [order] if order.learn(report) else []  # first: the venue knows its side better than our request
        for each, unnamed in found.absorbed:
            self._absorb(each, unnamed)
            told.append(each)
        order.date(report)
        trade = self._apply_to_trade(report, changed)
        if found.is_copy:
            pass
        elif report.is_own_end:
            order.give_up(report)
        elif trade is None or self._is_news(report, trade):
            changed.rank = order.advance(report)
        changed.orders[order] = None
        if told or found.moved:
            self._follow(found, told, changed)

    def forget(self, kept: Kept, before_ns: int) -> bool:
        """Drop something of which nothing was heard since, if it can be dropped; whether it was.

        An order that still works, or of which a fill is awaited, cannot.
        """
        if isinstance(kept, Order):
            return kept.absorbed_by is not None or (kept.heard_ns < before_ns and self._forget_order(kept))
        if isinstance(kept, ClientId):
            return self.directory.forget_client(kept, before_ns)
        if isinstance(kept, Payment):
            return self._forget_payment(kept, before_ns)
        is_kept = kept.heard_ns >= before_ns and not any(kept.fills)  # else it is dropped with its order
        if not is_kept:
            self._forget_trade(kept)
        return not is_kept

    def _forget_order(self, order: Order) -> bool:
        if order.state is None or order.state.open:
            return False
        self.directory.forget_order(order)
        for fill in order.fills:
            if isinstance(fill, Fill):
                fill.trade.forget(order)
                self._forget_trade(fill.trade)
        order.fills.clear()  # they know their order, and a circle would wait for the garbage collector
        order.changed.clear()
        return True

    def _forget_payment(self, payment: Payment, before_ns: int) -> bool:
        if payment.heard_ns >= before_ns:
            return False
        self.payments.forget(payment)
        return True

    def _forget_trade(self, trade: Trade) -> None:
        if not any(trade.fills):
            for key in trade.keys:
                self._trades.pop(key, None)
            trade.fills.clear()

    # Orders

    def _absorb(self, order: Order, unnamed: Order) -> None:
        for trade in _trades_of([unnamed]):
            trade.move(unnamed, order)
            for key in [each for each in trade.keys if isinstance(each, tuple)]:
                self._join(key, _nameless(order, *key[1:]))
        order.absorb(unnamed)

    @staticmethod
    def _is_news(report: Report, trade: Trade) -> bool:
        """Whether a report about a trade has news of its order's state."""
        return not (report.is_trade and trade.is_changed) or bool(report.exchange_ns)  # of the time before that

    @staticmethod
    def _follow(found: Found, told: list[Order], changed: Changed) -> None:
        """Let others follow what was learned about an order."""
        changed.orders |= dict.fromkeys(found.moved)
        for trade in _trades_of(told):
            changed.fills += trade.recount()
            changed.orders |= trade.orders()
        for order in told:
            changed.orders[order] = None
        for _, unnamed in found.absorbed:
            changed.orders[unnamed] = None

    # Trades

    def _apply_to_trade(self, report: Report, changed: Changed) -> Trade | None:
        if not (report.is_trade or report.is_change):
            return None
        order = changed.order
        trade = self._trade_of(report, order)
        if report.heard_ns > trade.heard_ns:
            trade.heard_ns = report.heard_ns
        if report.is_trade:
            if order is not None and trade.is_changed and order not in trade.fills:
                order.heard_of_trade(report, is_changed=True)
            changed.fill = trade.fill(report, order)
            changed.fills += trade.recount(changed.fill)
        else:
            is_news = trade.change(report, order)
            for each in trade.orders() | ({} if order is None else {order: None}):
                each.heard_of_trade(report, is_changed=is_news)
            changed.fills += trade.recount()
        if len(changed.fills) > 1 or report.is_change:
            changed.orders |= trade.orders()
        return trade

    def _trade_of(self, report: Report, order: Order | None) -> Trade:
        about = report.ref_id if report.is_change else ""
        ids: list[Any] = [each for each in (report.report_id, report.trade_id, about) if each]
        if not ids:
            if report.total is None and not report.exchange_ns:
                return Trade()  # nothing tells it from others
            ids = [_nameless(order, report.last_price, report.last_quantity, report.total, report.exchange_ns)]
        if len(ids) > 1:
            for own, other in pairwise(ids):
                self._join(own, other)
        last = ids[-1]
        trade = self._trades.get(last)
        if trade is None:
            trade = self._trades[last] = Trade((last,))
            if order is None or report.is_change:
                self.new.append(trade)
        return trade

    def _join(self, own: Any, other: Any) -> None:
        """Two ids are of the same trade."""
        one, two = self._trades.get(own), self._trades.get(other)
        if one is two is not None:
            return
        if two is None:
            two = self._trades[other] = Trade((other,))
            self.new.append(two)
        if one is None:
            self._trades[own] = two
            two.keys = (*two.keys, own)
        else:
            two.absorb(one)
            self._trades |= dict.fromkeys(one.keys, two)


def _nameless(order: Order | None, *told: object) -> tuple[object, ...]:
    """What tells a fill without an id from others; its side is told with its trade."""
    return (order, *told)


def _trades_of(orders: Sequence[Order]) -> Iterable[Trade]:
    return {id(fill.trade): fill.trade for each in orders for fill in each.fills if isinstance(fill, Fill)}.values()
