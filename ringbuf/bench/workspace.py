"""The files and rings of one benchmark run: its own, and gone afterwards."""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from ringbuf.ring import registry

PREFIX: Final = "ringbuf-bench-"


@dataclass(frozen=True)
class Workspace:
    """Where a benchmark may leave things.

    Attributes:
        directory: on the disk of the system's temporary files (`TMPDIR`).
        namespace: of its rings.
    """

    directory: Path
    namespace: str

    def new_directory(self, name: str) -> Path:
        """A fresh directory: recently deleted files make a file system slow for minutes, so none is used twice."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.directory))

    @property
    def hidden(self) -> str:
        """A namespace of rings that no writer looks at."""
        return f"{self.namespace}-hidden"

    def show_rings(self) -> None:
        """Let the hidden rings appear in the namespace."""
        for name in registry.ring_names(self.hidden):
            old, new = (registry.shared_memory_name(name, namespace)[1:] for namespace in (self.hidden, self.namespace))
            (registry.SHARED_MEMORY / old).rename(registry.SHARED_MEMORY / new)

    def remove_rings(self) -> None:
        """Remove all rings, hidden or not, whatever is in them."""
        for namespace in (self.namespace, self.hidden):
            for name in registry.ring_names(namespace):
                registry.remove(name, namespace=namespace, force=True)


@contextmanager
def workspace() -> Iterator[Workspace]:
    """A workspace that is removed in the end, also after SIGTERM or Ctrl-C."""
    before = signal.signal(signal.SIGTERM, _end)
    directory = Path(tempfile.mkdtemp(prefix=PREFIX))
    made = Workspace(directory, f"bench-{os.getpid()}")
    try:
        yield made
    finally:
        made.remove_rings()
        shutil.rmtree(directory, ignore_errors=True)
        signal.signal(signal.SIGTERM, before)


def _end(number: int, _: Any) -> NoReturn:
    sys.exit(128 + number)


def cores() -> tuple[int, int] | None:
    """A core for the producer and another one for the consumer; None if there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else None
