"""What is known under one client order id."""

from ringbuf.trading.order import NO_NAMES, Order
from ringbuf.trading.report import Report


class ClientId:
    """What is known under one client order id.

    Attributes:
        name: the id.
        aliases: those of requests about its orders.
        orders: those with an order id that are known, in the order in which they were named here first.
        named: how many there were.
        unnamed: those whose order id is not known yet, by the number of their request, from 1.
        requests: how many requests for a new order there were.
        successors: orders that take the place of the next one that is named here, with the report that said so.
        marks: of the reports without an order id, to know copies of them, and when each was heard last.
        heard_ns: when a report without an order id was heard last, or one of an order that is not known any more.
    """

    __slots__ = ("aliases", "heard_ns", "marks", "name", "named", "orders", "requests", "successors", "unnamed")

    def __init__(self, name: str) -> None:
        self.name = name
        self.aliases = NO_NAMES
        self.orders: dict[Order, None] = {}
        self.named = self.requests = 0
        self.unnamed: dict[int, Order] = {}
        self.successors: dict[Order, Report] = {}
        self.marks: dict[int, int] = {}
        self.heard_ns = 0

    def add(self, order: Order) -> Order | None:
        """An order is named here for the first time. Gives the one that was known of it without its order id."""
        self.named += 1
        self.orders[order] = None
        return self.unnamed.pop(self.named, None)

    def last(self, but: Order | None = None) -> Order | None:
        """The order that was named last, for the first time."""
        return next((each for each in reversed(self.orders) if each is not but), None)

    def current(self) -> tuple[int, Order | None]:
        """The order that a report without an order id is about now, and the number of its request."""
        number = max(self.requests, 1)
        order = self.last() if number <= self.named else None
        if order is None:
            number = max(number, self.named + 1)  # it may be about one that is not known any more
            order = self.unnamed.get(number)
        return number, order

    def is_copy(self, report: Report, before_ns: int) -> bool:
        """Whether the same report was there, and that not before a venue time, ns since the epoch."""
        while self.marks and self.marks[first := next(iter(self.marks))] < before_ns:
            del self.marks[first]
        is_known = self.marks.pop(report.mark, None) is not None
        self.marks[report.mark] = report.heard_ns
        return is_known
