"""Looks once a second whether the names of this process's rings still lead to them.

A thread of its own, so that no append makes a system call. There is one as long as this process has a ring open.
"""

import atexit
import logging
import os
import signal
import threading
import time
import weakref
from typing import Final, Protocol

from ringbuf.errors import RingbufError

LOGGER: Final = logging.getLogger("ringbuf.ring")
LOOK_SECONDS: Final = 1.0


class Named(Protocol):
    """What has a name in /dev/shm that must not be lost; a producer."""

    name: str

    def ensure_named(self) -> bool:
        """Make sure of the name; whether it had been lost. Raises RingbufError if it cannot be had again."""


_lock = threading.RLock()
watched: weakref.WeakSet[Named] = weakref.WeakSet()
"""What is looked after."""
_told: weakref.WeakKeyDictionary[Named, str] = weakref.WeakKeyDictionary()
_thread: threading.Thread | None = None


def watch(named: Named) -> None:
    """Look after a name once a second, as long as `named` lives and until `unwatch`."""
    global _thread
    with _lock:
        watched.add(named)
        if _thread is None:
            thread = threading.Thread(target=_run, name="ring names", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the interpreter is ending, or a limit of the process is reached
                LOGGER.warning("the names of rings are looked after at their close only: %s", error)
            else:
                _thread = thread


def unwatch(named: Named) -> None:
    """Look after a name no longer."""
    with _lock:
        watched.discard(named)


def look(named: Named) -> None:
    """Look after a name now. What goes wrong is logged, once for each cause: it must not reach trading code."""
    try:
        if named.ensure_named():
            LOGGER.warning(
                "ring %r: its name in /dev/shm was removed or taken; it was made anew, and nothing is lost", named.name
            )
        _told.pop(named, None)
    except (RingbufError, OSError) as error:
        if _told.get(named) != str(error):
            _told[named] = str(error)
            LOGGER.error("ring %r has no name in /dev/shm: no writer can find it: %s", named.name, error)
    except Exception:
        LOGGER.exception("ring %r: its name in /dev/shm cannot be looked after", named.name)


def _run() -> None:
    global _thread
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are the main thread's
    while True:
        time.sleep(LOOK_SECONDS)
        with _lock:
            if not watched:
                _thread = None
                return
        _look_at_all()


def _look_at_all() -> None:
    # A function of its own: what it looks at must be free to go as soon as it has ended.
    with _lock:
        looked_at = list(watched)
    while looked_at:
        look(looked_at.pop())


def _after_fork_in_child() -> None:
    """What the parent has is the parent's, and a fork copies no other thread."""
    global _lock, _thread, watched, _told
    _lock = threading.RLock()
    _thread = None
    watched, _told = weakref.WeakSet(), weakref.WeakKeyDictionary()


os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_look_at_all)
