"""How far back a ledger knows whether a report was there before."""

from typing import Final

REPORTS: Final = 100
"""The time now is the middle one of those of so many reports, so that a venue's wrong time does no harm."""
_FOR_EVER: Final = 1 << 63


class LookBack:
    """The time by the venues' clocks, and what is too old to be known.

    Args:
        length_ns: None if all is known for ever.

    Attributes:
        before_ns: what was last heard of before this time may be forgotten; ns since the epoch.
    """

    def __init__(self, length_ns: int | None) -> None:
        self._length_ns = length_ns
        self._times: list[int] = []
        self._now_ns = 0
        self.before_ns = 0

    def hear(self, exchange_ns: int) -> int:
        """When a report is heard: at its venue time, 0 if it has none, or at the time of those before it."""
        if exchange_ns and self._length_ns is not None:
            self._times.append(exchange_ns)
            if len(self._times) == REPORTS:
                self._now_ns = sorted(self._times)[REPORTS // 2]
                self.before_ns = max(self.before_ns, self._now_ns - self._length_ns)
                self._times.clear()
        self._now_ns = self._now_ns or exchange_ns
        return max(exchange_ns, self._now_ns) or _FOR_EVER
