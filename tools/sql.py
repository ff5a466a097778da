"""`ringbuf sql STATEMENT`: ask the database."""

import json
from pathlib import Path
from typing import Any

import click

from ringbuf.query.database import data_dir_option, open_database, row_of
from ringbuf.tools.output import ABSENT, json_option, print_table


class Number(str):
    """A number as the database wrote it: decimals have more digits than a float."""

    __slots__ = ()


@click.command()
@click.argument("statement")
@data_dir_option
@json_option
def sql(statement: str, data_dir: Path, as_json: bool) -> None:
    """Ask the database, read-only.

    While a writer runs on the data directory it is asked through that writer, else it is opened. A server's password
    comes from the file that the writer was given, else from RINGBUF_CLICKHOUSE_PASSWORD. With --json a row is a line.
    """
    if not statement.strip():
        raise click.UsageError("the statement is empty", click.get_current_context())
    with open_database(data_dir) as database:
        lines = database.ask(statement).splitlines()
    if as_json:
        click.echo(b"\n".join(lines), nl=bool(lines))
    elif lines:
        _print(lines)
    else:
        click.echo("(no rows)")


def _print(lines: list[bytes]) -> None:
    rows = [row_of(line, parse_float=Number, parse_int=Number) for line in lines]
    titles = list(rows[0])
    texts = [title for title in titles if not all(isinstance(row[title], Number | None) for row in rows)]
    print_table(titles, [[_cell(row[title]) for title in titles] for row in rows], left=texts)


def _cell(value: Any) -> str:
    if value is None:
        return ABSENT
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
