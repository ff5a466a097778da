"""The states of an order, as data: which of them is its end, how final that is, and which report opens it again.

Every report of a venue says which state the order is in after it, and no venue says it always, once and in order. So
of two reports the one with the later venue time counts. Where that does not decide (no time, or the same), the one with
the larger total counts, and then the one with the greater `Force`, and then the one that arrived later.

The views in the database are made from these tables, and docs/FORMAT shows them.
"""

from enum import IntEnum
from typing import Final, NamedTuple

from ringbuf.record.execution import ExecType, OrderStatus


class Force(IntEnum):
    """How strongly a report says that an order is over, or that it works."""

    WEAK = 1
    STRONG = 2
    FINAL = 3


class End(NamedTuple):
    """A state in which an order is over.

    Attributes:
        force: how strongly it says so.
        unless_leaves: whether a leaves quantity above zero says that the order is not over after all.
        reason: why it stands here as it does.
    """

    force: Force
    unless_leaves: bool
    reason: str


ENDS: Final = {
    OrderStatus.FILLED: End(Force.WEAK, False, "STRONG with less executed than ordered: some venues say it of any end"),
    OrderStatus.CANCELED: End(Force.FINAL, False, "what is told late about the time before does not open it again"),
    OrderStatus.EXPIRED: End(Force.FINAL, False, "as canceled, by the clock"),
    OrderStatus.REPLACED: End(Force.FINAL, True, "another order took its place; FIX 4.2 says it of one that works on"),
    OrderStatus.REJECTED: End(Force.WEAK, False, "our own time-out may have said it, and the venue knows better"),
    OrderStatus.DENIED: End(Force.WEAK, False, "by the strategy's own check; it was never sent"),
    OrderStatus.DONE_FOR_DAY: End(Force.WEAK, True, "over, unless its leaves say that it works again tomorrow"),
    OrderStatus.CALCULATED: End(Force.WEAK, True, "over for the day, its fees are reckoned"),
}
"""The states in which an order is over; in all others it works."""

REOPENING: Final = frozenset({ExecType.REPLACED, ExecType.RESTATED, ExecType.TRADE_CANCEL, ExecType.TRADE_CORRECT})
"""What a venue does to an order that is over and then works again: FINAL where the report says that it works."""

REQUESTS: Final = frozenset({ExecType.PENDING_CANCEL, ExecType.PENDING_REPLACE})
"""Reports of what was asked for: quantity and price in them are not the order's yet."""

STATUS_OF: Final = {
    ExecType.NEW: OrderStatus.NEW,
    ExecType.CANCELED: OrderStatus.CANCELED,
    ExecType.REJECTED: OrderStatus.REJECTED,
    ExecType.EXPIRED: OrderStatus.EXPIRED,
    ExecType.PENDING_NEW: OrderStatus.PENDING_NEW,
    ExecType.PENDING_CANCEL: OrderStatus.PENDING_CANCEL,
    ExecType.PENDING_REPLACE: OrderStatus.PENDING_REPLACE,
    ExecType.DONE_FOR_DAY: OrderStatus.DONE_FOR_DAY,
    ExecType.STOPPED: OrderStatus.STOPPED,
    ExecType.SUSPENDED: OrderStatus.SUSPENDED,
    ExecType.CALCULATED: OrderStatus.CALCULATED,
    ExecType.TRIGGERED: OrderStatus.TRIGGERED,
    ExecType.DENIED: OrderStatus.DENIED,
}
"""The state a report leaves an order in, if it does not say it itself."""

NO_ID: Final = frozenset({"", "0", "NONE"})
"""Ids that tell nothing apart: some venues give one to all, and FIX says NONE of an order that it does not know."""
