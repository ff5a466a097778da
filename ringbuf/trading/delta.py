"""What one update changed in the page of an order."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from ringbuf.record.enumerations import OrderStatus
from ringbuf.trading.ledger import Ledger
from ringbuf.trading.number import ZERO
from ringbuf.trading.order import Order
from ringbuf.trading.order_state import OrderState
from ringbuf.trading.position import Entry, Position

_new: Final = tuple.__new__

Update: TypeAlias = np.void | Mapping[str, Any]
"""A record of EXECUTION, or fields as `BoundRecorder.order` takes them with `exchange`, `account`, `symbol` and
`strategy`."""


class Delta(NamedTuple):
    """What an update changed.

    Attributes:
        page: the order after it. Of a fill that names no order it has no ids and no status; it executed that fill.
        before: the order before it; None if it was not known.
        traded: by how much `page.executed` is more; less than zero if a trade was taken back or made smaller. A
            quantity counts once: when the order's total tells it, or its fill, whichever comes first.
        remaining: by how much `page.leaves` is more, what may still trade.
        position: the position after it.
        update: an `Update`, as it was given.
    """

    page: OrderState
    before: OrderState | None
    traded: Decimal
    remaining: Decimal
    position: Position
    update: Any

    @property
    def status(self) -> tuple[OrderStatus, OrderStatus] | None:
        """The old and the new status, if it changed; that of an order that was not known is `UNKNOWN`."""
        old = OrderStatus.UNKNOWN if self.before is None else self.before.status
        return None if old is self.page.status else (old, self.page.status)

    @property
    def price(self) -> tuple[Decimal | None, Decimal | None] | None:
        """The old and the new price, if it changed; None is a price that is not known, or none."""
        old = None if self.before is None else self.before.price
        return None if old == self.page.price else (old, self.page.price)


def deltas_of(ledger: Ledger, update: Update) -> list[Delta]:
    """What the last report of a ledger changed: that of its own order first, then those of other orders.

    In an exact context.
    """
    changed = ledger.states_before
    order = ledger.order
    if len(changed) == 1 and order in changed and order.state is not None:
        found = [_delta(ledger, order.state, changed[order], update)]
    else:
        found = _of_several(ledger, update)
    if ledger.nameless:
        nameless = (_of_nameless(ledger, old, new, update) for old, new in ledger.nameless)
        found += [each for each in nameless if each.traded]
    return found


def _of_several(ledger: Ledger, update: Update) -> list[Delta]:
    changed = ledger.states_before
    pages: dict[Order, list[OrderState | None]] = {each.now: [] for each in changed}
    for each in pages:
        pages[each].append(changed.get(each, each.state))
    for each, before in changed.items():
        if each.now is not each:
            pages[each.now].append(before)  # the page of an order that turned out to be that one
    found = [
        _delta(ledger, each.state, before, update, others)
        for each, (before, *others) in pages.items()
        if each.state is not None
    ]
    if len(found) > 1 and ledger.order is not None:
        own = ledger.order.state
        found.sort(key=lambda each: each.page is not own)
    return found


def _delta(
    ledger: Ledger,
    page: OrderState,
    before: OrderState | None,
    update: Update,
    others: Iterable[OrderState | None] = (),
) -> Delta:
    """That of an order; `others` are those of orders that turned out to be it, as they were."""
    traded, remaining = page.executed, page.leaves
    if before is not None:
        traded -= before.executed
        remaining -= before.leaves
    for each in others:
        if each is not None:
            before = before or each
            traded -= each.executed
            remaining -= each.leaves
    return _new(Delta, (page, before, traded, remaining, ledger.holdings[page.key].position, update))


def _of_nameless(ledger: Ledger, old: Entry | None, new: Entry | None, update: Update) -> Delta:
    """That of a fill that names no order."""
    before = None if old is None else _page(old, old.quantity)
    if new is not None:
        return _delta(ledger, _page(new, new.quantity), before, update)
    assert old is not None, "a fill that changed counts or counted"
    return _delta(ledger, _page(old, ZERO), before, update)


def _page(entry: Entry, executed: Decimal) -> OrderState:
    return OrderState(
        entry.key, "", "", entry.side, OrderStatus.UNKNOWN, None, None, executed, ZERO, ZERO, ZERO, is_over=True
    )
