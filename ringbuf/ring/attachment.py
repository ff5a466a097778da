"""How a producer gets hold of its ring: takes over the one of this name, or makes it."""

import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from ringbuf.errors import ConfigurationError, InvalidName, RingIncomplete, RingInUse, RingMemory
from ringbuf.record.schema import Schema
from ringbuf.ring import layout, registry
from ringbuf.ring.segment import Segment, check_platform, unlink

LOCK_SECONDS: Final = 0.05
"""Who removes a ring holds the producer's lock for less, and is no producer."""
NAMED: Final = 3


def attach(name: str, schema: Schema, capacity: int | None, namespace: str | None) -> tuple[Segment, layout.Header]:
    """The ring of this name with its producer's lock taken; errors are those of `Producer.open`."""
    check_platform()
    shared_memory_name = registry.shared_memory_name(name, namespace)
    if registry.is_retired(name):
        raise InvalidName(f"ring name {name!r} is that of a ring set aside", "leave out the part from '~' on")
    if capacity is not None and not layout.is_capacity(capacity):
        raise ConfigurationError(
            f"capacity {capacity} is no power of two from 2 to {layout.MAX_CAPACITY}", "use for example 16384"
        )
    while True:
        segment = Segment.open(shared_memory_name, f"ring {name!r}", writable=True, create=True)
        try:
            header = _acquire(segment, name, schema, capacity, namespace)
        except BaseException:
            segment.close()
            raise
        if header is not None:
            return segment, header
        segment.close()


def _acquire(
    segment: Segment, name: str, schema: Schema, capacity: int | None, namespace: str | None
) -> layout.Header | None:
    """Take the lock and make sure of the header; None if the name has meanwhile gone to another segment."""
    segment.check_owner()
    _take_lock(segment)
    if not segment.is_linked():
        return None
    try:
        header = segment.header()
    except RingIncomplete:
        return _create(segment, new_header(schema, capacity or layout.DEFAULT_CAPACITY))
    is_moved = segment.read(layout.MOVED_NS) != 0
    if not is_moved and header.schema.descriptor == schema.descriptor and capacity in (None, header.capacity):
        return header
    _set_aside(segment, registry.shared_memory_name(registry.retired_name(name, header.session), namespace), is_moved)
    return None


def _take_lock(segment: Segment) -> None:
    end = time.monotonic() + LOCK_SECONDS
    while not segment.lock(layout.PRODUCER_LOCK):
        if time.monotonic() > end:
            pid = segment.read(layout.PRODUCER_PID) if segment.size >= layout.HEADER_SIZE else 0
            raise RingInUse(
                f"{segment.where} already has a producer, process {pid}", "one producer a ring: use another name"
            )
        time.sleep(LOCK_SECONDS / 10)


def _set_aside(segment: Segment, retired: str, is_moved: bool) -> None:
    """Give another ring the name, until a writer has read this one.

    What the producer went on with in another file has all that is in this one, and may have its name when it is set
    aside.
    """
    try:
        segment.rename(retired)
    except RingInUse:
        if not is_moved:
            raise
        unlink(segment.name, segment.where)


def _create(segment: Segment, header: layout.Header) -> layout.Header:
    try:
        segment.create(header)
    except BaseException as error:
        unlink(segment.name, segment.where)
        if isinstance(error, RingMemory):
            raise RingMemory(error.what, "; ".join([*_remedies(), error.hint])) from error
        raise
    return header


def _remedies() -> Iterator[str]:
    """How to free memory of /dev/shm that nobody needs."""
    with suppress(OSError):
        for namespace in registry.namespaces():
            if found := registry.drained(namespace):
                names = ", ".join([*found][:NAMED]) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")
                yield (
                    f"`{registry.NAMESPACE_VARIABLE}={namespace} ringbuf rm --drained` frees {sum(found.values()):,}"
                    f" bytes of rings that are read to their end and whose processes have ended: {names}"
                )


def new_header(schema: Schema, capacity: int) -> layout.Header:
    """The header of a new ring, with a fresh session."""
    return layout.Header(schema, capacity, secrets.randbits(64) or 1, time.time_ns(), socket.gethostname())
