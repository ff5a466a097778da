"""Child processes of a benchmark. They leave Ctrl-C to the process that the user started, which ends them."""

import signal
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Final


class _Process(SpawnProcess):
    def start(self) -> None:
        resource_tracker.ensure_running()  # else `start` does so, and lets the signal through again
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a child begins with its starter's mask
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Context(SpawnContext):
    Process = _Process


SPAWN: Final = _Context()
