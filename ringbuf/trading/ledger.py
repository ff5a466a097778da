"""A ledger: reports in, orders and positions out.

One order of work for every report: find the order it is about, apply it to trade and order, only then to the position.
What a report changes is all it touches: a position is kept as running sums, to which each fill and each order adds an
entry of its own, and the entry is replaced when that fill or order has changed.
"""

from collections import deque
from collections.abc import Iterator

from ringbuf.errors import RecordError
from ringbuf.record.enumerations import ExecType
from ringbuf.trading.book import Book, Kept
from ringbuf.trading.lookback import LookBack
from ringbuf.trading.order import Order
from ringbuf.trading.position import Holding, entry_of, open_of
from ringbuf.trading.report import Instrument, Report
from ringbuf.trading.trade import Fill


class Ledger:
    """Orders, trades and positions, from the reports that were applied. For one thread, in an exact context.

    Memory is bounded by the look-back: an order that is over, and its fills, are dropped when nothing was heard of them
    for so long. What they did stays in the sums.

    Args:
        lookback_ns: None keeps everything.

    Attributes:
        holdings: the positions.
        changed: those that the last report changed.
    """

    def __init__(self, lookback_ns: int | None) -> None:
        self._lookback = LookBack(lookback_ns)
        self.holdings: dict[Instrument, Holding] = {}
        self.changed: set[Instrument] = set()
        self._books: dict[Instrument, Book] = {}
        self._kept: deque[tuple[Book, Kept]] = deque()

    def __len__(self) -> int:
        """Number of ids that are known."""
        return sum(len(each) for each in self._books.values())

    def orders(self) -> Iterator[Order]:
        """All orders that are known."""
        for book in self._books.values():
            yield from book.directory.orders()

    def apply(self, report: Report) -> Instrument:
        """Take one report, and forget some of what is too old.

        Returns:
            The position it is about.

        Raises:
            RecordError: it is older than the look-back, and nobody can tell any more whether it was there before. Then
                nothing has changed.
        """
        self.changed.clear()
        before_ns = self._lookback.before_ns
        if 0 < report.exchange_ns < before_ns:
            self._check_known(report)
        if report.exec_type is ExecType.FUNDING:
            return report.instrument.position(report.position_side, report.position_id)  # neither trade nor order
        book = self._books.get(report.instrument)
        if book is None:
            book = self._books[report.instrument] = Book(report.instrument)
        report.heard_ns = self._lookback.hear(report.exchange_ns)
        changed = book.apply(report, before_ns)
        for fill in changed.fills:
            self._count(fill)
        for order in changed.orders:
            self._open(order)
        self._forget(book, before_ns)
        known = report if changed.order is None else changed.order
        return report.instrument.position(known.position_side, known.position_id)

    def _check_known(self, report: Report) -> None:
        book = self._books.get(report.instrument)
        if book is None or not book.knows(report):
            raise RecordError(
                f"a report of {report.exchange_ns} ns about {report.order_id or report.client_order_id!r} is older than"
                f" the look-back, which reaches to {self._lookback.before_ns} ns",
                "give the inventory a longer lookback; the database has all of it",
            )

    def _forget(self, changed: Book, before_ns: int) -> None:
        """Look at one more of what is kept than was added, the longest unseen first."""
        new = [(changed, each) for each in changed.new]
        self._kept += new
        changed.new.clear()
        for _ in range(min(1 + len(new), len(self._kept))):
            book, kept = self._kept.popleft()
            if not book.forget(kept, before_ns):
                self._kept.append((book, kept))

    def _count(self, fill: Fill) -> None:
        entry = entry_of(fill)
        if entry == fill.entry:
            return
        if fill.entry is not None:
            self._holding(fill.entry.key).count(fill.entry, -1)
        if entry is not None:
            self._holding(entry.key).count(entry, 1)
        fill.entry = entry

    def _open(self, order: Order) -> None:
        old, new = order.entry, open_of(order)
        if new == old:
            return
        if old is not None:
            self._holding(old.key).open(old, -1)
        if new is not None:
            self._holding(new.key).open(new, 1)
        order.entry = new

    def _holding(self, key: Instrument) -> Holding:
        self.changed.add(key)
        found = self.holdings.get(key)
        if found is None:
            found = self.holdings[key] = Holding()
        return found
