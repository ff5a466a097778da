"""Client order ids: no two processes, hosts or starts ever give the same, and each fits the venue it is for.

An id is written from one number of 63 bits: the host, a number that the process claimed when it started, and a counter.
So making one takes no lock, no file and no clock. `ringbuf.strategies.venues` says how each venue wants it written.

    ids = ClientOrderIds("okx", "mm-btc", host=1, directory="/var/lib/ringbuf/ids")
    client_order_id = ids.next()
    ids.decode(client_order_id).strategy   # "mm-btc"
"""

import os
import threading
from collections.abc import Iterator
from typing import Final, NamedTuple

from ringbuf.errors import ConfigurationError
from ringbuf.strategies.arguments import check_kind
from ringbuf.strategies.id_format import Core, IdFormat
from ringbuf.strategies.process_numbers import ProcessNumbers
from ringbuf.strategies.venues import id_format

_LONGEST_NAME: Final = 32


class ClientOrderId(NamedTuple):
    """What an id of ours says.

    Attributes:
        strategy: whose order it is; None if its process number was not claimed in this directory.
        host, process, counter: see `Core`.
        sequence: grows with each id of a host, as long as the process numbers of the format do not begin again; of one
            process number it has no gap.
    """

    strategy: str | None
    host: int
    process: int
    counter: int
    sequence: int


class _Block(NamedTuple):
    """The ids of one process number."""

    pid: int
    process: int
    counters: Iterator[int]


class ClientOrderIds:
    """Makes the client order ids of one strategy at one venue. Any thread may use it, and a forked child, too.

    Args:
        venue: its name in `ringbuf.strategies.venues`, or the format itself, of a venue that is not there.
        strategy: its name, as given to `Recorder.bind`.
        host: a number of its own for each host that trades for the same accounts. How many there can be is up to the
            venue: 32,768 where there is room, 256 at Bitfinex, 16 at dYdX.
        directory: where the claimed process numbers of the host are kept: one for all its strategies and venues.

    Raises:
        ConfigurationError: the venue is not known; host or name do not fit; or the directory cannot be used.
    """

    def __init__(self, venue: str | IdFormat, strategy: str, *, host: int, directory: str | os.PathLike[str]) -> None:
        self.format = venue if isinstance(venue, IdFormat) else id_format(venue)
        check_kind("strategy", strategy, str)
        check_kind("host", host, int)
        _check(strategy, host, self.format)
        self._host = host
        self._strategy = strategy
        self._numbers = ProcessNumbers(directory, host)
        self._hosts = {host: self._numbers}
        self._lock = threading.RLock()
        self._block = self._claim()

    def next(self) -> str:
        """An id that nobody has given before.

        Raises:
            ConfigurationError: all ids of the process number are used up (16,777,215 where there is room, 1,023 at
                dYdX), and no other can be claimed.
        """
        while True:
            block = self._block
            counter = next(block.counters, None)
            if counter is not None and block.pid == os.getpid():
                return self.format.encode(Core(self._host, block.process, counter))
            self._replace(block)

    def decode(self, client_order_id: str | int) -> ClientOrderId | None:
        """What an id says; None if it was not made here or at another host in this format.

        Where a venue has room, other ids are told by a checksum of 10 bits or more; an integer has no room for it.

        Raises:
            ConfigurationError: the directory cannot be read.
        """
        core = self.format.decode(str(client_order_id))
        if core is None:
            return None
        layout = self.format.layout
        numbers = self._hosts.get(core.host)
        if numbers is None:
            numbers = self._hosts[core.host] = ProcessNumbers(self._numbers.path.parent, core.host)
        sequence = core.process << layout.counter_bits | core.counter
        return ClientOrderId(numbers.strategy(core.process, layout.processes), *core, sequence)

    def _claim(self) -> _Block:
        return _Block(os.getpid(), self._numbers.claim(self._strategy), iter(range(1, self.format.layout.counters)))

    def _replace(self, used: _Block) -> None:
        if used.pid != os.getpid():
            self._lock = threading.RLock()  # a fork may have copied it while another thread had it
        with self._lock:
            if self._block is used:
                self._block = self._claim()


def _check(strategy: str, host: int, its: IdFormat) -> None:
    if not 0 <= host < its.layout.hosts:
        raise ConfigurationError(
            f"the host number {host} does not fit into client order ids of this venue",
            f"number the hosts from 0 to {its.layout.hosts - 1}",
        )
    is_text = strategy.isprintable() and strategy == strategy.strip()
    if not strategy or not is_text or len(strategy.encode()) > _LONGEST_NAME:
        raise ConfigurationError(
            f"{strategy!r} is no name of a strategy", f"give 1 to {_LONGEST_NAME} bytes that can be printed"
        )
