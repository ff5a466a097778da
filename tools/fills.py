"""`ringbuf fills`: which fills were there?"""

from typing import Final

import click

from ringbuf.query.database import Database
from ringbuf.query.questions.column import Row
from ringbuf.query.questions.fills import fills as ask_fills
from ringbuf.query.questions.selection import Selection
from ringbuf.tools.output import ABSENT
from ringbuf.tools.question import Cell, Told, moment_of, number, question, text, word


def _commission(row: Row) -> str:
    paid = [
        f"{row[name]} {row[f'{name}_currency']}".rstrip()
        for name in ("commission", "other_commission")
        if row[name] is not None
    ]
    return ", ".join(paid) or ABSENT


def _note(row: Row) -> str:
    notes = {
        "simulated": row["simulated"],
        "corrected": row["corrected"],
        "not counted": not row["counted"],
        "no venue time": row["exchange_ns"] == 0,
        row["position_side"]: row["position_side"] not in ("unknown", "both"),
        row["trade_type"]: row["trade_type"] not in ("unknown", "regular"),
    }
    return ", ".join(note for note, is_so in notes.items() if is_so) or ABSENT


_MOST: Final = (1 << 63) - 1
_TABLE: Final = {
    "TIME": Cell(moment_of),
    "EXCHANGE": text("exchange"),
    "ACCOUNT": text("account"),
    "SYMBOL": text("symbol"),
    "STRATEGY": text("strategy"),
    "SIDE": word("side"),
    "QUANTITY": number("last_quantity"),
    "PRICE": number("last_price"),
    "LIQUIDITY": word("liquidity"),
    "COMMISSION": Cell(_commission),
    "ORDER": text("order_id"),
    "TRADE": text("trade_id"),
    "NOTE": Cell(_note),
}


@click.command()
@click.option("--last", type=click.IntRange(0, _MOST), metavar="N", help="Only the N latest of them.")
@question(has_period=True)
def fills(database: Database, selection: Selection, last: int | None) -> Told:
    """Show fills: each once, as the venue corrected it, in the order of time.

    A fill has its venue time, or where the venue gave none, the time at which it was captured.
    """
    return Told(ask_fills(database, selection, last), _TABLE, "no fills")
