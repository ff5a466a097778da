"""Inferred fills: told by nobody, concluded from what a venue says that an order executed in all.

An inferred fill brings its order up to a total. It counts for what the order's other fills do not account for up to
there, so it gives way to the real ones as they come, whatever their number and order, and counts nothing once they are
all there. Never more than its own quantity counts. What the venue took back of a fill is no reason to count it again:
fills account for what they were reported with.

One that names no order, or tells no total, counts as any fill does: nothing says what would replace it.
"""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final

from ringbuf.record.attempt import attempt
from ringbuf.record.number import exact_number
from ringbuf.trading.number import EXACT, ZERO
from ringbuf.trading.order import Order
from ringbuf.trading.order_state import OrderState
from ringbuf.trading.trade import Fill

_TAKEN_OVER: Final = ("strategy", "user", "exchange_ns", "quantity_unit")
_LONGEST: Final = 64


def settle(order: Order) -> Sequence[Fill]:
    """Let the inferred fills of an order count for what its other fills do not account for; gives the inferred ones."""
    inferred: list[Fill] = []
    reached = order.carried  # its totals go on from there
    for each in order.fills:
        if isinstance(each, Fill) and each.reach is not None:
            inferred.append(each)
        else:
            reached += each.counted if each.changed is None else each.reported
    inferred.sort(key=lambda each: (each.reach, each.moment.arrival))
    for each in inferred:
        if each.most and each.reach is not None:  # else it was cancelled, or is a copy
            each.stand_for(min(each.most, max(each.reach - reached, ZERO)))
            reached = max(reached, each.reach)
    return inferred


def is_inferable(order: Order, page: OrderState) -> bool:
    """Whether the order's total is the plain sum of its fills, so that what is awaited of it can be inferred.

    It is not where the venue took a trade back or corrected it, where totals go on from another order's, or where the
    stock was split.
    """
    return not (order.changed or order.carried or order.restated) and bool(page.side)


def inferred_fill(page: OrderState, told: Mapping[str, Any]) -> dict[str, Any]:
    """An update that brings an order up to its total.

    Its id follows from order and total alone, so whoever infers it once more makes the same. The price is not known,
    unless all of the order is inferred and the venue told an average.

    Args:
        page: the order, of which something is awaited.
        told: what the venue answered about it.
    """
    booked = EXACT.subtract(page.executed, page.awaited)
    key = page.key
    found = {name: told[name] for name in _TAKEN_OVER if told.get(name)}
    found |= {
        "exchange": key.exchange,
        "account": key.account,
        "symbol": key.symbol,
        "exec_type": "fill",
        "trade_type": "inferred",
        "origin": "reconciliation",
        "order_id": page.order_id,
        "client_order_id": page.client_order_id,
        "side": page.side,
        "last_quantity": page.awaited,
        "cumulative_quantity": page.executed,
        "trade_id": _trade_id(page),
        "text": f"total {_plain(page.executed)}, fills {_plain(booked)}"[:_LONGEST],
    }
    if key.position_side:
        found["position_side"] = key.position_side
    if key.position_id:
        found["position_id"] = key.position_id
    if not booked and attempt(None, exact_number, told, "average_price"):
        found["last_price"] = told["average_price"]
    return found


def _trade_id(page: OrderState) -> str:
    order = page.order_id or f"client:{page.client_order_id}"
    content = [*page.key[:3], order, _plain(page.executed)]
    return f"inferred-{blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()}"


def _plain(number: Decimal) -> str:
    return f"{number.normalize(EXACT):f}"
