"""Rings as the subcommands find and describe them."""

import difflib
import time
from typing import Any, Final

import tenacity

from ringbuf.errors import ConfigurationError, RingbufError, RingCorrupt, RingIncomplete, RingNotFound
from ringbuf.record.schema import Schema
from ringbuf.ring import layout, registry
from ringbuf.ring.observer import Observer, RingState

STALLED_SECONDS: Final = 5.0
"""After so long without a heartbeat a consumer stands still: it is to show one every second."""
CREATION_SECONDS: Final = 0.5
"""How long a ring may be without a header until it counts as left unfinished."""


def open_ring(name: str, namespace: str | None = None) -> Observer:
    """Attach to a ring, waiting for one that is being created.

    Raises:
        RingNotFound: there is none; the hint has the names that come close.
        RingIncomplete, RingCorrupt, RingVersion: it is no intact ring of this release.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(RingIncomplete),
        stop=tenacity.stop_after_delay(CREATION_SECONDS),
        wait=tenacity.wait_fixed(0.05),
        reraise=True,
    )
    check_exists(name, namespace)
    return retrying(Observer.open, name, namespace=namespace)


def check_exists(name: str, namespace: str | None = None) -> None:
    """Make sure that there is a file for this ring.

    Raises:
        RingNotFound: there is none; the hint has the names that come close.
        InvalidName: no ring can have this name.
    """
    try:
        registry.find(name, namespace)
    except RingNotFound as error:
        close = difflib.get_close_matches(name, registry.ring_names(namespace), 3, 0.5)
        if not close:
            raise
        raise RingNotFound(error.what, f"did you mean {' or '.join(map(repr, close))}?") from error


def described(observer: Observer) -> dict[str, Any]:
    """A ring as `ringbuf ls --json` shows it.

    Raises:
        RingCorrupt: its cursors contradict each other.
    """
    header, state = observer.header, checked_state(observer)
    return {
        "name": observer.name,
        "schema": {"name": header.schema.name, "version": header.schema.version},
        "capacity": header.capacity,
        "head": state.head,
        "tail": state.tail,
        "lag": state.lag,
        "dropped": state.dropped,
        "rejected": state.rejected,
        "flagged": state.flagged,
        "recreated": state.recreated,
        "producer": {"pid": state.producer_pid, "state": producer_state(state)},
        "consumer": {"pid": state.consumer_pid or None, "state": consumer_state(state)},
        "last_record_ns": last_record_ns(observer),
        "size": header.segment_size,
    }


def undecodable(name: str, error: RingbufError) -> dict[str, Any]:
    """A file that is no intact ring as `ringbuf ls --json` shows it."""
    return {"name": name, "error": error.what, "hint": error.hint, "kind": type(error).__name__}


def unknown_field(schema: Schema, name: str) -> ConfigurationError:
    """The error for a field the schema does not have; its hint has those that come close."""
    close = difflib.get_close_matches(name, schema.names, 3, 0.5)
    return ConfigurationError(
        f"schema {schema.name!r} has no field {name!r}",
        f"did you mean {' or '.join(map(repr, close))}?" if close else f"its fields are {', '.join(schema.names)}",
    )


def checked_state(observer: Observer) -> RingState:
    """The counters of a ring, with a head and a tail that fit together.

    Raises:
        RingCorrupt: they contradict each other, and not only because the ring moved while they were read.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(RingCorrupt),
        stop=tenacity.stop_after_attempt(20),
        wait=tenacity.wait_fixed(0.001),
        reraise=True,
    )
    return retrying(_state, observer)


def _state(observer: Observer) -> RingState:
    state = observer.state()
    layout.check_cursors(state.head, state.tail, observer.header.capacity, f"ring {observer.name!r}")
    return state


def producer_state(state: RingState) -> str:
    """`alive`, `closed` (it said goodbye), or `dead`."""
    return "alive" if state.producer_alive else "closed" if state.closed_ns else "dead"


def consumer_state(state: RingState) -> str:
    """`alive`, `stalled` (it lives, and its heartbeat is old), `gone`, or `none` if there never was one."""
    if not state.consumer_alive:
        return "gone" if state.consumer_pid else "none"
    return "stalled" if age_seconds(state.heartbeat_ns) > STALLED_SECONDS else "alive"


def last_record_ns(observer: Observer) -> int | None:
    """When the newest record was captured; None without a record, or without that field."""
    schema = observer.header.schema
    if "captured_ns" not in schema.names or not schema.is_time("captured_ns") or observer.head == 0:
        return None
    records = observer.read(observer.head - 1).records
    return int(records["captured_ns"][-1]) if len(records) else None


def age_seconds(time_ns: int) -> float:
    """Seconds since a time in ns since the epoch; not negative."""
    return max(time.time_ns() - time_ns, 0) / 1e9
