"""What is known under one client order id."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from ringbuf.trading.order import Order
from ringbuf.trading.report import Report

_LOOKED_AT: Final = 2
"""Aliases that are looked at with each new one, whether they can be dropped: more than come."""


class Name:
    """One of several names of a client id.

    Attributes:
        orders: those that were reported with exactly this name, each with the arrival of the report that told it first.
        is_whole: whether these are all; not, if it is an alias of another client id by now.
        heard_ns: when it was heard last.
    """

    __slots__ = ("heard_ns", "is_whole", "orders")

    def __init__(self, orders: dict[Order, int]) -> None:
        self.orders = orders
        self.is_whole = True
        self.heard_ns = 0


_NO_ALIASES: Final[dict[str, Name]] = {}
"""Of nearly all client ids; nothing is added to it."""


class ClientId:
    """What is known under one client order id.

    Attributes:
        name: the id.
        aliases: those of requests about its orders, the longest unseen first.
        orders: those with an order id that are known, each with the arrival of the report that named it here first.
        named: how many there were.
        unnamed: those whose order id is not known yet, by the number of their request, from 1.
        requests: how many requests for a new order there were.
        successors: orders that took the place of one which is named here, each with the report that said so, as long as
            none was named exactly as that report names it.
        marks: of the reports without an order id, to know copies of them, and when each was heard last.
        heard_ns: when a report without an order id was heard last, or one of an order that is not known any more.
    """

    __slots__ = (
        "_exactly",
        "aliases",
        "heard_ns",
        "marks",
        "name",
        "named",
        "orders",
        "requests",
        "successors",
        "unnamed",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.aliases = _NO_ALIASES
        self._exactly: Name | None = None  # its own name, if it has aliases
        self.orders: dict[Order, int] = {}
        self.named = self.requests = 0
        self.unnamed: dict[int, Order] = {}
        self.successors: dict[Order, Report] = {}
        self.marks: dict[int, int] = {}
        self.heard_ns = 0

    def add(self, order: Order, arrival: int) -> Order | None:
        """An order is named here for the first time. Gives the one that was known of it without its order id."""
        self.named += 1
        self.orders[order] = arrival
        if self._exactly is not None:
            for each, told in order.names.items():  # before it was listed here, too
                self.note(each, order, told)
        return self.unnamed.pop(self.named, None)

    def alias(self, name: str, heard_ns: int, *, was_others: bool) -> None:
        """A request about its orders has this name, which may have been an alias of another client id."""
        if self._exactly is None:
            self._exactly, self.aliases = Name(self._found(self.name)), {}
        known = self.aliases.pop(name, None)
        if known is None or was_others:
            known = Name(self._found(name) if was_others else {})
        known.heard_ns = max(known.heard_ns, heard_ns)
        self.aliases[name] = known

    def lose_alias(self, name: str) -> None:
        """It is an alias of another client id from now on; of this one it is told what its orders say."""
        self.aliases[name].orders, self.aliases[name].is_whole = {}, False

    def hear_alias(self, name: str, heard_ns: int) -> None:
        """A report without an order id has this name."""
        if name in self.aliases:
            self.alias(name, heard_ns, was_others=False)

    def note(self, name: str, order: Order, arrival: int) -> None:
        """An order was reported with this name for the first time."""
        known = self._exactly if name == self.name else self.aliases.get(name)
        if known is None or not known.is_whole or order in known.orders:
            return
        is_late = bool(known.orders) and arrival < next(reversed(known.orders.values()))
        known.orders[order] = arrival
        if is_late:
            known.orders = dict(sorted(known.orders.items(), key=_arrival))

    def unlist(self, name: str, order: Order) -> None:
        """An order with this name is not known any more."""
        self.orders.pop(order, None)
        self.successors.pop(order, None)
        self.unnamed = {number: each for number, each in self.unnamed.items() if each is not order}
        known = self._exactly if name == self.name else self.aliases.get(name)
        if known is not None:
            known.orders.pop(order, None)

    def unseen_aliases(self, before_ns: int) -> Iterator[str]:
        """Some aliases that no order has, and that were not heard since a venue time, ns since the epoch; dropped."""
        for name in list(islice(self.aliases, _LOOKED_AT)):
            known = self.aliases[name]
            if known.heard_ns >= before_ns:
                return
            del self.aliases[name]
            if known.orders:
                self.aliases[name] = known  # behind the others
            else:
                yield name

    def last(self, but: Order | None = None) -> Order | None:
        """The order that was named last, for the first time."""
        return next((each for each in reversed(self.orders) if each is not but), None)

    def former_of(self, order: Order, told: Report) -> tuple[Order | None, bool]:
        """The order whose place another one took, as a report tells, and whether it is named exactly so.

        It is the one with the client id that the report names. If none is known, or yet another order took its place,
        it is the last one that was named here before, since a request about an order has a client id of its own.
        """
        exact = _nearest(self._named_so(told.orig_client_order_id), order, told.arrival)
        if exact is not None and all(
            each is order or each.replaces != told.orig_client_order_id for each in exact.successors
        ):
            return exact, True
        return _nearest(self.orders, order, told.arrival, self.name), False

    def _named_so(self, name: str) -> dict[Order, int]:
        """The orders with this client id, in the order in which they were told it, each with the arrival of that."""
        if self._exactly is None:
            return self.orders
        known = self._exactly if name == self.name else self.aliases.get(name)
        return known.orders if known is not None and known.is_whole else self._found(name)

    def _found(self, name: str) -> dict[Order, int]:
        return dict(sorted(((each, each.names[name]) for each in self.orders if name in each.names), key=_arrival))

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


def _nearest(named: dict[Order, int], but: Order, arrival: int, name: str = "") -> Order | None:
    """Of orders that were named at some arrivals the last one until this one; else the first one after it.

    Args:
        name: if it is not empty, the first one with this client id.
    """
    before = next((each for each in reversed(named) if each is not but and named[each] <= arrival), None)
    return before or next((each for each in named if each is not but and (not name or name in each.names)), None)


def _arrival(named: tuple[Order, int]) -> int:
    return named[1]
