"""How a producer gets hold of its ring: takes over the one of this name, or makes it."""

import secrets
import socket
import time

from ringbuf.errors import ConfigurationError, InvalidName, RingIncomplete, RingInUse
from ringbuf.record.schema import Schema
from ringbuf.ring import layout, registry
from ringbuf.ring.segment import Segment, check_platform, unlink


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
    if not segment.lock(layout.PRODUCER_LOCK):
        pid = segment.read(layout.PRODUCER_PID) if segment.size >= layout.HEADER_SIZE else 0
        raise RingInUse(
            f"{segment.where} already has a producer, process {pid}", "one producer a ring: use another name"
        )
    if not segment.is_linked():
        return None
    try:
        header = segment.header()
    except RingIncomplete:
        return _create(segment, new_header(schema, capacity or layout.DEFAULT_CAPACITY))
    if header.schema.descriptor == schema.descriptor and capacity in (None, header.capacity):
        return header
    segment.rename(registry.shared_memory_name(registry.retired_name(name, header.session), namespace))
    return None


def _create(segment: Segment, header: layout.Header) -> layout.Header:
    try:
        segment.create(header)
    except BaseException:
        unlink(segment.name, segment.where)
        raise
    return header


def new_header(schema: Schema, capacity: int) -> layout.Header:
    """The header of a new ring, with a fresh session."""
    return layout.Header(schema, capacity, secrets.randbits(64) or 1, time.time_ns(), socket.gethostname())
