"""A ledger: reports in, orders and positions out.

One order of work for every report: find the order it is about, apply it to trade and order, only then to the position.
What a report changes is all it touches: a position is kept as running sums, to which each fill and each order adds an
entry of its own, and the entry is replaced when that fill or order has changed.
"""

from collections import deque
from collections.abc import Iterator
from time import time_ns

from ringbuf.errors import RecordError
from ringbuf.trading.book import Book, Kept
from ringbuf.trading.contract import contract_at
from ringbuf.trading.contract_table import Contracts
from ringbuf.trading.fill_sequence import FillSequence
from ringbuf.trading.funding import Payment
from ringbuf.trading.hedge_book import HedgeBook
from ringbuf.trading.lookback import LookBack
from ringbuf.trading.order import Order
from ringbuf.trading.order_state import OrderState
from ringbuf.trading.position import Entry, Holding, entry_of
from ringbuf.trading.report import Instrument, Report
from ringbuf.trading.trade import Fill


class Ledger:
    """Orders, trades and positions, from the reports that were applied. For one thread, in an exact context.

    Memory is bounded by the look-back: an order that is over, and its fills, are dropped when nothing was heard of them
    for so long. What they did stays in the sums.

    Args:
        lookback_ns: None keeps everything.
        contracts: if given, profit is known.
        hedges: if given, balances of hedges are known.

    Attributes:
        holdings: the positions.
        reports: how many were applied.
        changed_by: the positions, the one that changed last at the end, each with the number of the report that did it.
        sequences: the fills of each position in the venue's order, if profit is known.
        order: the order that the last report was about; None if it named none.
        open_orders: those that work, or of which a fill is awaited.
        states_before: the orders that the last report changed, each as it was; None if it is new.
        nameless: the fills without an order that the last report changed: what each added before, and what it adds.
    """

    def __init__(
        self, lookback_ns: int | None, contracts: Contracts | None = None, hedges: HedgeBook | None = None
    ) -> None:
        self._lookback = LookBack(lookback_ns)
        self._contracts = contracts
        self.hedges = hedges
        self.holdings: dict[Instrument, Holding] = {}
        self.reports = 0
        self.changed_by: dict[Instrument, int] = {}
        self.sequences: dict[Instrument, FillSequence] = {}
        self.order: Order | None = None
        self.open_orders: dict[Order, None] = {}
        self.states_before: dict[Order, OrderState | None] = {}
        self.nameless: list[tuple[Entry | None, Entry | None]] = []
        self._books: dict[Instrument, Book] = {}
        self._kept: deque[tuple[Book, Kept]] = deque()
        self._changed: dict[Instrument, Holding] = {}  # by the last report

    def __len__(self) -> int:
        """Number of ids that are known."""
        return sum(len(each) for each in self._books.values())

    def orders(self) -> Iterator[Order]:
        """All orders that are known."""
        for book in self._books.values():
            yield from book.directory.orders()

    def order_of(self, instrument: Instrument, order_id: str, client_order_id: str) -> Order | None:
        """The order of an instrument that a report with these ids is about; None if it is not known."""
        book = self._books.get(instrument)
        if book is None:
            return None
        return book.directory.by_id(order_id) if order_id else book.directory.by_client_id(client_order_id)

    def knows(self, report: Report) -> bool:
        """Whether it could be told that a report was there before."""
        book = self._books.get(report.instrument)
        return book is not None and book.knows(report)

    def known_fill(self, report: Report) -> Fill | None:
        """The fill that a report tells once more; None if it is news, or cannot be told."""
        book = self._books.get(report.instrument)
        return None if book is None else book.known_fill(report)

    def knows_change(self, report: Report, order: Order | None) -> bool:
        """Whether a cancel or correction of a trade, of this order, was there before."""
        book = self._books.get(report.instrument)
        return book is not None and book.knows_change(report, order)

    def is_too_old(self, report: Report) -> bool:
        """Whether it is older than the look-back, and nobody can tell any more whether it was there before."""
        return 0 < report.exchange_ns < self._lookback.before_ns and not self.knows(report)

    def apply(self, report: Report) -> Instrument:
        """Take one report, and forget some of what is too old.

        Returns:
            The position it is about.

        Raises:
            RecordError: it is older than the look-back, and nobody can tell any more whether it was there before. Then
                nothing has changed.
        """
        if not report.captured_ns:
            report.captured_ns = time_ns()
        self._changed.clear()
        self.states_before.clear()
        self.nameless.clear()
        self.order = None
        before_ns = self._lookback.before_ns
        if 0 < report.exchange_ns < before_ns and self.is_too_old(report):
            raise RecordError(
                f"a report of {report.exchange_ns} ns about {report.order_id or report.client_order_id!r} is older than"
                f" the look-back, which reaches to {before_ns} ns",
                "give the inventory a longer lookback; the database has all of it",
            )
        book = self._books.get(report.instrument)
        if book is None:
            book = self._books[report.instrument] = Book(report.instrument)
        report.heard_ns = self._lookback.hear(report.exchange_ns)
        if report.is_funding:
            payment = book.pay(report)
            self._pay(payment)
            self._forget(book, before_ns)
            self._show(report.exchange_ns)
            return payment.position
        changed = book.apply(report, before_ns)
        for fill in changed.fills:
            self._count(fill)
        for order in changed.orders:
            self._open(order)
            if self.hedges is not None:
                self.hedges.count(order)
        self._forget(book, before_ns)
        self._show(report.exchange_ns)
        self.order = changed.order
        known = report if changed.order is None else changed.order
        if known.position_side or known.position_id:
            return report.instrument.position(known.position_side, known.position_id)
        return report.instrument

    def _show(self, venue_ns: int) -> None:
        self.reports += 1
        for key, holding in self._changed.items():
            holding.show(venue_ns)
            self.changed_by.pop(key, None)
            self.changed_by[key] = self.reports

    def _forget(self, changed: Book, before_ns: int) -> None:
        """Look at one more of what is kept than was added, the longest unseen first."""
        queue, new = self._kept, changed.new
        looked_at = 1
        if new:
            looked_at += len(new)
            queue += [(changed, each) for each in new]
            new.clear()
        for _ in range(looked_at if looked_at < len(queue) else len(queue)):
            book, kept = queue[0]
            if not book.forget(kept, before_ns):
                queue.rotate(-1)
                continue
            del queue[0]
            if isinstance(kept, Order):
                self.open_orders.pop(kept, None)

    def _count(self, fill: Fill) -> None:
        old, new = fill.entry, entry_of(fill, is_placed=self._contracts is not None)
        if new == old:
            return
        if old is not None:
            self._holding(old.key).count(old, -1)
        if new is not None:
            self._holding(new.key).count(new, 1)
        if fill.order is None:
            self.nameless.append((old, new))
        if self._contracts is not None:
            self._place(self._contracts, old, new)
        fill.entry = new

    def _place(self, contracts: Contracts, old: Entry | None, new: Entry | None) -> None:
        if old is not None and new is not None and (old.key, old.placed) == (new.key, new.placed):
            return  # only its commissions are others
        for entry, times in ((old, -1), (new, 1)):
            if entry is not None and entry.placed is not None:
                sequence = self.sequences.get(entry.key)
                if sequence is None:
                    contract = contract_at(contracts, entry.key)
                    sequence = self.sequences[entry.key] = FillSequence(contract, self._lookback)
                sequence.count(entry.placed, times)

    def _pay(self, payment: Payment) -> None:
        _, amounts = payment.amounts
        if amounts != payment.entry:
            holding = self._holding(payment.position)
            holding.pay(payment.entry, -1)
            holding.pay(amounts, 1)
            payment.entry = amounts

    def _open(self, order: Order) -> None:
        old, new = order.state, order.reckoned()
        if new == old:
            return
        holding = None
        if old is not None:
            holding = self._holding(old.key)
            holding.close(old)
        if new is not None:
            if holding is None or old is None or old.key is not new.key:
                holding = self._holding(new.key)
            holding.open(new)
        order.state = new
        if new is None or (new.is_over and not new.open):
            self.open_orders.pop(order, None)
        else:
            self.open_orders[order] = None
        self.states_before[order] = old

    def _holding(self, key: Instrument) -> Holding:
        found = self._changed.get(key)
        if found is None:
            found = self.holdings.get(key)
            if found is None:
                found = self.holdings[key] = Holding()
            self._changed[key] = found
        return found
