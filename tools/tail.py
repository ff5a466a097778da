"""`ringbuf tail NAME`: the last records of a ring, and those to come."""

import json
from collections.abc import Iterator, Sequence

import click

from ringbuf.record.rows import Records, rows
from ringbuf.record.schema import Schema
from ringbuf.ring import registry
from ringbuf.ring.follower import Follower
from ringbuf.ring.inspection import check_fields
from ringbuf.tools.output import json_option, utf_8
from ringbuf.tools.record import line


@click.command()
@click.argument("name")
@click.option(
    "-n", "--lines", "count", type=click.IntRange(min=0), default=10, show_default=True, help="How many records."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with the records to come, until Ctrl-C.")
@click.option("--field", "fields", multiple=True, metavar="FIELD", help="Only this field; can be given more than once.")
@json_option
def tail(name: str, count: int, follow: bool, fields: tuple[str, ...], as_json: bool) -> None:
    """Print the last records of a ring.

    An execution shows its time, seq, what happened, order status, side, quantity@price (of the fill, else
    filled/ordered quantity and the order's price), symbol, venue/account, ids, and what is given of position side,
    trade type, user, last market and text. With --json a record is a line.

    With -f a producer may end and another may come, also under a new ring of the same name. If records are overwritten
    before they could be read, stderr says how many.
    """
    follower = Follower(name, registry.resolve_namespace(), count, _report)
    check_fields(follower.schema, fields)
    for schema, records in follower.follow() if follow else follower.present():
        check_fields(schema, fields)  # it may be a new ring
        printed = "\n".join(_lines(schema, records, fields, as_json))
        click.echo(utf_8(printed) if as_json else printed)


def _report(said: str) -> None:
    click.echo(f"ringbuf: {said}", err=True)


def _lines(schema: Schema, records: Records, fields: Sequence[str], as_json: bool) -> Iterator[str]:
    if as_json:
        return (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows(schema, records, fields))
    return (line(schema, row, fields) for row in rows(schema, records))
