"""A segment of shared memory: one file in /dev/shm, its maps and its locks.

Created through posix_ipc, because `multiprocessing.shared_memory` hands segments to a resource tracker that unlinks
what it does not own (bpo-82300). Reserved with `posix_fallocate`: a full tmpfs is an error when the ring is created and
not a SIGBUS at some later append.
"""

import errno
import fcntl
import mmap
import os
import platform
import struct
from typing import Final, Self

import posix_ipc

from ringbuf import layout
from ringbuf.errors import ConfigurationError, RingCorrupt, RingError, RingMemory, RingNotFound

MODE: Final = 0o600
_FLOCK = struct.Struct("hhqqi4x")  # struct flock of Linux on 64 bits: type, whence, start, length, pid


def check_platform() -> None:
    """Refuse a processor on which plain stores may be seen out of order.

    Raises:
        ConfigurationError: the processor is not x86-64.
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        raise ConfigurationError(
            f"processor {platform.machine()!r} may reorder stores, which pure Python cannot prevent", "use x86-64"
        )


class Segment:
    """One open segment.

    Attributes:
        name: name of the segment with its leading slash.
        where: what to call it in an error.
    """

    def __init__(self, name: str, where: str, fd: int) -> None:
        self.name = name
        self.where = where
        self._fd = fd

    @classmethod
    def open(cls, name: str, where: str, *, writable: bool = False, create: bool = False) -> Self:
        """Open a segment, creating an empty one if asked to.

        Raises:
            RingNotFound: there is none and `create` is not given.
            RingError: the operating system refuses it.
        """
        try:
            if writable or create:
                fd = posix_ipc.SharedMemory(name, posix_ipc.O_CREAT if create else 0, mode=MODE).fd
            else:
                fd = posix_ipc.SharedMemory(name, read_only=True).fd
        except posix_ipc.ExistentialError as error:
            raise RingNotFound(f"there is no {where}", "`ringbuf ls` shows those there are") from error
        except (posix_ipc.PermissionsError, OSError) as error:
            raise RingError(f"{where} (/dev/shm{name}) cannot be opened: {error}", "check its owner and mode") from error
        return cls(name, where, fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; locks taken here are gone, maps stay."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def size(self) -> int:
        """Bytes of the segment as it is now."""
        return os.fstat(self._fd).st_size

    @property
    def owner(self) -> int:
        """User id that owns the segment."""
        return os.fstat(self._fd).st_uid

    @property
    def inode(self) -> int:
        """Identity of the file, whatever name it has now."""
        return os.fstat(self._fd).st_ino

    def is_linked(self) -> bool:
        """Whether the name still leads to this very segment."""
        try:
            return os.stat(f"/dev/shm{self.name}").st_ino == self.inode
        except FileNotFoundError:
            return False

    def header(self) -> layout.Header:
        """Read and check the header; errors are those of `layout.decode_header`."""
        return layout.decode_header(os.pread(self._fd, layout.HEADER_SIZE, 0), self.size, self.where)

    def read(self, offset: int) -> int:
        """Read one u64 of the header without a map."""
        data = os.pread(self._fd, 8, offset)
        if len(data) < 8:
            raise RingCorrupt(f"{self.where} is truncated: {self.size} bytes", "see `ringbuf rm --force`")
        return int.from_bytes(data, "little")

    def create(self, header: layout.Header) -> None:
        """Reserve the memory and write the header, its magic last.

        Raises:
            RingMemory: /dev/shm has no room; the segment is empty again.
        """
        encoded = header.encode()
        try:
            os.ftruncate(self._fd, 0)
            os.posix_fallocate(self._fd, 0, header.segment_size)
        except OSError as error:
            os.ftruncate(self._fd, 0)
            if error.errno not in (errno.ENOSPC, errno.ENOMEM, errno.EDQUOT, errno.EFBIG):
                raise RingError(f"{self.where} cannot be reserved: {error}") from error
            room = os.statvfs("/dev/shm")
            raise RingMemory(
                f"{self.where} needs {header.segment_size:,} bytes of /dev/shm, free are {room.f_bavail * room.f_frsize:,}",
                "make /dev/shm larger, remove old rings, or use a smaller capacity",
            ) from error
        os.pwrite(self._fd, encoded[len(layout.MAGIC) :], len(layout.MAGIC))
        os.pwrite(self._fd, layout.MAGIC, 0)

    def map(self, offset: int, length: int, *, writable: bool, populate: bool = False) -> mmap.mmap:
        """Map a part of the segment; `populate` makes every page present at once."""
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        flags = mmap.MAP_SHARED | (mmap.MAP_POPULATE if populate else 0)
        return mmap.mmap(self._fd, length, flags=flags, prot=protection, offset=offset)

    def lock(self, byte: int) -> bool:
        """Take the lock on one byte; False if another holds it.

        An open file description lock: unlike a POSIX lock it is not dropped when some other descriptor of the same
        file is closed, unlike flock it leaves room for a second, independent lock in the same file.
        """
        try:
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0))
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        return True

    def is_locked(self, byte: int) -> bool:
        """Whether anybody else holds the lock on this byte."""
        answer = fcntl.fcntl(self._fd, fcntl.F_OFD_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0))
        return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)

    def unlink(self) -> None:
        """Remove the name; the memory lives on while anybody has it mapped."""
        try:
            posix_ipc.unlink_shared_memory(self.name)
        except posix_ipc.ExistentialError as error:
            raise RingNotFound(f"{self.where} is already removed") from error

    def rename(self, name: str) -> None:
        """Give the segment another name in the same namespace."""
        os.rename(f"/dev/shm{self.name}", f"/dev/shm{name}")
        self.name = name
