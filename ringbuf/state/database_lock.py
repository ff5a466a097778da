"""Who may use what the writer loads into: the embedded database, the checkpoint, the quarantine.

The database's lock is held by the writer's loader. While no writer runs, a process may have it that reads the embedded
database, or sends quarantined records once more. Such a process does nothing else, and it gives way to a writer: it
looks for one all the time and ends at once. One that does not (it was stopped, or cannot run) is killed by the writer
after a moment. So whatever readers do, a writer waits for its database no longer than for a process to die; and its
drain does not wait at all.
"""

import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.lock_file import UNKNOWN, LockFile, holder

LOGGER: Final = logging.getLogger("ringbuf.writer")
LOOK_SECONDS: Final = 0.02
KILL_SECONDS: Final = 1.0
"""How long a process has to give way by itself."""
GAVE_WAY: Final = 75
"""Exit code of a process that has given way, or that did not get the lock."""
TOLD_WHY: Final = 78
"""Exit code of a process that could not begin: the last line that it printed is the error, as `described` gives it."""


def take_for_writer(directory: DataDirectory, is_wanted: Callable[[], bool]) -> LockFile | None:
    """Take the lock for the writer, who holds the writer's lock already: whoever else has this one must end.

    Returns:
        None if it was no longer wanted before it was free.

    Raises:
        OSError: the file cannot be made or opened.
    """
    began = time.monotonic()
    seen: int | None = None
    while is_wanted():
        if (lock := LockFile.take(directory.database_lock)) is not None:
            return lock
        pid = holder(directory.database_lock)
        if pid != seen and pid is not None:
            LOGGER.info("process %s has the database open and gives way", pid or "unknown")
            seen = pid
        if time.monotonic() > began + KILL_SECONDS:
            _kill(directory.database_lock)
        time.sleep(LOOK_SECONDS)
    return None


def _kill(path: Path) -> None:
    """Kill the process that has a lock; it cannot be another one, however fast processes come and go."""
    pid = holder(path)
    if pid in (None, UNKNOWN, os.getpid()):
        return
    with suppress(OSError):  # it has just ended, or belongs to somebody else
        process = os.pidfd_open(pid)
        try:
            if holder(path) == pid:
                signal.pidfd_send_signal(process, signal.SIGKILL)
                LOGGER.warning("process %d had the database open and did not give way: killed", pid)
        finally:
            os.close(process)


def hold_until_a_writer_comes(directory: DataDirectory) -> threading.Event:
    """Take the lock for this process, which ends at once, wherever it is, as soon as there is a writer.

    It ends right away if somebody has the lock already.

    Returns:
        An event: whoever started this process has closed its end of our stdin, or is gone.

    Raises:
        ConfigurationError: this user cannot write in the directory.
    """
    try:
        lock = LockFile.take(directory.database_lock)
    except OSError as error:
        raise directory.unusable(error) from error
    if lock is None:
        os._exit(GAVE_WAY)
    is_left = threading.Event()

    def give_way() -> None:
        if holder(directory.writer_lock) is not None:
            os._exit(GAVE_WAY)

    def watch() -> None:
        while not select.select([sys.stdin], [], [], LOOK_SECONDS)[0]:  # nothing is ever written there
            give_way()
        is_left.set()
        while True:
            give_way()
            time.sleep(LOOK_SECONDS)

    give_way()
    threading.Thread(target=watch, name="watch for a writer", daemon=True).start()
    return is_left
