"""`ringbuf fees`: which commissions were paid?"""

import click

from ringbuf.query.database import Database
from ringbuf.query.questions.fees import BY
from ringbuf.query.questions.fees import fees as ask_fees
from ringbuf.query.questions.selection import Selection
from ringbuf.tools.question import Cell, Told, number, question, text


@click.command()
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(BY),
    default=BY[:1],
    show_default=True,
    help="What to sum up by, besides the currency. Can be given more than once.",
)
@question(has_period=True)
def fees(database: Database, selection: Selection, by: tuple[str, ...]) -> Told:
    """Show the commissions of fills that are not simulated, exactly, by currency; a rebate is negative.

    A fill is in a period, and of a day (UTC), by its venue time, or where the venue gave none, by the time at which it
    was captured.
    """
    table = {name.upper(): text(name) for name in (*by, "currency")}
    table |= {"AMOUNT": number("amount"), "FILLS": number("fills")}
    table["NOTE"] = Cell(lambda row: f"{row['ignored']} not counted" if row["ignored"] else "-")
    return Told(ask_fees(database, selection, by), table, "no fees")
