"""`ringbuf sql STATEMENT`: ask the database."""

import json
import re
from pathlib import Path
from typing import Any, Final

import click

from ringbuf.errors import SinkError
from ringbuf.query.database import Database, open_database, row_of
from ringbuf.tools.options import data_dir_option, timeout_option
from ringbuf.tools.output import ABSENT, LongTable, first_rows, json_option

_FORMAT: Final = re.compile(r"\bFORMAT\s+\w+\s*;?\s*$", re.IGNORECASE)

_KILL: Final = re.compile(r"(\s|--[^\n]*\n|#[^\n]*\n|/\*.*?\*/)*KILL\b", re.IGNORECASE | re.DOTALL)
"""The server lets who only reads end statements of the same user, which may be the writer's."""


class Number(str):
    """A number as the database wrote it: decimals have more digits than a float."""

    __slots__ = ()


@click.command()
@click.argument("statement")
@data_dir_option
@timeout_option
@json_option
def sql(statement: str, data_dir: Path, timeout: float, as_json: bool) -> None:
    """Ask the database, read-only.

    While a writer runs on the data directory it is asked through that writer, else it is opened. A server's password
    comes from the file that the writer was given, else from RINGBUF_CLICKHOUSE_PASSWORD. With --json a row is a line.
    Rows are printed as they come; the first 1,000 decide how wide the columns are.
    """
    if not statement.strip():
        raise click.UsageError("the statement is empty", click.get_current_context())
    if _KILL.match(statement):
        raise click.UsageError("the statement ends others, and this command only reads", click.get_current_context())
    try:
        with open_database(data_dir, timeout) as database:
            if as_json:
                _print_json(database, statement)
            else:
                print_rows(database, statement)
    except SinkError as error:
        if "SYNTAX_ERROR" not in error.what or not _FORMAT.search(statement):
            raise
        raise type(error)(error.what, "leave FORMAT out: the answer is a table, or JSON with --json") from error


def _print_json(database: Database, statement: str) -> None:
    for lines in database.batches(statement):
        for line in lines:
            if not line.startswith(b"{"):
                row_of(line)
        click.echo(b"\n".join(lines))


def print_rows(database: Database, statement: str) -> None:
    """Print the rows of a statement as a table."""
    batches = ([_row(line) for line in lines] for lines in database.batches(statement))
    measured = first_rows(batches)
    if not measured:
        click.echo("(no rows)")
        return
    titles = list(measured[0])
    texts = [title for title in titles if not all(isinstance(row[title], Number | None) for row in measured)]
    table = LongTable(titles, _cells(measured, titles), left=texts)
    for rows in batches:
        table.print(_cells(rows, titles))


def _row(line: bytes) -> dict[str, Any]:
    return row_of(line, parse_float=Number, parse_int=Number)


def _cells(rows: list[dict[str, Any]], titles: list[str]) -> list[list[str]]:
    return [[_cell(row[title]) for title in titles] for row in rows]


def _cell(value: Any) -> str:
    if value is None:
        return ABSENT
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
