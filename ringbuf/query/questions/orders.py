"""Which orders are there?"""

from ringbuf.query.database import Database
from ringbuf.query.questions.answer import Answer
from ringbuf.query.questions.selection import Selection, check_text, where
from ringbuf.record.salvage import stored_text
from ringbuf.sinks.clickhouse import open_orders
from ringbuf.sinks.clickhouse.table import literal
from ringbuf.sinks.clickhouse.unique import stored_orders, under_id
from ringbuf.sinks.clickhouse.views.orders import ORDERS


def orders(
    database: Database, selection: Selection | None = None, *, is_open: bool = False, any_id: str | None = None
) -> Answer:
    """Orders, each with its state now, in the order in which they were first captured.

    Args:
        selection: which; an order is in a period by its last report: by its venue time, or by the time of capture where
            the venue gave none.
        is_open: only those that work, or may still trade.
        any_id: only those that have this as the venue's order id, or have, had or replaced it as client order id.

    Returns:
        the columns of the view `orders`.

    Raises:
        ConfigurationError: the id cannot be written in UTF-8.
    """
    selection = selection or Selection()
    conditions, keyed = [*selection.others("answer.")], [*selection.of_instrument()]
    if any_id is not None:
        check_text("id", any_id)
        order_id, client_id = (stored_text(name, any_id) for name in ("order_id", "client_order_id"))
        keyed.append(under_id(database.name, (order_id, client_id)))
        conditions.append(f"(order_id = {literal(order_id)} OR has(client_ids, {literal(client_id)}))")
    order = "answer.first_captured_ns, answer.session, answer.seq"
    if is_open:
        conditions.append(open_orders.is_open("answer."))
    if is_open and any_id is None:  # else there are few, and copies do not tell former ids
        rows = open_orders.latest_orders(database.name, ORDERS, keyed)
        source = f"({rows}) AS answer{where(('is_shown', *conditions))}"
    else:
        source = stored_orders(database.name, conditions, keyed)
    return Answer(database, ORDERS, source, order)
