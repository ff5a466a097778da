"""What is known of an order at one moment."""

from decimal import Decimal
from typing import NamedTuple

from ringbuf.record.enumerations import OrderStatus, Side
from ringbuf.trading.report import Instrument


class OrderState(NamedTuple):
    """What is known of one order: its page.

    Attributes:
        key: the position that its fills go to.
        price, quantity: None if they are not known.
        executed: by its totals or its fills, whichever is more.
        awaited: executed by its totals, the fill yet to come.
        open: what may still trade, with what is awaited.
        leaves: what may still trade at the venue (FIX 151).
        is_over: whether it works no more; one that is over may be opened again.
    """

    key: Instrument
    order_id: str
    client_order_id: str
    side: Side
    status: OrderStatus
    price: Decimal | None
    quantity: Decimal | None
    executed: Decimal
    awaited: Decimal
    open: Decimal
    leaves: Decimal
    is_over: bool
