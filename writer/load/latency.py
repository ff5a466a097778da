"""How long records take from their append to the acknowledgement of their insert."""

import threading
from typing import Any, Final

import numpy as np

from ringbuf.writer.load.batch import Insert

WINDOW: Final = 65_536
PER_INSERT: Final = 4_096


class Latency:
    """The latest `WINDOW` latencies, at most `PER_INSERT` of them, evenly spaced, from one insert."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._window = np.zeros(WINDOW)
        self._count = 0
        self._summary: tuple[int, dict[str, float | int | None]] = (
            0,
            {"p50": None, "p99": None, "max": None, "count": 0},
        )

    def observe(self, insert: Insert, acknowledged_ns: int) -> None:
        """Take the records of an acknowledged insert into account, if they carry `captured_ns`."""
        if "captured_ns" not in insert.schema.names or not insert.schema.is_time("captured_ns"):
            return
        columns = [np.frombuffer(payload, insert.schema.dtype)["captured_ns"] for payload in insert.body]
        captured = np.concatenate(columns)
        latencies = (acknowledged_ns - captured[:: -(-len(captured) // PER_INSERT)]) / 1e6
        with self._lock:
            at = (self._count + np.arange(len(latencies))) % WINDOW
            self._window[at] = latencies
            self._count += len(latencies)

    def summary(self) -> dict[str, float | int | None]:
        """Percentiles in milliseconds over the window (nearest rank); None before the first record."""
        with self._lock:
            count, summary = self._summary
            if count != self._count:
                summary = _summary(np.sort(self._window[: min(self._count, WINDOW)]))
                self._summary = self._count, summary
        return dict(summary)


def _summary(latencies: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float | int | None]:
    count = len(latencies)
    ranks = {"p50": -(-count * 50 // 100), "p99": -(-count * 99 // 100), "max": count}
    return {**{name: round(float(latencies[rank - 1]), 3) for name, rank in ranks.items()}, "count": count}
