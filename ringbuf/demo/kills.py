"""What the demo does to its own processes while the strategies trade: one strategy and the writer are killed."""

import os
import signal
from contextlib import suppress
from typing import Final

from ringbuf.demo.monitor import Figures

STRATEGY_AT: Final = 0.25
WRITER_AT: Final = 0.5
"""When, as shares of the time that the strategies trade."""
LATEST_SECONDS: Final = 20.0


class Kills:
    """Kills each once, as `kill -9` does.

    Args:
        seconds: how long the strategies trade.

    Attributes:
        before: the figures just before the writer was killed, None until then.
    """

    def __init__(self, seconds: float) -> None:
        self._strategy_at = min(STRATEGY_AT * seconds, LATEST_SECONDS)
        self._writer_at = min(WRITER_AT * seconds, LATEST_SECONDS + 1)
        self._is_strategy_due = True
        self.before: Figures | None = None

    def look(self, figures: Figures) -> str | None:
        """Kill what is due by now; gives what was done, if anything."""
        if self._is_strategy_due and figures.seconds > self._strategy_at and figures.strategies:
            self._is_strategy_due = False
            name, pid = min(figures.strategies.items())
            return _kill(f"strategy {name}", pid)
        if self.before is None and figures.seconds > self._writer_at and figures.writer_pid is not None:
            self.before = figures
            return _kill("the writer", figures.writer_pid)
        return None


def _kill(what: str, pid: int) -> str:
    with suppress(ProcessLookupError):  # somebody else was faster
        os.kill(pid, signal.SIGKILL)
    return f"kill -9 {pid}: {what} is killed, starts again and goes on"
