"""Inferred fills: told by nobody, concluded from what a venue says that an order executed in all.

An inferred fill brings its order up to a total. It counts for what the order's other fills do not account for up to
there, so it gives way to the real ones as they come, whatever their number and order, and counts nothing once they are
all there. Never more than its own quantity counts. What the venue took back of a fill is no reason to count it again:
fills account for what they were reported with.

One that names no order, or tells no total, counts as any fill does: nothing says what would replace it.
"""

from collections.abc import Sequence

from ringbuf.trading.number import ZERO
from ringbuf.trading.order import Order
from ringbuf.trading.trade import Fill


def settle(order: Order) -> Sequence[Fill]:
    """Let the inferred fills of an order count for what its other fills do not account for; gives the inferred ones."""
    inferred: list[Fill] = []
    reached = ZERO
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
