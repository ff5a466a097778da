"""Where the command `ringbuf` begins. Ctrl-C ends it quietly, also before anything of it has been imported.

So this imports as little as possible, and so does the package itself.
"""

import os
import signal

INTERRUPTED = 130


def end_quietly(number: int, frame: object) -> None:
    """A handler for Ctrl-C where nothing must be cleaned up: an exception may end up anywhere in an import."""
    os._exit(INTERRUPTED)


def main() -> None:
    """Run the command."""
    signal.signal(signal.SIGINT, end_quietly)
    from ringbuf.tools.cli import main as command

    try:
        command()
    finally:
        signal.signal(signal.SIGINT, end_quietly)


def allow_cleaning_up() -> None:
    """From here on Ctrl-C raises KeyboardInterrupt, if this process was started by `main`."""
    if signal.getsignal(signal.SIGINT) is end_quietly:
        signal.signal(signal.SIGINT, signal.default_int_handler)
