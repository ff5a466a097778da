"""A segment of shared memory: one file in /dev/shm, its maps and its locks.

Created through posix_ipc, because `multiprocessing.shared_memory` hands segments to a resource tracker that unlinks
what it does not own (bpo-82300). Reserved with `posix_fallocate`: a full tmpfs is an error when the ring is created and
not a SIGBUS at some later append.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import stat
import struct
import weakref
from typing import Final, NamedTuple, Protocol, Self

import posix_ipc

from ringbuf.errors import ConfigurationError, RingCorrupt, RingError, RingInUse, RingMemory, RingNotFound
from ringbuf.ring import layout, native

MODE: Final = 0o600
IN_ORDER: Final = ("x86_64", "AMD64")
"""Processors that show plain stores in the order of the program."""
_REFUSED = "check its owner and mode, and the limits of this process"
REMOVE: Final = "see `ringbuf rm --force` if it is yours and no longer needed"
_FLOCK = struct.Struct("hhqqi4x")  # struct flock of Linux on 64 bits: type, whence, start, length, pid


_LIBC = ctypes.CDLL(None)


def keep_in_memory(memory: mmap.mmap) -> bool:
    """Ask the operating system never to page this writable memory out, as long as it is mapped (mlock(2)).

    Returns:
        False if it refuses: the process may not lock so much (`ulimit -l`).
    """
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return bool(_LIBC.mlock(ctypes.c_void_p(address), ctypes.c_size_t(len(memory))) == 0)


def check_platform() -> None:
    """Refuse pure Python on a processor that may show plain stores out of order.

    Raises:
        ConfigurationError: the processor is not x86-64 and there is no native core.
    """
    if native.CORE is None and platform.machine() not in IN_ORDER:
        raise ConfigurationError(
            f"processor {platform.machine()!r} may reorder stores, which pure Python cannot prevent",
            "install the package where there is a C compiler, for its native core, or use x86-64",
        )


class FileId(NamedTuple):
    """Which file it is, whatever name it has: inodes alone begin again when /dev/shm is mounted anew."""

    device: int
    inode: int


class Segment:
    """One open segment.

    Attributes:
        name: name of the segment with its leading slash.
        where: what to call it in an error.
        file_id: which file it is.
    """

    def __init__(self, name: str, where: str, fd: int) -> None:
        self.name = name
        self.where = where
        self.file_id = _file_id(os.fstat(fd))
        self._fd = fd
        # Also when the object is lost without close(): its lock must not stay. At exit the process takes all with it.
        self._close = weakref.finalize(self, os.close, fd)
        self._close.atexit = False

    @classmethod
    def open(cls, name: str, where: str, *, writable: bool = False, create: bool = False) -> Self:
        """Open a segment, creating an empty one if asked to.

        Raises:
            RingNotFound: there is none and `create` is not given.
            RingCorrupt: it is no regular file.
            RingMemory: this process has too many files open.
            RingError: the operating system refuses it.
        """
        _check_regular(f"/dev/shm{name}", where)
        try:
            if writable or create:
                fd = posix_ipc.SharedMemory(name, posix_ipc.O_CREAT if create else 0, mode=MODE).fd
            else:
                fd = posix_ipc.SharedMemory(name, read_only=True).fd
        except posix_ipc.ExistentialError as error:
            raise RingNotFound(f"there is no {where}", "`ringbuf ls` shows those there are") from error
        except (posix_ipc.PermissionsError, OSError) as error:
            raise _refusal(f"{where} (/dev/shm{name}) cannot be opened: {error}", error) from error
        return cls(name, where, fd)

    @classmethod
    def create_new(cls, name: str, where: str) -> Self | None:
        """Make an empty segment; None if there is something of this name.

        Raises:
            RingMemory: this process has too many files open, or /dev/shm is full.
            RingError: the operating system refuses it.
        """
        try:
            return cls(name, where, posix_ipc.SharedMemory(name, posix_ipc.O_CREX, mode=MODE).fd)
        except posix_ipc.ExistentialError:
            return None
        except (posix_ipc.PermissionsError, OSError) as error:
            raise _refusal(f"{where} (/dev/shm{name}) cannot be made: {error}", error) from error

    def fileno(self) -> int:
        """Its file descriptor."""
        return self._fd

    def reopen(self) -> Self:
        """The same segment, whatever its name leads to now, through an open file that has none of the locks.

        Raises:
            RingMemory: this process has too many files open.
            RingError: the operating system refuses it.
        """
        try:
            fd = os.open(f"/proc/self/fd/{self._fd}", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise _refusal(f"{self.where} cannot be opened a second time: {error}", error) from error
        return type(self)(self.name, self.where, fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; locks taken here are gone, maps stay. Idempotent."""
        self._close()
        self._fd = -1

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return not self._close.alive

    @property
    def size(self) -> int:
        """Bytes of the segment as it is now."""
        return os.lseek(self._fd, 0, os.SEEK_END)  # a tenth of the price of fstat, and nobody uses the file's position

    def is_linked(self) -> bool:
        """Whether the name still leads to this very segment."""
        try:
            return _file_id(os.stat(f"/dev/shm{self.name}")) == self.file_id
        except FileNotFoundError:
            return False

    def check_owner(self) -> None:
        """Refuse a segment that another user made: its content is whatever that user likes.

        Raises:
            RingError: it belongs to another user.
        """
        owner = os.fstat(self._fd).st_uid
        if owner != os.geteuid():
            raise RingError(
                f"{self.where} belongs to user id {owner}, this process runs as {os.geteuid()}",
                "run both as the same user; set RINGBUF_NAMESPACE to keep users apart",
            )

    def header(self) -> layout.Header:
        """Read and check the header; errors are those of `layout.decode_header`."""
        return layout.decode_header(os.pread(self._fd, layout.HEADER_SIZE, 0), self.size, self.where)

    def read(self, offset: int) -> int:
        """Read one u64 of the header without a map."""
        data = os.pread(self._fd, 8, offset)
        if len(data) < 8:
            raise RingCorrupt(f"{self.where} is truncated: {self.size} bytes", REMOVE)
        return int.from_bytes(data, "little")

    def create(self, header: layout.Header) -> None:
        """Reserve the memory and write the header, its magic last; errors are those of `reserve`.

        Raises:
            SchemaError: the schema is too large for a ring.
        """
        encoded = header.encode()
        self.reserve(header.segment_size)
        self.write(encoded[len(layout.MAGIC) :], len(layout.MAGIC))
        self.write(layout.MAGIC, 0)

    def reserve(self, size: int) -> None:
        """Have so many bytes of memory, all 0.

        Raises:
            RingMemory: /dev/shm has no room; the segment is empty again.
        """
        try:
            os.fchmod(self._fd, MODE)  # a umask may have taken even the owner's rights
            os.ftruncate(self._fd, 0)
            os.posix_fallocate(self._fd, 0, size)
        except OSError as error:
            os.ftruncate(self._fd, 0)
            if error.errno not in (errno.ENOSPC, errno.ENOMEM, errno.EDQUOT, errno.EFBIG):
                raise RingError(f"{self.where} cannot be reserved: {error}") from error
            room = os.statvfs("/dev/shm")
            raise RingMemory(
                f"{self.where} needs {size:,} bytes of /dev/shm, of which are free "
                f"{room.f_bavail * room.f_frsize:,}: {error.strerror}",
                "make /dev/shm larger, remove old rings, or use a smaller capacity",
            ) from error

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """Write bytes without a map."""
        left = memoryview(data).cast("B")
        while left:
            written = os.pwrite(self._fd, left, offset)
            left, offset = left[written:], offset + written

    def map(self, offset: int, length: int, *, writable: bool) -> mmap.mmap:
        """Map a part of the segment.

        Raises:
            RingMemory: the operating system has no room for the map.
            RingCorrupt: the segment was truncated since its header was read.
        """
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        try:
            return mmap.mmap(self._fd, length, flags=mmap.MAP_SHARED, prot=protection, offset=offset)
        except ValueError as error:
            raise RingCorrupt(f"{self.where} is truncated: {self.size} bytes", REMOVE) from error
        except OSError as error:
            hint = "check the limits of this process (ulimit -v -n, vm.max_map_count)"
            raise RingMemory(f"{self.where}: {length:,} bytes cannot be mapped: {error}", hint) from error

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

    def unlock(self, byte: int) -> None:
        """Let go of the lock on one byte."""
        fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, byte, 1, 0))

    def is_locked(self, byte: int) -> bool:
        """Whether anybody else holds the lock on this byte."""
        answer = fcntl.fcntl(self._fd, fcntl.F_OFD_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0))
        return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)

    def rename(self, name: str) -> None:
        """Give the segment another name in the same namespace.

        Raises:
            RingInUse: another segment has that name.
        """
        try:
            os.link(f"/dev/shm{self.name}", f"/dev/shm{name}")  # `rename` would take the name from who has it
        except FileExistsError as error:
            if _file_id(os.stat(f"/dev/shm{name}")) != self.file_id:
                raise RingInUse(f"{self.where} cannot be set aside: there is /dev/shm{name}", "try again") from error
        os.unlink(f"/dev/shm{self.name}")
        self.name = name


def _file_id(found: os.stat_result) -> FileId:
    return FileId(found.st_dev, found.st_ino)


def unlink(name: str, where: str) -> None:
    """Remove a segment's name; the memory lives on while anybody has it mapped.

    Raises:
        RingNotFound: there is none of this name.
        RingError: the operating system refuses it.
    """
    try:
        os.unlink(f"/dev/shm{name}")
    except FileNotFoundError as error:
        raise RingNotFound(f"there is no {where}", "`ringbuf ls` shows those there are") from error
    except OSError as error:
        hint = "check its owner and kind"
        raise RingError(f"{where} (/dev/shm{name}) cannot be removed: {error}", hint) from error


def _refusal(what: str, error: Exception) -> RingError:
    """What the operating system refuses for want of files or memory, it may grant later."""
    if getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        return RingMemory(what, "raise the limits of this process (ulimit -n), or close what is not needed")
    return RingError(what, _REFUSED)


def _check_regular(path: str, where: str) -> None:
    """Look before opening: to open a FIFO would wait for ever."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise RingCorrupt(f"{where} ({path}) is not a regular file, its mode is {mode:#o}", REMOVE)


class Holder(Protocol):
    """What holds a lock and has to let go of it in a forked child."""

    def leave_to_parent(self) -> None:
        """Become unusable; in this process nobody else runs yet."""


_holders: weakref.WeakSet[Holder] = weakref.WeakSet()


def keep_from_children(holder: Holder) -> None:
    """Have `leave_to_parent` called in every forked child.

    A child shares the open files of its parent and with them the locks, which would outlive the parent in it.
    """
    _holders.add(holder)


def _after_fork_in_child() -> None:
    for holder in list(_holders):
        holder.leave_to_parent()


os.register_at_fork(after_in_child=_after_fork_in_child)
