"""`ringbuf ls`: all rings of a namespace."""

from typing import Any, Final

import click
from rich.text import Text

from ringbuf.ring import registry
from ringbuf.ring.inspection import age_seconds, list_rings
from ringbuf.tools.output import ABSENT, age_text, json_option, print_json, print_table, size_text, styled

_TITLES: Final = (
    "NAME",
    "SCHEMA",
    "LAG",
    "HEAD",
    "TAIL",
    "CAPACITY",
    "DROPPED",
    "REJECTED",
    "FLAGGED",
    "RECREATED",
    "PRODUCER",
    "CONSUMER",
    "AGE",
    "SIZE",
)
_LEFT: Final = ("NAME", "SCHEMA", "PRODUCER", "CONSUMER")
_COLOURS: Final = {"alive": "green", "closed": "", "none": "yellow", "gone": "yellow", "dead": "red", "stalled": "red"}


@click.command()
@json_option
@click.pass_context
def ls(ctx: click.Context, as_json: bool) -> None:
    """List the rings of a namespace.

    A file that is no intact ring is listed with what is wrong with it; the exit code is 1 then.
    """
    namespace = registry.resolve_namespace()
    found = list_rings(namespace)
    rings, damaged = found["rings"], found["damaged"]
    if as_json:
        print_json(found)
    elif not rings and not damaged:
        click.echo(
            f"There is no ring in namespace {namespace!r} yet. A strategy's Recorder.open() makes one; "
            "to see it at work: ringbuf demo"
        )
    else:
        if rings:
            print_table(_TITLES, [_row(ring) for ring in rings], left=_LEFT)
        if rings and damaged:
            click.echo()
        if damaged:
            print_table(
                ("DAMAGED", "ERROR"), [(each["name"], _error(each)) for each in damaged], left=("DAMAGED", "ERROR")
            )
    ctx.exit(1 if damaged else 0)


def _row(ring: dict[str, Any]) -> list[str | Text]:
    lag, last_ns = ring["lag"], ring["last_record_ns"]
    return [
        ring["name"],
        ring["schema"]["name"],
        styled(f"{lag:,}", "yellow" if lag > ring["capacity"] // 2 else ""),
        f"{ring['head']:,}",
        f"{ring['tail']:,}",
        f"{ring['capacity']:,}",
        *(styled(f"{ring[counter]:,}", "red" if ring[counter] else "") for counter in ("dropped", "rejected")),
        *(styled(f"{ring[counter]:,}", "yellow" if ring[counter] else "") for counter in ("flagged", "recreated")),
        _process(ring["producer"]),
        _process(ring["consumer"]),
        ABSENT if last_ns is None else age_text(age_seconds(last_ns)),
        size_text(ring["size"]),
    ]


def _process(process: dict[str, Any]) -> Text:
    pid = "" if process["pid"] is None else f"{process['pid']} "
    return styled(f"{pid}{process['state']}", _COLOURS[process["state"]])


def _error(each: dict[str, Any]) -> Text:
    return styled(f"{each['error']}; {each['hint']}" if each["hint"] else each["error"], "red")
