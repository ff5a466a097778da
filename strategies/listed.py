"""Which orders an answer of a venue is about, and whether it has news of one."""

import json
from collections.abc import Iterable
from decimal import Decimal
from hashlib import blake2b

from ringbuf.record.enumerations import OrderStatus
from ringbuf.trading.number import ZERO
from ringbuf.trading.order import Order
from ringbuf.trading.order_state import OrderState
from ringbuf.trading.report import Report


class Listed:
    """The orders of an account that a list names.

    Args:
        reports: the orders in the list, which were applied.
        open_now: the orders that are open after that. Under the client order id of one in the list another may still
            have no name of the venue, where several orders share one.
    """

    def __init__(self, reports: Iterable[Report], open_now: Iterable[OrderState]) -> None:
        self._order_ids: set[tuple[str, str]] = set()
        self._client_ids: set[tuple[str, str]] = set()  # of those that are named by the venue, too
        self._only_client_ids: set[tuple[str, str]] = set()
        self._unnamed = {(each.key.symbol, each.client_order_id) for each in open_now if not each.order_id}
        for each in reports:
            symbol, client_id = each.instrument.symbol, (each.instrument.symbol, each.client_order_id)
            if each.order_id:
                self._order_ids.add((symbol, each.order_id))
                self._client_ids.add(client_id)
            else:
                self._only_client_ids.add(client_id)

    def has(self, page: OrderState) -> bool:
        """Whether an order is in the list, by the venue's id, or by ours if one of both does not tell that."""
        symbol, client_id = page.key.symbol, (page.key.symbol, page.client_order_id)
        if client_id in self._only_client_ids:
            return True
        if page.order_id:
            return (symbol, page.order_id) in self._order_ids
        return client_id in self._client_ids and client_id not in self._unnamed


def is_about(report: Report, page: OrderState) -> bool:
    """Whether a report tells of an order; by our ids only if one of both does not tell the venue's."""
    if report.instrument[:3] != page.key[:3]:
        return False
    if report.order_id and page.order_id:
        return report.order_id == page.order_id
    ours = page.client_order_id
    return bool(ours) and ours in (report.client_order_id, report.orig_client_order_id)


def says_the_same(report: Report, order: Order, page: OrderState) -> bool:
    """Whether a report of an order's state says what its page says."""
    return (
        report.status in (page.status, OrderStatus.UNKNOWN)
        and report.says_over == page.is_over
        and report.total in (None, _known_total(order))
        and report.leaves in (None, page.leaves)
        and report.quantity in (None, page.quantity)
        and report.price in (None, page.price)
        and report.order_id in ("", page.order_id)
        and (not report.client_order_id or report.client_order_id in (page.client_order_id, *order.names))
    )


def is_latest(report: Report, order: Order) -> bool:
    """Whether nothing that is known of an order is later, nor its end, so that a report may say how it is now."""
    is_over = order.state is not None and order.state.is_over
    is_dated = not report.exchange_ns or report.exchange_ns >= order.venue_ns
    return is_dated and not is_over and (report.total is None or report.total >= _known_total(order))


def tells_more(report: Report, order: Order) -> bool:
    """Whether it tells that more was executed of an order than is known."""
    return report.total is not None and order.state is not None and report.total > _known_total(order)


def _known_total(order: Order) -> Decimal:
    """What was executed, as the venue counts it."""
    executed = ZERO if order.state is None else order.state.executed
    return executed + order.carried + order.restated


def word_id(kind: str, order: Order) -> str:
    """The id of a word about an order: the same for who says it once more, and another one if more was said since then.

    Else the second word would be a copy of the first one, and tell nothing.
    """
    content = [*order.instrument[:3], order.key, order.reports]
    return f"{kind}-{blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()}"
