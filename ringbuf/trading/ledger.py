"""A ledger: reports in, orders and positions out.

One order of work for every report: find the order it is about, apply it to trade and order, only then to the position.
What a report changes is all it touches: a position is kept as running sums, to which each fill and each order adds an
entry of its own, and the entry is replaced when that fill or order has changed.
"""

from collections.abc import Iterable
from decimal import localcontext
from itertools import pairwise
from typing import Any

from ringbuf.record.enumerations import ExecType
from ringbuf.trading.directory import Directory, Found
from ringbuf.trading.order import Order
from ringbuf.trading.position import Holding, entry_of, open_of
from ringbuf.trading.report import EXACT, Instrument, Report
from ringbuf.trading.trade import Fill, Trade, identity


class Ledger:
    """Orders, trades and positions, from the reports that were applied. For one thread.

    Attributes:
        holdings: the positions.
        changed: those that the last report changed.
    """

    def __init__(self) -> None:
        self.holdings: dict[Instrument, Holding] = {}
        self.changed: set[Instrument] = set()
        self._directory = Directory()
        self._trades: dict[tuple[Any, ...], Trade] = {}
        self._same_trade: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        self._clocks: dict[Instrument, int] = {}
        self._arrivals = 0

    def orders(self) -> Iterable[Order]:
        """All orders that are known."""
        return self._directory.orders()

    def knows(self, report: Report) -> bool:
        """Whether the order of a report, or its trade, is still known."""
        ids = (report.instrument, report.ref_id), (report.instrument, report.trade_id)
        return self._directory.knows(report) or any(self._root(each) in self._trades for each in ids if each[1])

    def apply(self, report: Report) -> Instrument:
        """Take one report; it is either applied as a whole or, if it raises, not at all.

        Returns:
            The position it is about.
        """
        self.changed.clear()
        if report.exec_type is ExecType.FUNDING:
            return report.instrument.position(report.position_side, report.position_id)  # neither trade nor order
        with localcontext(EXACT):
            self._arrive(report)
            found = self._directory.find(report) if report.names_order else Found(Order(report.instrument))
            order = found.order
            for each, unnamed in found.absorbed:
                self._absorb(each, unnamed)
            touched = [each for each, _ in found.absorbed]
            facts = order.side, order.position_side, order.position_id
            order.learn(report)
            if facts != (order.side, order.position_side, order.position_id):
                touched.append(order)
            trade = self._apply_to_trade(report, order)
            if self._tells_of_order(report, found, trade):
                order.advance(report)
            for former, successor, told in found.replaced:
                former.replaced_by(successor, told)
            fills = [*(trade.fills if trade else ()), *self._recounted(touched)]
            self._count(fills)
            self._open([order, *touched, *found.kept_places, *(each[0] for each in found.replaced)])
            self._open(each.order for each in fills)
        return report.instrument.position(order.position_side, order.position_id)

    def forget(self, before_ns: int) -> None:
        """Drop orders and trades of which nothing was heard since, ns since the epoch; the sums stay.

        An order that still works, or of which a fill is awaited, is kept.
        """

        def is_forgotten(order: Order) -> bool:
            return order.latest_ns < before_ns and order.entry is not None and not order.entry.quantity

        self._directory.forget(is_forgotten, before_ns)
        kept = {key for key, trade in self._trades.items() if trade.latest_ns >= before_ns}
        self._trades = {key: self._trades[key] for key in kept}
        self._same_trade = {key: root for key, root in self._same_trade.items() if self._root(root) in kept}

    def _arrive(self, report: Report) -> None:
        self._arrivals += 1
        report.arrival = self._arrivals
        clock = self._clocks.get(report.instrument, 0)
        report.venue_ns = report.exchange_ns or clock
        self._clocks[report.instrument] = max(clock, report.venue_ns)

    def _absorb(self, order: Order, unnamed: Order) -> None:
        for each in unnamed.fills:
            if isinstance(each, Fill):
                each.order = order
        order.absorb(unnamed)
        self._replace_open(unnamed, None)

    @staticmethod
    def _tells_of_order(report: Report, found: Found, trade: Trade | None) -> bool:
        """Whether a report has news of its order's state."""
        if found.is_copy or not report.names_order:
            return False
        if report.is_own_end and found.order.order_id:
            return False  # the venue knows the order, whatever we concluded from its silence
        is_changed = report.is_trade and trade is not None and trade.is_changed
        return not is_changed or bool(report.exchange_ns)  # it tells of the time before that

    # Trades

    def _apply_to_trade(self, report: Report, order: Order) -> Trade | None:
        if not (report.is_trade or report.is_change):
            return None
        trade = self._trades.setdefault(self._trade_key(report, order), Trade())
        trade.latest_ns = max(trade.latest_ns, report.venue_ns)
        if report.is_change:
            if trade.change(report):
                for each in {id(each): each for each in (order, *(fill.order for fill in trade.fills))}.values():
                    each.trade_changed()
        else:
            trade.fill(report, order)
        trade.recount()
        return trade

    def _trade_key(self, report: Report, order: Order) -> tuple[Any, ...]:
        about = report.ref_id if report.is_change else ""
        ids = [(report.instrument, each) for each in (about, report.trade_id, report.report_id) if each]
        if not ids:
            return (report.instrument, *identity(report, order))
        for own, other in pairwise(reversed(ids)):
            self._join(own, other)
        return self._root(ids[0])

    def _root(self, key: tuple[Any, ...]) -> tuple[Any, ...]:
        while key in self._same_trade:
            key = self._same_trade[key]
        return key

    def _join(self, one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
        """Two ids are of the same trade."""
        one, other = self._root(one), self._root(other)
        if one == other:
            return
        self._same_trade[one] = other
        joined = self._trades.pop(one, None)
        if joined is not None:
            self._trades.setdefault(other, Trade()).absorb(joined)

    @staticmethod
    def _recounted(orders: Iterable[Order]) -> list[Fill]:
        """The fills of orders of which something was learned that tells fills apart, and those they were told from."""
        fills = [fill for each in orders for fill in each.fills if isinstance(fill, Fill)]
        trades = {id(fill.trade): fill.trade for fill in fills}.values()
        for trade in trades:
            trade.recount()
        return [fill for trade in trades for fill in trade.fills]

    # Positions

    def _count(self, fills: Iterable[Fill]) -> None:
        for fill in fills:
            entry = entry_of(fill)
            if entry == fill.entry:
                continue
            if fill.entry is not None:
                self._holding(fill.entry.key).count(fill.entry, -1)
            if entry is not None:
                self._holding(entry.key).count(entry, 1)
            fill.entry = entry

    def _open(self, orders: Iterable[Order]) -> None:
        for order in {id(each): each for each in orders}.values():
            self._replace_open(order, open_of(order))

    def _replace_open(self, order: Order, entry: Any) -> None:
        if entry == order.entry:
            return
        if order.entry is not None:
            self._holding(order.entry.key).open(order.entry, -1)
        if entry is not None:
            self._holding(entry.key).open(entry, 1)
        order.entry = entry

    def _holding(self, key: Instrument) -> Holding:
        self.changed.add(key)
        return self.holdings.setdefault(key, Holding())
