"""The writer's disk, which the soak can fill.

As root it is a small tmpfs in a mount namespace of the soak's own, which vanishes with its last process, however that
ends. Else files of the writer are kept from growing (RLIMIT_FSIZE), which it meets as a failed write as well.
"""

import ctypes
import errno
import os
import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

SIZE_MB: Final = 96
_LIBC = ctypes.CDLL(None)
_CLONE_NEWNS = 0x20000
_MS_REC_PRIVATE = 0x4000 | 1 << 18
_MNT_DETACH = 2
_PIECE = bytes(1 << 20)


class Disk:
    """The disk below a directory.

    Attributes:
        kind: how it is filled, for the report.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700)
        self._ballast = directory / "ballast"
        self._limited: int | None = None
        self._is_own = _mount(directory)
        self.kind = f"tmpfs of {SIZE_MB} MB" if self._is_own else "RLIMIT_FSIZE (a tmpfs cannot be mounted)"

    def fill(self, writer_pid: int) -> None:
        """Leave the writer no space."""
        if not self._is_own:
            self._limited = writer_pid
            resource.prlimit(writer_pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            return
        with self._ballast.open("ab", buffering=0) as file:
            piece = _PIECE
            while piece:
                try:
                    file.write(piece)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    piece = piece[: len(piece) // 2]

    def free(self) -> None:
        """Give the space back."""
        if self._is_own:
            self._ballast.unlink(missing_ok=True)
        elif self._limited is not None:
            with suppress(ProcessLookupError):
                unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
                resource.prlimit(self._limited, resource.RLIMIT_FSIZE, unlimited)
            self._limited = None

    def close(self) -> None:
        """Let the directory be removed; what is on a tmpfs is gone."""
        self.free()
        if self._is_own:
            _LIBC.umount2(os.fsencode(self._ballast.parent), _MNT_DETACH)


def _mount(directory: Path) -> bool:
    """Mount a tmpfs for this thread and its children; False if that is not allowed."""
    return bool(
        _LIBC.unshare(_CLONE_NEWNS) == 0
        and _LIBC.mount(b"none", b"/", None, _MS_REC_PRIVATE, None) == 0
        and _LIBC.mount(b"tmpfs", os.fsencode(directory), b"tmpfs", 0, f"size={SIZE_MB}m".encode()) == 0
    )
