"""`ringbuf rm NAME`: remove a ring, or all that nobody misses."""

import click

from ringbuf.errors import RingbufError
from ringbuf.ring import registry
from ringbuf.ring.inspection import check_exists, open_ring
from ringbuf.ring.observer import RingState
from ringbuf.tools.output import json_option, print_json, size_text


@click.command()
@click.argument("name", required=False)
@click.option("--force", is_flag=True, help="Remove it in any case; records that no writer has read are lost.")
@click.option("--drained", is_flag=True, help="Remove all rings whose process has ended and of which a writer has all.")
@json_option
def rm(name: str | None, force: bool, drained: bool, as_json: bool) -> None:
    """Remove a ring, or all that nobody misses.

    Refuses while a producer holds it, while it has records that no writer has read, and if it is no
    intact ring. With --force a ring that a producer holds is removed, too; the producer makes it anew
    within about a second, with all that is in it.
    """
    namespace = registry.resolve_namespace()
    if (name is None) != drained or (force and drained):
        raise click.UsageError("give the NAME of a ring, or --drained")
    if name is None:
        _remove_drained(namespace, as_json)
        return
    check_exists(name, namespace)
    state = _state(name, namespace) if force else None
    registry.remove(name, namespace=namespace, force=force)
    is_held = state is not None and state.producer_alive
    unread = None if force and state is None else 0 if state is None or is_held else state.lag
    if as_json:
        print_json({"namespace": namespace, "removed": name, "unread": unread, "held": is_held})
        return
    lost = f"unread records lost: {'unknown' if unread is None else f'{unread:,}'}"
    held = f"; process {state.producer_pid} holds it and makes it anew" if state is not None and is_held else ""
    click.echo(f"removed ring {name!r}" + held + (f"; {lost}" if unread != 0 else ""))


def _remove_drained(namespace: str, as_json: bool) -> None:
    removed = registry.remove_drained(namespace)
    if as_json:
        rings = [{"name": name, "size": size} for name, size in removed.items()]
        print_json({"namespace": namespace, "removed": rings, "freed": sum(removed.values())})
        return
    for name, size in removed.items():
        click.echo(f"removed ring {name!r}, {size_text(size)}")
    click.echo(f"{len(removed)} rings removed, {size_text(sum(removed.values()))} freed")


def _state(name: str, namespace: str) -> RingState | None:
    """The counters of a ring, None if it cannot tell."""
    try:
        with open_ring(name, namespace) as observer:
            return observer.state()
    except RingbufError:
        return None
