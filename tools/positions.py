"""`ringbuf positions`: what are the positions, now or at a moment?"""

from typing import Final

import click

from ringbuf.query.database import Database
from ringbuf.query.questions.column import Row
from ringbuf.query.questions.positions import positions as ask_positions
from ringbuf.query.questions.selection import Selection
from ringbuf.tools.output import ABSENT, time_text
from ringbuf.tools.question import OF_POSITION, Cell, Told, moment_option, number, question


def _commissions(row: Row) -> str:
    return ", ".join(f"{paid} {currency}".rstrip() for currency, paid in row["commissions"].items()) or ABSENT


def _last(row: Row) -> str:
    return time_text(row["last_exchange_ns"] or row["last_captured_ns"])


def _note(row: Row) -> str:
    counts = {"unpriced": "without a price", "ignored": "not counted", "ignored_commissions": "commissions not counted"}
    return ", ".join(f"{row[name]} {about}" for name, about in counts.items() if row[name]) or ABSENT


_TABLE: Final = {
    **OF_POSITION,
    "QUANTITY": number("quantity"),
    "BOUGHT": number("bought_quantity"),
    "SOLD": number("sold_quantity"),
    "OPEN BUY": number("open_buy"),
    "OPEN SELL": number("open_sell"),
    "FILLS": number("fills"),
    "COMMISSIONS": Cell(_commissions),
    "LAST FILL": Cell(_last),
    "NOTE": Cell(_note),
}


@click.command()
@moment_option("--at", "As they were then: how long ago (90s, 15m, 1h, 2d), or a time in ISO 8601.")
@question(has_period=False)
def positions(database: Database, selection: Selection, at_ns: int | None) -> Told:
    """Show positions: exact sums over the fills that are not simulated.

    With --at they are the sums over the fills up to that moment, as far as is known now. A fill counts at its venue
    time, or where the venue gave none, at the time at which it was captured. What was open then is not shown.
    """
    answer = ask_positions(database, selection, at_ns)
    table = {title: cell for title, cell in _TABLE.items() if at_ns is None or not title.startswith("OPEN")}
    return Told(answer, table, "no positions")
