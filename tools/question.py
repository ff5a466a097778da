"""What the everyday questions have in common: their options, and how their answers are printed."""

import csv
import functools
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from ringbuf.errors import ConfigurationError
from ringbuf.query.database import open_database
from ringbuf.query.questions.answer import Rows
from ringbuf.query.questions.column import Column, Row
from ringbuf.query.questions.moment import read_moment
from ringbuf.query.questions.selection import NAMES, Selection
from ringbuf.state import status
from ringbuf.state.data_directory import DataDirectory
from ringbuf.tools.options import data_dir_option, timeout_option
from ringbuf.tools.output import ABSENT, LongTable, first_rows, json_option, time_text, utf_8

Command = Callable[..., Any]
USUALLY_BEHIND: Final = 10_000
"""So many records at most are being derived when nothing is wrong; in a moment they are in the answers."""
_PATTERNS: Final = {"exchange": "binance*", "account": "desk-*", "symbol": "BTC*", "strategy": "mm-*"}
"""For each name one that matches several."""


class Cell(NamedTuple):
    """A column of a table for people.

    Attributes:
        text: the cell of a row, whose numbers are decimal texts.
        is_left: whether it is text; else it is a number, flush right.
    """

    text: Callable[[Row], str]
    is_left: bool = True


class Told(NamedTuple):
    """An answer, and how people are told it.

    Attributes:
        answer: the rows.
        table: the columns of the table by title.
        nothing: what is said if there are no rows.
    """

    answer: Rows
    table: Mapping[str, Cell]
    nothing: str


class Moment(click.ParamType[int]):
    """How long ago, or a time; ns since the epoch."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        try:
            return value if isinstance(value, int) else read_moment(value, time.time_ns())
        except ConfigurationError as error:
            self.fail(str(error), param, ctx)


class _Style(Enum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"


csv_option: Final = click.option(
    "--csv", "as_csv", is_flag=True, help="Print CSV, with the names of the columns first."
)


def moment_option(name: str, about: str) -> Callable[[Command], Command]:
    """An option that takes a moment."""
    return click.option(name, f"{name[2:]}_ns", type=Moment(), metavar="TIME", help=about)


_PERIOD: Final = (
    moment_option("--since", "From when on: how long ago (90s, 15m, 1h, 2d), or a time in ISO 8601."),
    moment_option("--until", "Before when, given in the same way."),
)


def question(*, has_period: bool) -> Callable[[Callable[..., Told]], Command]:
    """Makes a command of a function that asks a question.

    The function gets the database, the selection and the command's own options.

    Args:
        has_period: whether it can be asked of a period.
    """
    named = [_name_option(name) for name in NAMES]
    options = [data_dir_option, *(_PERIOD if has_period else ()), *named, timeout_option, csv_option, json_option]

    def decorated(ask: Callable[..., Told]) -> Command:
        @functools.wraps(ask)
        def run(data_dir: Path, timeout: float, as_csv: bool, as_json: bool, **given: Any) -> None:
            if as_csv and as_json:
                raise click.UsageError("--csv and --json exclude each other", click.get_current_context())
            style = _Style.CSV if as_csv else _Style.JSON if as_json else _Style.TABLE
            period = ("since_ns", "until_ns") if has_period else ()
            selection = Selection(**{name: given.pop(name) for name in (*NAMES, *period)})
            behind = _behind(data_dir)
            with open_database(data_dir, timeout) as database:
                _print(ask(database, selection, **given), style)
            if behind > USUALLY_BEHIND:
                click.echo(
                    f"{behind:,} stored records are not in this answer yet: the writer is deriving orders and fills"
                    " from them, `derivation` in its status says how far it is",
                    err=True,
                )

        command: Command = run
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


def _behind(data_dir: Path) -> int:
    """How many records are stored and not yet in any answer, as the writer said last."""
    found = status.read(DataDirectory(data_dir).status) or {}
    with suppress(LookupError, TypeError, ValueError):
        return int(found["derivation"]["behind"])
    return 0


def _name_option(name: str) -> Callable[[Command], Command]:
    about = f"Only this {name}, or those that match a pattern, as '{_PATTERNS[name]}'. Can be given more than once."
    return click.option(f"--{name}", multiple=True, metavar="PATTERN", help=about)


def _print(told: Told, style: _Style) -> None:
    if style is _Style.JSON:
        for lines in told.answer.lines():
            click.echo(b"\n".join(lines))
    elif style is _Style.CSV:
        _print_csv(told.answer)
    else:
        _print_table(told)


def _print_csv(answer: Rows) -> None:
    click.echo(utf_8(_csv([[*answer.columns]])), nl=False)
    for rows in answer.written_rows():
        values = [[_value(row[name], column) for name, column in answer.columns.items()] for row in rows]
        click.echo(utf_8(_csv(values)), nl=False)


class _Lines(list[str]):
    """Lines of CSV that end with a newline alone; the writer has to end them with both, to quote either in a text."""

    def write(self, line: str) -> None:
        self.append(line.removesuffix("\r\n") + "\n")


def _csv(rows: list[list[str]]) -> str:
    lines = _Lines()
    csv.writer(lines).writerows(rows)
    return "".join(lines)


def _value(value: Any, column: Column) -> str:
    if value is None or (column is Column.TIME and value == 0):
        return ""
    if column is Column.TIME:
        return time_text(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _print_table(told: Told) -> None:
    batches = told.answer.written_rows()
    first = first_rows(batches)
    if not first:
        click.echo(f"({told.nothing})")
        return
    columns = told.table.values()
    left = [title for title, cell in told.table.items() if cell.is_left]
    table = LongTable([*told.table], [[cell.text(row) for cell in columns] for row in first], left=left)
    for rows in batches:
        table.print([[cell.text(row) for cell in columns] for row in rows])


def text(name: str) -> Cell:
    """A column as it is."""
    return Cell(lambda row: row[name] or ABSENT)


def word(name: str) -> Cell:
    """A column of words, of which `unknown` is absent."""
    return Cell(lambda row: ABSENT if row[name] in ("", "unknown") else row[name])


def number(name: str) -> Cell:
    """A column of numbers."""
    return Cell(lambda row: ABSENT if row[name] is None else str(row[name]), is_left=False)


OF_POSITION: Final = {
    "EXCHANGE": text("exchange"),
    "ACCOUNT": text("account"),
    "SYMBOL": text("symbol"),
    "SIDE": word("position_side"),
    "ID": text("position_id"),
    "STRATEGY": text("strategy"),
}
"""The columns that say which position a row is about."""


def moment_of(row: Row) -> str:
    """The time by which a fill counts."""
    return time_text(row["exchange_ns"] or row["captured_ns"])
