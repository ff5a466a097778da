"""Which order a report is about.

The venue's order id tells orders apart. A client order id may be used again, shared by several working orders, or be
that of a request about another order (FIX 41 names the first one). So a report without an order id is about the
last order that was named under its client id; else it is about one whose order id is not known yet, and that becomes
the next order that is named under this client id. A client id can be requested again: the second request is about the
second order under it, and so on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from ringbuf.record.enumerations import ExecType
from ringbuf.trading.order import Order
from ringbuf.trading.report import Instrument, Report
from ringbuf.trading.states import REQUESTS

ABOUT_ITSELF: Final = REQUESTS | {ExecType.CANCELED, ExecType.CANCEL_REJECTED}
"""Reports whose original client id is that of the very order they are about."""


@dataclass(slots=True)
class ClientId:
    """What is known under one client order id.

    Attributes:
        orders: those with an order id, in the order in which they were named.
        unnamed: those whose order id is not known yet, by the number of their request, from 1.
        requests: how many requests for a new order there were.
        successors: orders that take the place of the next one that is named here, with the report that said so.
        marks: of the reports without an order id, to know copies of them.
        latest_ns: the latest venue time of a report with it.
    """

    orders: list[Order] = field(default_factory=list)
    unnamed: dict[int, Order] = field(default_factory=dict)
    requests: int = 0
    successors: list[tuple[Order, Report]] = field(default_factory=list)
    marks: set[int] = field(default_factory=set)
    latest_ns: int = 0


@dataclass(slots=True)
class Found:
    """What a report is about.

    Attributes:
        order: its order.
        is_copy: whether the same report was there before.
        is_new: whether it is the first report of its order.
        absorbed: orders with what was known of them under their client id alone, until now.
        replaced: orders, with the one that took their place and the report that says so.
        kept_places: orders of which it turns out that no other one took their place.
    """

    order: Order
    is_copy: bool = False
    is_new: bool = False
    absorbed: list[tuple[Order, Order]] = field(default_factory=list)
    replaced: list[tuple[Order, Order, Report]] = field(default_factory=list)
    kept_places: list[Order] = field(default_factory=list)


class Directory:
    """The orders of a ledger, by their ids."""

    def __init__(self) -> None:
        self._by_order_id: dict[tuple[Instrument, str], Order] = {}
        self._by_client_id: dict[tuple[Instrument, str], ClientId] = {}
        self._first_names: dict[tuple[Instrument, str], str] = {}

    def __len__(self) -> int:
        """Number of orders."""
        return sum(1 for _ in self.orders())

    def orders(self) -> Iterator[Order]:
        """All of them."""
        yield from self._by_order_id.values()
        for each in self._by_client_id.values():
            yield from each.unnamed.values()

    def knows(self, report: Report) -> bool:
        """Whether the order of a report is known."""
        if (report.instrument, report.order_id) in self._by_order_id:
            return True
        names = report.client_order_id, report.orig_client_order_id
        return any((report.instrument, self._root(report.instrument, each)) in self._by_client_id for each in names)

    def find(self, report: Report) -> Found:
        """The order of a report that names one; it is made if it is new."""
        return self._named(report) if report.order_id else self._unnamed(report)

    def forget(self, is_forgotten: Callable[[Order], bool], before_ns: int) -> None:
        """Drop orders, and client ids that name nothing since a venue time, ns since the epoch."""
        for key in [key for key, order in self._by_order_id.items() if is_forgotten(order)]:
            del self._by_order_id[key]
        for client_key, client in list(self._by_client_id.items()):
            client.unnamed = {number: each for number, each in client.unnamed.items() if not is_forgotten(each)}
            if not client.unnamed and client.latest_ns < before_ns and all(map(is_forgotten, client.orders)):
                del self._by_client_id[client_key]
        self._first_names = {
            key: name for key, name in self._first_names.items() if (key[0], name) in self._by_client_id
        }

    def _named(self, report: Report) -> Found:
        key = (report.instrument, report.order_id)
        order = self._by_order_id.get(key)
        is_new = order is None
        if order is None:
            order = self._by_order_id[key] = Order(report.instrument, report.order_id)
        found = Found(order, order.is_copy(report), is_new)
        if report.client_order_id:
            self._name(found, report, report.client_order_id)
        if report.orig_client_order_id and report.exec_type in ABOUT_ITSELF:
            self._name(found, report, report.orig_client_order_id)
        elif report.orig_client_order_id and not order.replaces:
            self._succeed(found, report)
        return found

    def _name(self, found: Found, report: Report, name: str) -> None:
        """The order of a report has a client id."""
        client, order = self._client(report, name), found.order
        order.names.add(name)
        if name == order.replaces:
            found.kept_places += order.keep_place()
        if any(each is order for each in client.orders):
            return
        client.orders.append(order)
        unnamed = client.unnamed.pop(len(client.orders), None)
        if unnamed is not None:
            found.absorbed.append((order, unnamed))
        pending, client.successors = client.successors, []
        found.replaced += [(order, successor, told) for successor, told in pending if successor is not order]

    def _succeed(self, found: Found, report: Report) -> None:
        """The order of a report has the place of the one that its client id named before."""
        client, order = self._client(report, report.orig_client_order_id), found.order
        others = [each for each in client.orders if each is not order]
        if report.orig_client_order_id in order.names and not (found.is_new and others):
            return  # replaced in place: it is the same order
        order.replaces = report.orig_client_order_id
        if report.exec_type is ExecType.REPLACED and report.total is not None:
            order.carried = report.total
        if others:
            found.replaced.append((others[-1], order, report))
        else:
            client.successors.append((order, report))

    def _unnamed(self, report: Report) -> Found:
        name = report.orig_client_order_id or report.client_order_id
        absorbed: list[tuple[Order, Order]] = []
        if report.orig_client_order_id and report.client_order_id:
            absorbed = self._join_names(report)
        client = self._client(report, name)
        mark = hash(report.fingerprint)
        is_copy = mark in client.marks
        client.marks.add(mark)
        client.requests += report.is_new_request and not is_copy
        number = max(client.requests, 1)
        if number > len(client.orders):
            order = client.unnamed.get(number)
            if order is None:
                order = client.unnamed[number] = Order(report.instrument)
        else:
            order = client.orders[-1]
        return Found(order, is_copy, absorbed=absorbed)

    def _join_names(self, report: Report) -> list[tuple[Order, Order]]:
        """A request has a client id of its own: from now on it names what the one it is about names."""
        own = self._root(report.instrument, report.client_order_id)
        first = self._root(report.instrument, report.orig_client_order_id)
        if own == first:
            return []
        self._first_names[report.instrument, own] = first
        joined = self._by_client_id.pop((report.instrument, own), None)
        if joined is None:
            return []
        client = self._client(report, first)
        client.orders += [each for each in joined.orders if each not in client.orders]
        client.marks |= joined.marks
        client.requests = max(client.requests, joined.requests)
        absorbed = [
            (client.orders[number - 1], client.unnamed.pop(number))
            for number in sorted(client.unnamed)
            if number <= len(client.orders)
        ]
        for number, order in joined.unnamed.items():
            if number <= len(client.orders):
                absorbed.append((client.orders[number - 1], order))
            elif number in client.unnamed:
                absorbed.append((client.unnamed[number], order))
            else:
                client.unnamed[number] = order
        return absorbed

    def _client(self, report: Report, name: str) -> ClientId:
        client = self._by_client_id.setdefault((report.instrument, self._root(report.instrument, name)), ClientId())
        client.latest_ns = max(client.latest_ns, report.venue_ns)
        return client

    def _root(self, instrument: Instrument, name: str) -> str:
        """The client id that names the first order of a chain of requests."""
        while (instrument, name) in self._first_names:
            name = self._first_names[instrument, name]
        return name
