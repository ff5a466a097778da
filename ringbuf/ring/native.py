"""Which implementation runs: the native core where it could be built, else pure Python.

Both do the same, to the byte. `RINGBUF_PURE=1` forces pure Python. The native core relies on the global interpreter
lock: free-threaded Python gets it only where the lock is on. It usually is, because `posix_ipc` switches it on;
`PYTHON_GIL=0` keeps it off.
"""

import importlib
import mmap
import os
import sys
import threading
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Final, Protocol

from ringbuf.errors import ConfigurationError
from ringbuf.ring import layout

PURE_VARIABLE: Final = "RINGBUF_PURE"


def _load() -> ModuleType | None:
    if os.environ.get(PURE_VARIABLE, "0") not in ("", "0") or not _has_interpreter_lock():
        return None
    try:
        return importlib.import_module("ringbuf.ring._native")
    except ModuleNotFoundError:  # there was no compiler where this package was installed
        return None
    except ImportError as error:
        raise ConfigurationError(
            f"the native core cannot be loaded: {error}", f"install the package again, or set {PURE_VARIABLE}=1"
        ) from error


def _has_interpreter_lock() -> bool:
    return sys.version_info < (3, 13) or sys._is_gil_enabled()


CORE: Final = _load()
"""The module `ringbuf.ring._native`, or None when pure Python runs."""


class Cursors(Protocol):
    """The u64 numbers at the beginning of a ring, by index; each is read and written at once.

    With the native core a store is seen after all stores before it and a load sees all that was stored before what it
    reads, on any processor; in pure Python only on x86-64.
    """

    def __getitem__(self, index: int, /) -> int: ...
    def __setitem__(self, index: int, value: int, /) -> None: ...


def cursors(memory: mmap.mmap) -> Cursors:
    """The cursors of a ring whose header is mapped at the beginning of this memory."""
    header = memoryview(memory)[: layout.DESCRIPTOR]
    if CORE is None:
        return header.cast("Q")
    native: Cursors = CORE.Cursors(header)
    return native


class Lock(Protocol):
    """What threads of one process share a producer through; reentrant, and a context.

    That of the native core never passes to a thread that still waits for the interpreter's lock.
    """

    def acquire(self) -> bool: ...
    def release(self) -> None: ...
    def __enter__(self) -> bool: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


def thread_lock() -> Lock:
    """A new lock."""
    if CORE is None:
        return threading.RLock()
    native: Lock = CORE.Lock()
    return native


if TYPE_CHECKING or CORE is None:

    class AppendState:
        """What every append looks at first; the native core reads it without Python.

        Attributes:
            limit: appends below this seq need no look at the tail; 0 sends every append to `Producer.has_room`.
            clear_below: appends below this seq find in the rear of their slot (`execution.REAR`) what an earlier
                record may have left there; whoever writes there raises it.
            busy: whether an append is under way; a signal handler can find it so in its own thread.
        """

        limit: int
        clear_below: int
        busy: bool

else:
    AppendState = CORE.AppendState
