"""Which order of an instrument a report is about.

The venue's order id tells orders apart. A client order id may be used again, shared by several working orders, or be
that of a request about another order (FIX 41 names the first one). So a report without an order id is about the order
that was named last, for the first time, under its client id; else it is about one whose order id is not known yet, and
that becomes the next order that is named under this client id. A client id can be requested again: the second request
is about the second order under it, and so on.
"""

from collections.abc import Iterator
from typing import Any, Final

from ringbuf.record.enumerations import ExecType
from ringbuf.trading.client_id import ClientId
from ringbuf.trading.number import ZERO
from ringbuf.trading.order import Order
from ringbuf.trading.report import Instrument, Report
from ringbuf.trading.states import REQUESTS

ABOUT_ITSELF: Final = REQUESTS | {ExecType.CANCELED, ExecType.CANCEL_REJECTED}
"""Reports whose original client id is that of the very order they are about."""


class Found:
    """What a report is about.

    Attributes:
        order: its order.
        report: the report.
        is_copy: whether the same report was there before.
        is_new: whether it is the first report of its order.
        absorbed: orders with what was known of them under their client id alone, until now.
        moved: orders of which it turns out who took their place, or that nobody did, and those that did.
    """

    __slots__ = ("absorbed", "is_copy", "is_new", "moved", "order", "report")

    def __init__(self, order: Order, report: Report, *, is_copy: bool, is_new: bool = False) -> None:
        self.order = order
        self.report = report
        self.is_copy = is_copy
        self.is_new = is_new
        self.absorbed: tuple[tuple[Order, Order], ...] = ()
        self.moved: tuple[Order, ...] = ()


class Directory:
    """The orders of one instrument, by their ids.

    Args:
        new: to which orders and client ids that are made are added.
    """

    def __init__(self, instrument: Instrument, new: list[Any]) -> None:
        self._instrument = instrument
        self._new = new
        self._orders: dict[str, Order] = {}
        self._clients: dict[str, ClientId] = {}  # under all their names

    def __len__(self) -> int:
        """Number of ids that are known."""
        return len(self._orders) + len(self._clients)

    def orders(self) -> Iterator[Order]:
        """All of them."""
        yield from self._orders.values()
        for client in {id(each): each for each in self._clients.values()}.values():
            yield from client.unnamed.values()

    def by_id(self, order_id: str) -> Order | None:
        """The order with an order id."""
        return self._orders.get(order_id)

    def by_client_id(self, client_order_id: str) -> Order | None:
        """The order that a report with this client id and no order id is about."""
        client = self._clients.get(client_order_id)
        if client is None:
            return None
        return client.current()[1] or client.last()

    def knows(self, report: Report) -> bool:
        """Whether the order of a report is known."""
        if report.order_id:
            return report.order_id in self._orders
        return bool({report.client_order_id, report.orig_client_order_id} & self._clients.keys())

    def find(self, report: Report, before_ns: int) -> Found:
        """The order of a report that names one; it is made if it is new.

        Args:
            before_ns: the look-back, ns since the epoch; older reports are not known any more.
        """
        return self._named(report) if report.order_id else self._unnamed(report, before_ns)

    def forget_order(self, order: Order) -> None:
        """Drop an order that is over."""
        if order.former is not None:
            order.former.part_from(order)
        order.former, order.successors = None, {}  # else a chain of replaced orders would be kept by its last
        self._orders.pop(order.order_id, None)
        for name in (*order.names, order.replaces, order.requested):
            client = self._clients.get(name)
            if client is not None:
                client.heard_ns = max(client.heard_ns, order.heard_ns)
                client.unlist(name, order)

    def forget_client(self, client: ClientId, before_ns: int) -> bool:
        """Drop a client id that names nothing since a venue time, ns since the epoch; whether it is dropped."""
        if client.orders or client.unnamed or client.heard_ns >= before_ns:
            return False
        for name in (client.name, *client.aliases):
            if self._clients.get(name) is client:
                del self._clients[name]
        return True

    def _named(self, report: Report) -> Found:
        order = self._orders.get(report.order_id)
        is_new = order is None
        if order is None:
            order = self._orders[report.order_id] = Order(self._instrument, report.order_id)
            self._new.append(order)
        found = Found(order, report, is_copy=order.is_copy(report), is_new=is_new)
        if report.client_order_id and report.client_order_id not in order.names:
            self._name(found, report.client_order_id)
        if not report.orig_client_order_id:
            return found
        if report.exec_type not in ABOUT_ITSELF:
            self._succeed(found, report)
        elif report.orig_client_order_id not in order.names:
            self._name(found, report.orig_client_order_id)
        return found

    def _name(self, found: Found, name: str) -> None:
        """The order of a report has one more client id."""
        client, order = self._client(name), found.order
        order.names[name] = found.report.arrival
        client.note(name, order, found.report.arrival)
        if order not in client.orders:
            self._list(found, client)
        if name in order.places:
            self._keep_place(found, client, name)
        for successor in list(client.successors):
            _place(found, client, successor)

    @staticmethod
    def _list(found: Found, client: ClientId) -> None:
        """The order of a report is named under a client id for the first time."""
        order = found.order
        before, unnamed = client.last(), client.add(order, found.report.arrival)
        if unnamed is not None:
            found.absorbed = (*found.absorbed, (order, unnamed))
        elif before is not None and order.former is None and client.requests < client.named:
            _precede(before, order)

    def _succeed(self, found: Found, report: Report) -> None:
        """The order of a report has the place of the one that its client id named before."""
        order, name = found.order, report.orig_client_order_id
        client = self._client(name)
        if name in order.names and not (found.is_new and client.last(but=order)):
            return  # replaced in place: it is the same order
        if name not in order.places:
            order.places = {**order.places, name: report}
            if name == order.replaces:
                self._take_place(found, client, report)
        if name == order.replaces and report.exec_type is ExecType.REPLACED:
            order.carried = order.carried or report.total or ZERO

    def _take_place(self, found: Found, client: ClientId, told: Report) -> None:
        order = found.order
        _stand_alone(order)
        client.successors[order] = told
        _place(found, client, order)
        requested = client.current()[1]
        if order.former is None and requested is not None and not requested.order_id:
            _precede(requested, order)

    def _keep_place(self, found: Found, client: ClientId, name: str) -> None:
        """What seemed to be another order's client id is its own: it was replaced in place."""
        order, was_taken = found.order, name == found.order.replaces
        order.places = {each: told for each, told in order.places.items() if each != name}
        if not was_taken:
            return
        client.successors.pop(order, None)
        order.carried = ZERO
        found.moved = (*found.moved, *order.leave_place())
        for told in order.places.values():
            order.carried = (told.total or ZERO) if told.exec_type is ExecType.REPLACED else ZERO
            self._take_place(found, self._client(told.orig_client_order_id), told)
            break

    def _unnamed(self, report: Report, before_ns: int) -> Found:
        own, first = report.client_order_id, report.orig_client_order_id
        if report.is_new_request:
            self._unalias(own)
        elif own and first and own != first:
            self._alias(own, first, report.heard_ns, before_ns)
        client = self._client(first or own)
        client.heard_ns = max(client.heard_ns, report.heard_ns)
        client.hear_alias(own, report.heard_ns)
        is_copy = client.is_copy(report, before_ns)
        client.requests += report.is_new_request and not is_copy
        number, order = client.current()
        if order is None:
            order = client.unnamed[number] = Order(self._instrument, requested=client.name, number=number)
            self._new.append(order)
            for each in client.successors:
                if each.former is None:
                    _precede(order, each)
        if report.is_new_request and not order.replaces and client.requests >= client.named:
            _stand_alone(order)  # it was requested itself
        return Found(order, report, is_copy=is_copy)

    def _alias(self, own: str, first: str, heard_ns: int, before_ns: int) -> None:
        """A request has a client id of its own: from now on it names what the one it is about names.

        Not if it is known as that of an order.
        """
        client, known = self._client(first), self._clients.get(own)
        if known is None or own in known.aliases:
            was_others = known is not None and known is not client
            if known is not None and was_others:
                known.lose_alias(own)
            self._clients[own] = client
            client.alias(own, heard_ns, was_others=was_others)
        for each in client.unseen_aliases(before_ns):
            if self._clients.get(each) is client:
                del self._clients[each]

    def _unalias(self, own: str) -> None:
        """A client id is that of an order from now on."""
        client = self._clients.get(own)
        if client is not None and own in client.aliases:
            del client.aliases[own]
            del self._clients[own]

    def _client(self, name: str) -> ClientId:
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = ClientId(name)
            self._new.append(client)
        return client


def _place(found: Found, client: ClientId, successor: Order) -> None:
    """Find the order whose place another one took; a better one than before, if more is known now."""
    told = client.successors[successor]
    former, is_sure = client.former_of(successor, told)
    if is_sure:
        del client.successors[successor]
    if former is None or (former is successor.former and former.successors[successor]):
        return
    found.moved = (*found.moved, *successor.leave_place(), former, successor)
    former.replaced_by(successor, told, was_known=told is found.report)


def _precede(former: Order, order: Order) -> None:
    """An order hedges what its former does; that one goes on as it is."""
    former.successors, order.former = {**former.successors, order: None}, former


def _stand_alone(order: Order) -> None:
    """An order has nothing to do with the one that was named before it under its client id."""
    if order.former is not None:
        order.former.part_from(order)
    order.former, order.inherited_link_id = None, ""
