"""The files and rings of one run, removed when the run ends."""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, Self

from ringbuf.errors import RingNotFound
from ringbuf.ring import registry


class Workspace:
    """A directory and a namespace for one run. Made with `temporary`.

    Attributes:
        directory: on the disk of the system's temporary files (`TMPDIR`).
        namespace: of its rings.
        is_kept: whether the directory is to stay at the end; may be set at any time.
    """

    def __init__(self, directory: Path, namespace: str) -> None:
        self.directory = directory
        self.namespace = namespace
        self.is_kept = False

    @classmethod
    @contextmanager
    def temporary(
        cls, purpose: str, *, namespace: str | None = None, rings: Iterable[str] | None = None
    ) -> Iterator[Self]:
        """A workspace that is removed at the end of the block, also after SIGTERM or Ctrl-C.

        By then its producers must have ended: one that still runs makes its ring anew.

        Args:
            purpose: a word for its names.
            namespace: of its rings, if it is not to be one of its own.
            rings: the ones to remove, by name, if others may have rings in the namespace too.
        """
        before = signal.getsignal(signal.SIGTERM)
        if before is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _end)
        directory = Path(tempfile.mkdtemp(prefix=f"ringbuf-{purpose}-"))
        made = cls(directory, namespace or f"{purpose}-{os.getpid()}")
        try:
            yield made
        finally:
            if not made.is_kept:
                shutil.rmtree(directory, ignore_errors=True)
            made.remove_rings(rings)
            signal.signal(signal.SIGTERM, before)

    def new_directory(self, name: str) -> Path:
        """A fresh directory: recently deleted files make a file system slow for minutes, so none is used twice."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.directory))

    def remove_rings(self, names: Iterable[str] | None = None) -> None:
        """Remove rings, whatever is in them; all of the namespace, if none are named."""
        remove_rings(self.namespace, names)


def remove_rings(namespace: str, names: Iterable[str] | None = None) -> None:
    """Remove rings of a namespace, whatever is in them; all, if none are named."""
    for name in registry.ring_names(namespace) if names is None else names:
        with suppress(RingNotFound):
            registry.remove(name, namespace=namespace, force=True)


def _end(number: int, _: Any) -> NoReturn:
    sys.exit(128 + number)
