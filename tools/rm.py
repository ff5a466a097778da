"""`ringbuf rm NAME`: remove a ring."""

import click

from ringbuf.errors import RingbufError
from ringbuf.ring import registry
from ringbuf.ring.inspection import check_exists, open_ring
from ringbuf.tools.output import json_option, print_json


@click.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Remove it in any case; records that no writer has read are lost.")
@json_option
def rm(name: str, force: bool, as_json: bool) -> None:
    """Remove a ring.

    Refuses while a producer holds it, while it has records that no writer has read, and if it is no
    intact ring.
    """
    namespace = registry.resolve_namespace()
    check_exists(name, namespace)
    unread = _unread(name, namespace) if force else 0
    registry.remove(name, namespace=namespace, force=force)
    if as_json:
        print_json({"namespace": namespace, "removed": name, "unread": unread})
    else:
        lost = f"unread records lost: {'unknown' if unread is None else f'{unread:,}'}"
        click.echo(f"removed ring {name!r}" + (f"; {lost}" if unread != 0 else ""))


def _unread(name: str, namespace: str) -> int | None:
    """Records that are lost with the ring, None if it cannot tell."""
    try:
        with open_ring(name, namespace) as observer:
            return observer.state().lag
    except RingbufError:
        return None
