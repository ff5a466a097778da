"""`ringbuf profit`: what did positions earn?"""

from collections import Counter
from decimal import Decimal, localcontext
from typing import Any, Final, TextIO

import click

from ringbuf.errors import RecordError
from ringbuf.query.database import Database
from ringbuf.query.questions.column import Row
from ringbuf.query.questions.profit import profit as ask_profit
from ringbuf.query.questions.selection import Selection
from ringbuf.record.number import read_number
from ringbuf.tools.output import ABSENT
from ringbuf.tools.question import OF_POSITION, Cell, Told, question, text
from ringbuf.trading.contract_table import read_contracts
from ringbuf.trading.number import EXACT

_SHOWN: Final = Decimal("1e-12")


class Mark(click.ParamType[tuple[str, Decimal]]):
    """A symbol and its price."""

    name = "SYMBOL=PRICE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Decimal]:
        """Read it."""
        symbol, _, price = value.rpartition("=")
        try:
            read_number(price)
            return symbol, Decimal(price.strip() if symbol else "")
        except (ArithmeticError, RecordError):
            self.fail(f"{value!r} is no mark; give SYMBOL=PRICE, as BTCUSD=64000.5", param, ctx)


def _number(name: str) -> Cell:
    return Cell(lambda row: _shown(row[name]), is_left=False)


def _shown(number: str | None) -> str:
    if number is None:
        return ABSENT
    with localcontext(EXACT):
        return f"{Decimal(number).quantize(_SHOWN).normalize():f}"


def _amounts(name: str) -> Cell:
    return Cell(
        lambda row: ", ".join(f"{_shown(paid)} {currency}".rstrip() for currency, paid in row[name].items()) or ABSENT
    )


def _note(row: Row) -> str:
    unknown = [] if row["is_specified"] else ["unknown instrument: spot"]
    unpriced = [f"{row['unpriced']} without a price"] if row["unpriced"] else []
    return ", ".join(unknown + unpriced) or ABSENT


_TABLE: Final = {
    "DAY": text("day"),
    **OF_POSITION,
    "QUANTITY": _number("quantity"),
    "ENTRY": _number("average_entry"),
    "REALISED": _number("realised"),
    "UNREALISED": _number("unrealised"),
    "CURRENCY": text("currency"),
    "COMMISSIONS": _amounts("commissions"),
    "FUNDING": _amounts("funding"),
    "NOTE": Cell(_note),
}


@click.command()
@click.option("--by-day", is_flag=True, help="Each day for itself, UTC.")
@click.option(
    "--mark",
    "marks",
    multiple=True,
    type=Mark(),
    metavar="SYMBOL=PRICE",
    help="A price at which what is held of a symbol is valued. Can be given more than once.",
)
@click.option(
    "--instruments",
    "file",
    type=click.File(encoding="utf-8-sig"),
    help="CSV file of the instruments; without it, those that were loaded into the database.",
)
@question(has_period=True)
def profit(
    database: Database,
    selection: Selection,
    by_day: bool,
    marks: tuple[tuple[str, Decimal], ...],
    file: TextIO | None,
) -> Told:
    """Show what positions earned by average cost, exactly; commissions and funding stand beside it.

    With --since it is what was earned from then on. A fill is in a period, and of a day, by its venue time, or where
    the venue gave none, by the time at which it was captured. An instrument that is not known counts as spot: see
    `ringbuf instruments`.
    """
    twice = [symbol for symbol, count in Counter(symbol for symbol, _ in marks).items() if count > 1]
    if twice:
        raise click.UsageError(f"--mark gives {twice[0]!r} two prices", click.get_current_context())
    contracts = None if file is None else read_contracts(file, str(file.name))
    answer = ask_profit(database, selection, contracts=contracts, marks=dict(marks), by_day=by_day)
    hidden = {title for title, is_shown in (("DAY", by_day), ("UNREALISED", bool(marks))) if not is_shown}
    return Told(answer, {title: cell for title, cell in _TABLE.items() if title not in hidden}, "no positions")
