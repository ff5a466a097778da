"""Removing a ring, and telling what was lost with it."""

from dataclasses import dataclass
from typing import Any

from ringbuf.errors import RingbufError
from ringbuf.ring import registry
from ringbuf.ring.inspection import check_exists, open_ring
from ringbuf.ring.observer import RingState


@dataclass(frozen=True)
class Removal:
    """A ring that was removed.

    Attributes:
        namespace, name: what it was called.
        unread: how many records were lost with it, None if that cannot be told.
        held_by: process id of the producer that holds it and makes it anew, None if there is none.
    """

    namespace: str
    name: str
    unread: int | None
    held_by: int | None

    def described(self) -> dict[str, Any]:
        """As `ringbuf rm --json` shows it."""
        is_held = self.held_by is not None
        return {"namespace": self.namespace, "removed": self.name, "unread": self.unread, "held": is_held}


def remove_ring(name: str, namespace: str | None = None, *, force: bool = False) -> Removal:
    """Remove a ring.

    Args:
        force: also if a producer holds it (which makes it anew within about a second, with all that is in it), if it
            has records that no writer has read, or if it is no intact ring.

    Raises:
        RingNotFound: there is none; the hint has the names that come close.
        RingInUse: it is held, or has unread records, and `force` is not given.
        RingCorrupt: it is no intact ring, and `force` is not given.
    """
    space = registry.resolve_namespace(namespace)
    check_exists(name, space)
    state = _state(name, space) if force else None
    registry.remove(name, namespace=space, force=force)
    if state is None:
        return Removal(space, name, None if force else 0, None)
    if state.producer_alive:
        return Removal(space, name, 0, state.producer_pid)
    return Removal(space, name, state.lag, None)


def _state(name: str, namespace: str) -> RingState | None:
    """The counters of a ring, None if it cannot tell."""
    try:
        with open_ring(name, namespace) as observer:
            return observer.state()
    except RingbufError:
        return None
