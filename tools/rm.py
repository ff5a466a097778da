"""`ringbuf rm NAME`: remove a ring, or all that nobody misses."""

import click

from ringbuf.ring import registry
from ringbuf.ring.removal import remove_ring
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
    removal = remove_ring(name, namespace, force=force)
    if as_json:
        print_json(removal.described())
        return
    lost = f"unread records lost: {'unknown' if removal.unread is None else f'{removal.unread:,}'}"
    held = "" if removal.held_by is None else f"; process {removal.held_by} holds it and makes it anew"
    click.echo(f"removed ring {name!r}" + held + (f"; {lost}" if removal.unread != 0 else ""))


def _remove_drained(namespace: str, as_json: bool) -> None:
    removed = registry.remove_drained(namespace)
    if as_json:
        rings = [{"name": name, "size": size} for name, size in removed.items()]
        print_json({"namespace": namespace, "removed": rings, "freed": sum(removed.values())})
        return
    for name, size in removed.items():
        click.echo(f"removed ring {name!r}, {size_text(size)}")
    click.echo(f"{len(removed)} rings removed, {size_text(sum(removed.values()))} freed")
