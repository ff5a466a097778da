"""The row of an order: its state now, and of each other column the latest that its reports tell."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from ringbuf.record.enumerations import OrderStatus, Origin
from ringbuf.record.fields import BY_NAME
from ringbuf.trading.column import KEY, OF_RECORD, Columns, flags_of, value_of
from ringbuf.trading.heard import Heard
from ringbuf.trading.order import Order
from ringbuf.trading.states import REQUESTS

_OF_LAST: Final = (*OF_RECORD, "exec_type")
_GRANTED: Final = Columns(("price", "quantity"))
_LASTING: Final = ("side", "position_side", "position_id")
_IDS: Final = ("order_id", "client_order_id")
_OWN: Final = (*KEY, *_OF_LAST, "price", "quantity", *_LASTING, *_IDS, "flags", "order_status")
_OTHERS: Final = Columns(name for name, each in BY_NAME.items() if name not in _OWN and not each.of_fill)
_ASKED_LATER: Final = frozenset(
    given for each in (Origin.LOOKBACK, Origin.RECONCILIATION) for given in (int(each), each.name.lower())
)


def order_rows(heard: Iterable[Heard]) -> Iterator[dict[str, Any]]:
    """A row for each order that the reports of one instrument are about."""
    reports: defaultdict[Order, list[Heard]] = defaultdict(list)
    for each in heard:
        if (order := each.order_now) is not None:
            reports[order].append(each)
    chains = _chain_keys(reports)
    for order, its in reports.items():
        yield {**_row(order, its), "chain_key": chains[order]}


def _row(order: Order, heard: Sequence[Heard]) -> dict[str, Any]:
    news = sorted((each for each in heard if each.is_news), key=_rank, reverse=True)
    last = news[0] if news else max(heard, key=_rank)
    granted = [each.row for each in news if each.report.exec_type not in REQUESTS]
    told = [each.row for each in news if each.report.is_new_request or not each.report.is_request]
    state = order.reckoned()
    assert state is not None, "a report's order is the one that it turned out to be"
    return {
        "order_key": order.key,
        **{name: value_of(last.row, name) for name in _OF_LAST},
        **_GRANTED.first_told(granted),
        **_OTHERS.first_told(told),
        "side": state.side.name.lower(),
        "position_side": order.position_side or "unknown",
        "position_id": order.position_id,
        "order_id": state.order_id,
        "client_order_id": state.client_order_id,
        "flags": flags_of(each.row for each in heard),
        "order_status": state.status.name.lower(),
        "executed_quantity": state.executed,
        "awaited_quantity": state.awaited,
        "open_quantity": state.open,
        "records": len(heard),
        **_times(heard),
        "client_ids": sorted(_client_ids(heard)),
        "record_ids": sorted(each.record_id for each in heard),
    }


def _chain_keys(orders: Iterable[Order]) -> dict[Order, str]:
    """Of each order the key of the one with which its chain began; empty if it is alone."""
    first: dict[Order, Order] = {}
    for order in orders:
        chain: list[Order] = []
        for each in _backwards(order):
            if each in first:
                break
            chain.append(each)
        for each in reversed(chain):
            before = None if each.former is None or each.link_id else first.get(each.former)
            first[each] = each if before is None or not (each.replaces or before.link_id) else before
    counts = Counter(first.values())
    return {order: begin.key if counts[begin] > 1 else "" for order, begin in first.items()}


def _backwards(order: Order) -> Iterator[Order]:
    """An order and its formers, each once, back to one that has a link."""
    seen: dict[Order, None] = {}
    while order not in seen:
        seen[order] = None
        yield order
        order = order if order.former is None or order.link_id else order.former


def _rank(heard: Heard) -> Any:
    return heard.rank


def _times(heard: Sequence[Heard]) -> dict[str, int]:
    """When the first report was captured; and live, our first request, and the venue's first report. 0 if none was."""
    live = [each for each in heard if each.row.get("origin") not in _ASKED_LATER]
    return {
        "first_captured_ns": min(each.row["captured_ns"] for each in heard),
        "requested_ns": _first(each for each in live if each.report.is_new_request),
        "acknowledged_ns": _first(
            each for each in live if not each.report.is_request and each.report.status is not OrderStatus.DENIED
        ),
    }


def _first(heard: Iterable[Heard]) -> int:
    return min((each.row["captured_ns"] for each in heard), default=0)


def _client_ids(heard: Sequence[Heard]) -> set[str]:
    told = {name for each in heard for name in (each.report.client_order_id, each.report.orig_client_order_id)}
    return told - {""}
