"""Rings as the subcommands find and describe them."""

import difflib
import time
from collections.abc import Iterable
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
_DUMPED: Final = 128
_COUNTERS: Final = {
    "head": layout.HEAD,
    "tail": layout.TAIL,
    "dropped": layout.DROPPED,
    "rejected": layout.REJECTED,
    "flagged": layout.FLAGGED,
    "recreated": layout.RECREATED,
    "high_water": layout.HIGH_WATER,
    "producer_pid": layout.PRODUCER_PID,
    "consumer_pid": layout.CONSUMER_PID,
}


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


def list_rings(namespace: str | None = None) -> dict[str, Any]:
    """The rings of a namespace as `ringbuf ls --json` shows them, those apart that are no intact rings."""
    space = registry.resolve_namespace(namespace)
    rings, damaged = [], []
    for name in registry.ring_names(space):
        try:
            with open_ring(name, space) as observer:
                rings.append(_described(observer))
        except RingNotFound:
            continue  # removed since its name was read
        except RingbufError as error:
            damaged.append({"name": name, **error.described()})
    return {"namespace": space, "rings": rings, "damaged": damaged}


def show_ring(name: str, namespace: str | None = None) -> dict[str, Any]:
    """A ring as `ringbuf show --json` shows it.

    Raises:
        RingNotFound: there is none; the hint has the names that come close.
        RingCorrupt, RingVersion: it is no intact ring of this release; see `show_remains`.
    """
    space = registry.resolve_namespace(namespace)
    with open_ring(name, space) as observer:
        return _details(observer, space)


def show_remains(name: str, namespace: str | None = None) -> dict[str, Any]:
    """What can be read of a file that is no intact ring, as `ringbuf show --json` shows it.

    Raises:
        RingNotFound: there is no such file any more.
    """
    path = registry.find(name, namespace)
    with path.open("rb") as file:
        head = file.read(layout.HEADER_SIZE)
    counters = {
        counter: int.from_bytes(head[offset : offset + 8], "little")
        for counter, offset in _COUNTERS.items()
        if offset + 8 <= len(head)
    }
    dump = head[:_DUMPED].hex()
    return {
        "name": name,
        "namespace": registry.resolve_namespace(namespace),
        "path": str(path),
        "size": path.stat().st_size,
        "counters": counters,
        "header": dump,
    }


def _described(observer: Observer) -> dict[str, Any]:
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


def _details(observer: Observer, namespace: str) -> dict[str, Any]:
    header, state = observer.header, observer.state()
    return _described(observer) | {
        "namespace": namespace,
        "path": str(registry.find(observer.name, namespace)),
        "session": header.session,
        "session_hex": f"{header.session:016x}",
        "host": header.host,
        "created_ns": header.created_ns,
        "attached_ns": state.attached_ns,
        "closed_ns": state.closed_ns,
        "heartbeat_ns": state.heartbeat_ns,
        "moved_ns": state.moved_ns,
        "abandoned_ns": state.abandoned_ns,
        "high_water": state.high_water,
        "oldest": observer.oldest,
        "locks": {"producer": state.producer_alive, "consumer": state.consumer_alive},
        "layout": {"version": layout.VERSION, "header_size": layout.HEADER_SIZE},
        "schema": _schema(header.schema),
    }


def _schema(schema: Schema) -> dict[str, Any]:
    fields = [
        {"name": name, "format": dtype.str, "offset": offset, "size": dtype.itemsize, "meaning": _meaning(schema, name)}
        for name, (dtype, offset) in schema.fields.items()
    ]
    words = {name: {str(value): word for value, word in words.items()} for name, words in schema.words.items()}
    return {
        "name": schema.name,
        "version": schema.version,
        "id": schema.schema_id,
        "record_size": schema.record_size,
        "fields": fields,
        "words": words,
    }


def _meaning(schema: Schema, name: str) -> str:
    if name in schema.words:
        return "enumeration"
    if schema.is_time(name):
        return "time"
    return {"S": "text", "V": "bytes", "b": "boolean"}.get(schema.fields[name][0].kind, "number")


def check_fields(schema: Schema, names: Iterable[str]) -> None:
    """Make sure that a schema has these fields.

    Raises:
        ConfigurationError: it lacks one; the hint has those that come close.
    """
    for name in names:
        if name not in schema.names:
            close = difflib.get_close_matches(name, schema.names, 3, 0.5)
            closest = f"did you mean {' or '.join(map(repr, close))}?"
            every = f"its fields are {', '.join(schema.names)}"
            raise ConfigurationError(f"schema {schema.name!r} has no field {name!r}", closest if close else every)


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
