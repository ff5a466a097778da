"""`ringbuf tail NAME`: the last records of a ring, and those to come."""

import json
import time
from collections.abc import Iterator, Sequence
from typing import Final

import click

from ringbuf.errors import RingIncomplete, RingNotFound
from ringbuf.record.schema import Schema
from ringbuf.ring import registry
from ringbuf.ring.inspection import open_ring, unknown_field
from ringbuf.ring.observer import Observer
from ringbuf.tools.output import json_option
from ringbuf.tools.record import Records, line, rows

CHUNK: Final = 1024
SHORTEST_WAIT: Final = 0.001
LONGEST_WAIT: Final = 0.2


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
    reader = Follower(name, registry.resolve_namespace(), count)
    for schema, records in reader.follow() if follow else reader.present():
        if missing := [field for field in fields if field not in schema.names]:
            raise unknown_field(schema, missing[0])
        click.echo("\n".join(_lines(schema, records, fields, as_json)))


def _lines(schema: Schema, records: Records, fields: Sequence[str], as_json: bool) -> Iterator[str]:
    if as_json:
        return (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows(schema, records, fields))
    return (line(schema, row, fields) for row in rows(schema, records))


class Follower:
    """Reads a ring from its last records on, through whatever happens to it.

    Args:
        count: how many of the records that are there already.
    """

    def __init__(self, name: str, namespace: str, count: int) -> None:
        self._name = name
        self._namespace = namespace
        self._ring = open_ring(name, namespace)
        self._ring_file = self._ring.file_id
        self._position = max(self._ring.head - count, min(self._ring.oldest, self._ring.head))
        self._missing = False

    def present(self) -> Iterator[tuple[Schema, Records]]:
        """The records that are there now, in pieces."""
        end = self._ring.head
        while self._position < end:
            seen = self._ring.read(self._position, min(CHUNK, end - self._position))
            if seen.lapped:
                click.echo(
                    f"ringbuf: {seen.lapped:,} records of ring {self._name!r} were overwritten unread",
                    err=True,
                )
            self._position = seen.first_seq + len(seen.records)
            if len(seen.records):
                yield self._ring.header.schema, seen.records

    def follow(self) -> Iterator[tuple[Schema, Records]]:
        """The records that are there now, and all to come: without end."""
        wait = SHORTEST_WAIT
        while True:
            position = self._position
            yield from self.present()
            wait = SHORTEST_WAIT if self._position > position else min(wait * 2, LONGEST_WAIT)
            if wait == LONGEST_WAIT and (successor := self._successor()):
                yield from self.present()
                self._ring.close()
                if successor.header.session != self._ring.header.session:
                    self._position = 0
                self._ring = successor
                click.echo(f"ringbuf: ring {self._name!r} was made anew", err=True)
            time.sleep(wait)

    def _successor(self) -> Observer | None:
        """The ring that has the name now, if it is another one."""
        try:
            found = Observer.open(self._name, namespace=self._namespace)
        except RingNotFound:
            if not self._missing:
                click.echo(f"ringbuf: ring {self._name!r} was removed, waiting for it to come back", err=True)
            self._missing = True
            return None
        except RingIncomplete:
            return None
        self._missing = False
        if found.file_id == self._ring_file:
            found.close()
            return None
        self._ring_file = found.file_id
        return found
