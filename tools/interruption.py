"""What Ctrl-C does to the command: it ends at once, or raises KeyboardInterrupt where something must be put in order.

Imported before anything else, so this imports as little as possible.
"""

import os
import signal

INTERRUPTED = 130


def end_quietly(number: int, frame: object) -> None:
    """A handler for Ctrl-C where nothing must be cleaned up: an exception may end up anywhere in an import."""
    os._exit(INTERRUPTED)


def expect_nothing_to_clean_up() -> None:
    """From here on Ctrl-C ends the process at once."""
    signal.signal(signal.SIGINT, end_quietly)


def allow_cleaning_up() -> None:
    """From here on Ctrl-C raises KeyboardInterrupt, unless somebody else handles it already."""
    if signal.getsignal(signal.SIGINT) is end_quietly:
        signal.signal(signal.SIGINT, signal.default_int_handler)
