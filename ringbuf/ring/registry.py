"""Which rings there are, what they are called, and how one is removed.

A ring is the shared memory segment `/ringbuf.NAMESPACE.NAME`, that is the file `/dev/shm/ringbuf.NAMESPACE.NAME`. A
namespace has no dot, so the two parts can always be told apart. A ring replaced by one of another shape is kept as
`NAME~SESSION` until its records are consumed.
"""

import os
import re
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

from ringbuf.errors import InvalidName, RingError, RingInUse, RingNotFound
from ringbuf.ring import layout
from ringbuf.ring.segment import FileId, Segment, unlink

SHARED_MEMORY: Final = Path("/dev/shm")
NAMESPACE_VARIABLE: Final = "RINGBUF_NAMESPACE"
DEFAULT_NAMESPACE: Final = "default"
RESCAN_SECONDS: Final = 10.0
"""After so long the directory is scanned even if the kernel says that it did not change."""
TICK_NS: Final = 100_000_000
"""Times of change are those of the kernel's last clock tick: two changes less than 10 ms apart may have the same."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_RETIRED = re.compile(r"(?P<name>[^~]+)~[0-9a-f]{16}")
_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_DIRECTORY = str(SHARED_MEMORY)
_PREFIX = "ringbuf"
_MAX_NAME = 100
_MAX_NAMESPACE = 48


def check_name(name: str) -> str:
    """Return a ring name that is safe as a part of a file name.

    Raises:
        InvalidName: empty, longer than 100 characters, or with other characters than letters, digits, `_ - .`.
    """
    if not _is_name(name):
        raise InvalidName(
            f"ring name {name!r} cannot be used",
            f"use letters, digits, '_', '-' and single dots inside, at most {_MAX_NAME} characters, for example mm-btc",
        )
    return name


@lru_cache(maxsize=16_384)  # a writer looks at the same names several times a second
def _is_name(name: str) -> bool:
    retired = _RETIRED.fullmatch(name)
    plain = retired["name"] if retired else name
    return len(plain) <= _MAX_NAME and _NAME.fullmatch(plain) is not None


def resolve_namespace(given: str | None = None) -> str:
    """The namespace to use: as given, else from `RINGBUF_NAMESPACE`, else `default`.

    Raises:
        InvalidName: empty, longer than 48 characters, or with other characters than letters, digits, `_ -`.
    """
    found = given if given is not None else os.environ.get(NAMESPACE_VARIABLE, DEFAULT_NAMESPACE)
    if len(found) > _MAX_NAMESPACE or not _NAMESPACE.fullmatch(found):
        raise InvalidName(
            f"namespace {found!r} cannot be used",
            f"use letters, digits, '_' and '-', at most {_MAX_NAMESPACE} characters (variable {NAMESPACE_VARIABLE})",
        )
    return found


def shared_memory_name(name: str, namespace: str | None = None) -> str:
    """Name of a ring's shared memory segment as POSIX has it, with a leading slash."""
    return f"/{_PREFIX}.{resolve_namespace(namespace)}.{check_name(name)}"


def ring_path(name: str, namespace: str | None = None) -> Path:
    """The file that a ring is, whether or not it exists."""
    return SHARED_MEMORY / shared_memory_name(name, namespace)[1:]


def retired_name(name: str, session: int) -> str:
    """What a ring is called after a ring of another shape took its name."""
    return f"{name}~{session:016x}"


def is_retired(name: str) -> bool:
    """Whether a ring was replaced by one of another shape and only waits to be consumed."""
    return _RETIRED.fullmatch(name) is not None


def ring_files(namespace: str | None = None) -> dict[FileId, str]:
    """All rings of a namespace: the file, which stays with a ring when it is set aside, and the name.

    Files that no ring can be called like are none and left out.
    """
    prefix = f"{_PREFIX}.{resolve_namespace(namespace)}."
    device = os.stat(_DIRECTORY).st_dev
    with os.scandir(_DIRECTORY) as entries:
        named = {entry.inode(): entry.name[len(prefix) :] for entry in entries if entry.name.startswith(prefix)}
    return {FileId(device, inode): name for inode, name in named.items() if _is_name(name)}


class Presence:
    """The rings of a namespace as they come and go, for who asks several times a second.

    The directory is scanned only if it may have changed. Its time of last change tells, provided that it was no longer
    the present tick of the clock when the scan began. Not its mtime: that can be put back, and copying tools do it.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._rings: dict[FileId, str] = {}
        self._scanned_change_ns: int | None = None
        self._rescan_at = 0.0

    def rings(self) -> dict[FileId, str]:
        """As `ring_files`; the very same dict as long as there are the same rings."""
        now_ns = time.time_ns()
        change_ns = _changed_ns()
        if change_ns == self._scanned_change_ns and time.monotonic() < self._rescan_at:
            return self._rings
        found = ring_files(self._namespace)
        self._scanned_change_ns = change_ns if change_ns < now_ns - TICK_NS else None
        self._rescan_at = time.monotonic() + RESCAN_SECONDS
        if found != self._rings:
            self._rings = found
        return self._rings


def _changed_ns() -> int:
    return os.stat(_DIRECTORY).st_ctime_ns


def ring_names(namespace: str | None = None) -> list[str]:
    """Names of all rings of a namespace, sorted."""
    return sorted(ring_files(namespace).values())


def remove(name: str, *, namespace: str | None = None, force: bool = False) -> None:
    """Remove a ring.

    Args:
        force: remove it even if a producer holds it, unread records remain, or it is no intact ring.

    Raises:
        RingNotFound: there is none of this name.
        RingInUse: it is held, or has unread records, and `force` is not given.
        RingCorrupt: it is no intact ring, and `force` is not given.
    """
    where = f"ring {name!r}"
    segment = shared_memory_name(name, namespace)
    if not force:
        with Segment.open(segment, where, writable=True) as opened:
            _check_removable(opened)
            unlink(segment, where)
    else:
        unlink(segment, where)


def drained(namespace: str | None = None) -> dict[str, int]:
    """Rings that nobody misses, and their bytes: no process holds one to append to it, and a writer has all of it."""
    found = {}
    for name in ring_names(namespace):
        with suppress(RingError), Segment.open(shared_memory_name(name, namespace), f"ring {name!r}") as segment:
            segment.check_owner()
            _check_drained(segment)
            if not segment.is_locked(layout.PRODUCER_LOCK):
                found[name] = segment.size
    return found


def remove_drained(namespace: str | None = None) -> dict[str, int]:
    """Remove all `drained` rings; returns them."""
    removed = drained(namespace)
    for name in list(removed):
        try:
            remove(name, namespace=namespace)
        except RingError:
            del removed[name]  # a process has got hold of it since
    return removed


def namespaces() -> list[str]:
    """All namespaces that have rings, sorted."""
    with os.scandir(_DIRECTORY) as entries:
        parts = [entry.name.split(".") for entry in entries]
    return sorted({each[1] for each in parts if len(each) > 2 and each[0] == _PREFIX and _NAMESPACE.fullmatch(each[1])})


def _check_removable(segment: Segment) -> None:
    """Make sure that nothing is lost with a segment; the producer's lock stays taken, so that none attaches meanwhile.

    A live consumer is no obstacle: it has everything, and notices that the ring is gone.
    """
    segment.header()
    if not segment.lock(layout.PRODUCER_LOCK):
        raise RingInUse(
            f"{segment.where} has a live producer, process {segment.read(layout.PRODUCER_PID)}",
            "stop it first, or use --force",
        )
    if not segment.is_linked():
        raise RingNotFound(f"{segment.where} was removed or replaced at this moment", "try again")
    _check_drained(segment)


def _check_drained(segment: Segment) -> None:
    header = segment.header()
    head, tail = segment.read(layout.HEAD), segment.read(layout.TAIL)
    layout.check_cursors(head, tail, header.capacity, segment.where)
    if head != tail:
        raise RingInUse(
            f"{segment.where} holds {head - tail} unread records",
            "start a writer to store them, or use --force to lose them",
        )


def find(name: str, namespace: str | None = None) -> Path:
    """The file of a ring.

    Raises:
        RingNotFound: there is none of this name; the hint lists those there are.
    """
    path = ring_path(name, namespace)
    if not path.exists():
        names = ring_names(namespace)
        known = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        raise RingNotFound(
            f"no ring {name!r} in namespace {resolve_namespace(namespace)!r}",
            f"there is {known}" if names else "there is none yet",
        )
    return path
