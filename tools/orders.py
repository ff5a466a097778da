"""`ringbuf orders`: which orders are there?"""

from typing import Final

import click

from ringbuf.query.database import Database
from ringbuf.query.questions.orders import orders as ask_orders
from ringbuf.query.questions.selection import Selection
from ringbuf.tools.output import time_text
from ringbuf.tools.question import Cell, Told, number, question, text, word

_TABLE: Final = {
    "CAPTURED": Cell(lambda row: time_text(row["first_captured_ns"])),
    "EXCHANGE": text("exchange"),
    "ACCOUNT": text("account"),
    "SYMBOL": text("symbol"),
    "STRATEGY": text("strategy"),
    "SIDE": word("side"),
    "STATUS": word("order_status"),
    "PRICE": number("price"),
    "QUANTITY": number("quantity"),
    "EXECUTED": number("executed_quantity"),
    "OPEN": number("open_quantity"),
    "ORDER": text("order_id"),
    "CLIENT ORDER": text("client_order_id"),
    "NOTE": Cell(lambda row: ", ".join(filter(None, ("simulated" * row["simulated"], row["text"]))) or "-"),
}


@click.command()
@click.option("--open", "is_open", is_flag=True, help="Only orders that work, or may still trade.")
@click.option("--id", "any_id", metavar="ID", help="Only that order: its order id, or a client order id it has or had.")
@question(has_period=True)
def orders(database: Database, selection: Selection, is_open: bool, any_id: str | None) -> Told:
    """Show orders, each with its state now, in the order in which they were captured.

    An order is in a period by its last report: by the venue's time, or where the venue gave none, by that of capture.
    """
    return Told(ask_orders(database, selection, is_open=is_open, any_id=any_id), _TABLE, "no orders")
