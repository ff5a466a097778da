"""A relay in front of a server's TCP port, so that the server never sees the death of whoever is connected.

The library's server aborts when an incoming connection is reset, as that of a killed server may be. A real server does
not. The relay ends each connection in good order instead.
"""

import socket
import threading
from contextlib import suppress
from typing import Final

_PIECE: Final = 1 << 16


class Relay:
    """Passes connections on, until it is closed; those that there are stay.

    Attributes:
        port: where it listens.

    Args:
        target: port that it passes them on to.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                incoming, _ = self._listening.accept()
                threading.Thread(target=self._pass_on, args=(incoming,), name="relayed", daemon=True).start()

    def _pass_on(self, incoming: socket.socket) -> None:
        with incoming, suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as outgoing:
            for each in (incoming, outgoing):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else small pieces wait for 40 ms
            back = threading.Thread(target=_pump, args=(outgoing, incoming), name="relayed back", daemon=True)
            back.start()
            _pump(incoming, outgoing)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass bytes on until the source ends; what the target does not take any more is read all the same."""
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            with suppress(OSError):
                target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
