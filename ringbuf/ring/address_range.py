"""A range of addresses that shows a segment, and can be made to show another one in its place.

Whatever has an address in it (views, cursors, the native core's recorders) then reads and writes the other segment,
without knowing. So a ring can be made anew under everybody who records into it.
"""

import ctypes
import mmap
import os
from typing import Final

from ringbuf.errors import RingCorrupt, RingMemory
from ringbuf.ring.segment import REMOVE, Segment

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = [
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
]  # fmt: skip
_MAP_FIXED: Final = 0x10
_FAILED: Final = ctypes.c_void_p(-1).value


class AddressRange:
    """Addresses for the whole of a segment.

    Attributes:
        memory: the bytes that are shown. It is the range's owner: the addresses stay as long as anybody has it.
    """

    def __init__(self, segment: Segment, length: int) -> None:
        try:
            self.memory = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError as error:
            raise _refusal(segment, length, error) from error
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.show(segment)

    def show(self, segment: Segment) -> None:
        """Show a segment in place of what was there, with every page present at once.

        In one step for all threads: a byte that is read or written is of the one segment or the other.

        Raises:
            RingMemory: the operating system has no room for the map; what was shown is still there.
            RingCorrupt: the segment is shorter than the range.
            RingError: the segment cannot be opened a second time.
        """
        length = len(self.memory)
        if segment.size < length:
            raise RingCorrupt(f"{segment.where} is truncated: {segment.size} bytes", REMOVE)
        protection = mmap.PROT_READ | mmap.PROT_WRITE
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE | _MAP_FIXED
        # Through an open file of its own: a map keeps its file open, and with that the lock, in forked children too.
        with segment.reopen() as mapped:
            address = _LIBC.mmap(self._address, length, protection, flags, mapped.fileno(), 0)
        if address == _FAILED:
            number = ctypes.get_errno()
            raise _refusal(segment, length, OSError(number, os.strerror(number)))


def _refusal(segment: Segment, length: int, error: OSError) -> RingMemory:
    hint = "check the limits of this process (ulimit -v -n, vm.max_map_count)"
    return RingMemory(f"{segment.where}: {length:,} bytes cannot be mapped: {error}", hint)
