"""Processes of their own for tests of rings, and a way to stop one at an exact step."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import FrameType
from typing import Any, Final

from ringbuf.record.schema import Schema

# A server that has everything imported forks each process: milliseconds, and nothing of the test process in it.
CONTEXT: Final = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([f"{__package__}.{path.stem}" for path in Path(__file__).parent.glob("test_*.py")])

_TRACED: Final = tuple(
    f"{name}.py"
    for name in ("attachment", "segment", "registry", "producer", "recreation", "consumer", "bound_recorder")
)

MARK: Final = Schema.define("marks", [("value", "u8"), ("echo", "u8"), ("text", "S8")])
"""`echo` is `value` with all bits turned, so that a torn record shows."""

ALL_BITS: Final = (1 << 64) - 1


def mark(value: int) -> dict[str, Any]:
    """The fields of a record of schema MARK."""
    return {"value": value, "echo": value ^ ALL_BITS, "text": str(value)[-8:]}


@contextmanager
def process(target: Callable[..., None], *args: Any) -> Iterator[ForkServerProcess]:
    """Run a function of a test module in a process of its own, which is gone when the block ends."""
    child = CONTEXT.Process(target=target, args=args, daemon=True)
    child.start()
    try:
        yield child
    finally:
        child.kill()
        child.join()
        child.close()


def signal_at(step: int, signum: int) -> Callable[[], None]:
    """Have this process sent a signal just before it comes to a certain line that deals with a ring.

    Args:
        step: how many such lines are run before; if there are not that many, nothing is sent.

    Returns:
        What to call to begin counting.
    """
    left = step

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.endswith(_TRACED):
            return None
        if event == "line":
            if left == 0:
                os.kill(os.getpid(), signum)
            left -= 1
        return trace

    return lambda: sys.settrace(trace)


def killed_at(step: int, target: Callable[..., None], *args: Any) -> bool:
    """Run `target(begin, *args)` in a process that is killed at a step of it, counted from its call of `begin()`.

    Returns:
        False if the target was done before.
    """
    with process(_kill_at, step, target, *args) as child:
        child.join()
        assert child.exitcode in (0, -signal.SIGKILL), f"process ended with {child.exitcode}"
        return child.exitcode != 0


def _kill_at(step: int, target: Callable[..., None], *args: Any) -> None:
    target(signal_at(step, signal.SIGKILL), *args)
    sys.settrace(None)
