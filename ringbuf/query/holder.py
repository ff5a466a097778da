"""Who has the database of a data directory, and how that process is: for whoever has no answer from it."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ringbuf.errors import SinkUnavailable
from ringbuf.state import status
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.lock_file import holder

_STATES: Final = {
    "D": "waits for a disk",
    "R": "runs",
    "S": "sleeps",
    "T": "is stopped",
    "Z": "has ended",
    "t": "is held by a debugger",
}
_LONGER: Final = "wait longer: --timeout SECONDS"


@dataclass(frozen=True)
class Holder:
    """A process that has a database.

    Attributes:
        pid: its process id; 0 if it cannot be seen from here, None if there is none.
        what: what it is, or has.
        state: letter of the kernel for what it does, as in /proc/PID/stat; "" if that cannot be read.
        said: what the status of the writer says, and how old that is; "" of another process.
    """

    pid: int | None
    what: str
    state: str
    said: str

    def silent(self, seconds: float) -> SinkUnavailable:
        """It gives no sign of life."""
        hints = {
            "T": f"`kill -CONT {self.pid}` lets it go on",
            "D": "look what its disk does: `dmesg`",
        }
        hint = hints.get(self.state, f"see its log; `kill -9 {self.pid}` loses nothing" if self.pid else "see its log")
        return SinkUnavailable(f"{self._named} hangs: no sign of life for {seconds:g} s; {self._state}", hint)

    def busy(self, seconds: float) -> SinkUnavailable:
        """It is at it and has no answer."""
        return SinkUnavailable(f"{self._named} has no answer after {seconds:g} s; {self._state}", _LONGER)

    def closed(self, seconds: float) -> SinkUnavailable:
        """It does not take questions."""
        return SinkUnavailable(f"{self._named} takes no questions for {seconds:g} s; {self._state}", _LONGER)

    @property
    def _named(self) -> str:
        return f"process {self.pid or 'unknown'}, {self.what},"

    @property
    def _state(self) -> str:
        state = _STATES.get(self.state, f"is in state {self.state}" if self.state else "cannot be seen from here")
        return f"it {state}" + (f"; {self.said}" if self.said else "")


def find_holder(directory: DataDirectory) -> Holder:
    """Who has the database now: the writer, or another process."""
    pid = holder(directory.writer_lock)
    if pid is not None:
        return Holder(pid, f"the writer of {directory}", _state_of(pid), _said(status.read(directory.status)))
    pid = holder(directory.database_lock)
    return Holder(pid, f"which has the database of {directory} open", _state_of(pid), "")


def _state_of(pid: int | None) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def _said(found: dict[str, Any] | None) -> str:
    if found is None:
        return "it has no status yet"
    sink = found["sink"]
    database = "database reachable" if sink["reachable"] else f"database not reachable: {sink['error']}"
    age = max(time.time_ns() - found["updated_ns"], 0) / 1e9
    return f"its status, {age:.1f} s old, says: {found['state']}, {database}"
