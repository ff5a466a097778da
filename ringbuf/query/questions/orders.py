"""Which orders are there?"""

from typing import Final

from ringbuf.query.database import Database
from ringbuf.query.questions.answer import Answer
from ringbuf.query.questions.selection import Selection, check_text
from ringbuf.record.enumerations import OrderStatus
from ringbuf.sinks.clickhouse.table import literal
from ringbuf.sinks.clickhouse.unique import orders as stored_orders
from ringbuf.sinks.clickhouse.views.orders import ORDERS
from ringbuf.sinks.clickhouse.views.reports import words
from ringbuf.trading.states import ENDS

_WORKING: Final = words(status for status in OrderStatus if status not in ENDS and status != OrderStatus.UNKNOWN)
IS_OPEN: Final = f"(order_status IN ({_WORKING}) OR open_quantity > awaited_quantity)"
"""That an order works, or may still trade."""


def orders(
    database: Database, selection: Selection | None = None, *, is_open: bool = False, any_id: str | None = None
) -> Answer:
    """Orders, each with its state now, in the order in which they were first captured.

    Args:
        selection: which; an order is in a period by its last report: by its venue time, or by the time of capture where
            the venue gave none.
        is_open: only those that work, or may still trade.
        any_id: only those that have this as the venue's order id or as client order id.

    Returns:
        the columns of the view `orders`.

    Raises:
        ConfigurationError: the id cannot be written in UTF-8.
    """
    conditions = [*(selection or Selection()).conditions()]
    if is_open:
        conditions.append(IS_OPEN)
    if any_id is not None:
        check_text("id", any_id)
        conditions.append(f"(order_id = {literal(any_id)} OR client_order_id = {literal(any_id)})")
    order = "answer.first_captured_ns, answer.session, answer.seq"
    return Answer(database, ORDERS, stored_orders(database.name, conditions), order)
