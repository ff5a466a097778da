"""What a process uses, as the kernel counts it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

CPUCLOCK_SCHED: Final = 2


@dataclass(frozen=True)
class Usage:
    """All threads of a process since its start.

    Attributes:
        at: when this was read, seconds on the monotonic clock.
        cpu: seconds on a processor.
        wakeups: voluntary context switches of the threads that still run: how often they slept and were woken.
        own_mb, libraries_mb, shared_mb: resident memory in MB: its own (RssAnon), of files such as libraries (RssFile),
            shared, which is that of rings (RssShmem).
        files: open file descriptors.
    """

    at: float
    cpu: float
    wakeups: int
    own_mb: float
    libraries_mb: float
    shared_mb: float
    files: int

    @classmethod
    def of(cls, pid: int) -> Self:
        """Read it now."""
        process = Path("/proc") / str(pid)
        wakeups = 0
        for task in (process / "task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # a thread may end meanwhile
                wakeups += int(_field(task / "status", "voluntary_ctxt_switches"))
        own, library, shared = (
            int(_field(process / "status", name).split()[0]) / 1000 for name in ("RssAnon", "RssFile", "RssShmem")
        )
        files = len(os.listdir(process / "fd"))
        cpu = time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)  # as clock_getcpuclockid(3); with threads that have ended
        return cls(time.monotonic(), cpu, wakeups, own, library, shared, files)


@dataclass
class Spent:
    """What a process has used within a time.

    Attributes:
        seconds: how long that was.
        cpu: seconds on a processor.
        wakeups: how often it was woken.
        last: the usage at the end.
    """

    seconds: float = 0.0
    cpu: float = 0.0
    wakeups: int = 0
    last: Usage | None = None

    @property
    def share(self) -> float:
        """How much of one core that is, 1.0 for all of it."""
        return self.cpu / self.seconds


@contextmanager
def watched(pid: int | None) -> Iterator[Spent]:
    """What a process uses within the `with` block; nothing if there is no process."""
    spent = Spent()
    before = Usage.of(pid) if pid is not None else None
    yield spent
    if pid is not None and before is not None:
        after = Usage.of(pid)
        spent.seconds, spent.cpu = after.at - before.at, after.cpu - before.cpu
        spent.wakeups, spent.last = after.wakeups - before.wakeups, after


def _field(status: Path, name: str) -> str:
    for line in status.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return line.partition(":")[2].strip()
    raise LookupError(f"{status} has no {name}")
