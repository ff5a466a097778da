"""What all subcommands share in printing: `--json`, tables, and values a terminal can show.

A table is as wide as its content, whether a terminal or a pipe reads it: a line is never wrapped or cut, so that `grep`
finds whole lines and no number loses digits.
"""

import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click
from rich.cells import cell_len
from rich.text import Text

Row = dict[str, Any]

ABSENT: Final = "-"
MEASURED_ROWS: Final = 1_000
"""Rows that decide how wide the columns of a long table are."""

_ENDLESS = 1_000_000
_UNITS = (("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40))
_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"))

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, as docs/TOOL.md describes it.")


def print_json(value: object) -> None:
    """Print one JSON value on one line; it may hold no NaN and no infinity."""
    click.echo(utf_8(json.dumps(value, ensure_ascii=False, allow_nan=False)))


def utf_8(text: str) -> bytes:
    """Text for programs, which is the same in every locale; what cannot be written is escaped as in JSON."""
    return text.encode("utf-8", "backslashreplace")


def print_table(
    titles: Sequence[str], rows: Iterable[Sequence[str | Text]], *, left: Iterable[str] = (), header: bool = True
) -> None:
    """Print a table.

    Args:
        left: titles of the columns that are text; the others are numbers, flush right.
    """
    # Here and not above: they are slow to import, and long answers need neither.
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=header)
    for title in titles:
        is_text = title in left
        table.add_column(title, justify="left" if is_text else "right", no_wrap=True, header_style="bold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row))
    console = Console(file=io.StringIO(), width=_ENDLESS, force_terminal=sys.stdout.isatty() or None)
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        click.echo(line.rstrip())


def first_rows(batches: Iterator[list[Row]]) -> list[Row]:
    """The first rows of an answer that comes in batches: so many that they tell how a table should be."""
    rows: list[Row] = []
    for batch in batches:
        rows += batch
        if len(rows) >= MEASURED_ROWS:
            break
    return rows


class LongTable:
    """A table of plain texts that is printed as it comes, since nobody may wait for its end or keep all of it.

    Its first rows decide how wide the columns are; a later cell that is wider moves what is behind it.

    Args:
        first: the first rows, which are printed at once.
        left: titles of the columns that are text; the others are numbers, flush right.
    """

    def __init__(self, titles: Sequence[str], first: Sequence[Sequence[str]], *, left: Iterable[str]) -> None:
        self._is_left = [title in left for title in titles]
        heads, rows = [printable(title) for title in titles], _printable(first)
        self._widths = [max(map(cell_len, column)) for column in zip(heads, *rows, strict=True)]
        click.secho(self._line(heads), bold=True)
        click.echo("\n".join(map(self._line, rows)))

    def print(self, rows: Sequence[Sequence[str]]) -> None:
        """Print further rows."""
        if rows:
            click.echo("\n".join(map(self._line, _printable(rows))))

    def _line(self, cells: Sequence[str]) -> str:
        aligned = []
        for cell, width, is_left in zip(cells, self._widths, self._is_left, strict=True):
            space = " " * (width - cell_len(cell))
            aligned.append(cell + space if is_left else space + cell)
        return "  ".join(aligned).rstrip()


def _printable(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[printable(cell) for cell in row] for row in rows]


def styled(text: str, style: str) -> Text:
    """A cell in a colour, where there are colours."""
    return Text(printable(text), style=style)


def printable(text: str) -> str:
    """The text with everything escaped that would not print, or would steer the terminal."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def time_text(time_ns: int) -> str:
    """A time in ns since the epoch as ISO 8601, UTC, with all its digits; 0 is absent."""
    if time_ns == 0:
        return ABSENT
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{time_ns} ns"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def age_text(seconds: float) -> str:
    """How long ago, in the unit that suits."""
    for unit, name in _AGES:
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.1f} s"


def size_text(size: int) -> str:
    """A number of bytes in the unit that suits."""
    shown = f"{size} B"
    for name, unit in _UNITS:
        if size >= unit:
            shown = f"{size / unit:.1f} {name}"
    return shown


def fields_table(fields: dict[str, Any]) -> None:
    """Print names and values below each other."""
    print_table(
        ["", " "],
        [(Text(name, style="bold"), _cell(value)) for name, value in fields.items()],
        left=["", " "],
        header=False,
    )


def _cell(value: Any) -> str | Text:
    return value if isinstance(value, Text) else f"{value:,}" if type(value) is int else str(value)
