"""TCP ports for servers that are started here."""

import random
import socket
from contextlib import suppress

from ringbuf.errors import ConfigurationError


def free_port() -> int:
    """A TCP port nobody listens on, outside the range of outgoing connections, so that it stays free.

    Raises:
        ConfigurationError: none was found.
    """
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ConfigurationError("100 ports tried, none is free", "see what listens: ss -ltn")
