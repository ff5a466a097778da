"""Many measurements of one thing, summarised in the few figures that are reported."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

Samples = np.ndarray[Any, np.dtype[np.float64]]

RARE: Final = 10_000
"""Measurements from which on the 99.99th percentile says anything."""


@dataclass(frozen=True)
class Distribution:
    """Percentiles of measurements, in their unit; each is a value that was really measured.

    Attributes:
        best: the median of the round with the lowest one. Whole rounds run slow on a shared machine, so this is what
            can be compared; all others are over all rounds together.
        p9999: None with fewer than `RARE` measurements.
    """

    count: int
    best: float
    p50: float
    p99: float
    p999: float
    p9999: float | None
    max: float

    @classmethod
    def of(cls, rounds: Sequence[Samples]) -> Self:
        """Summarise the measurements of at least one round, each with at least one."""
        samples = np.concatenate(rounds)
        p50, p99, p999, p9999 = (_percentile(samples, each) for each in (50, 99, 99.9, 99.99))
        return cls(
            count=len(samples),
            best=min(_percentile(each, 50) for each in rounds),
            p50=p50,
            p99=p99,
            p999=p999,
            p9999=p9999 if len(samples) >= RARE else None,
            max=float(samples.max()),
        )

    def scaled(self, factor: float) -> "Distribution":
        """The same in another unit."""
        return Distribution(
            self.count,
            self.best * factor,
            self.p50 * factor,
            self.p99 * factor,
            self.p999 * factor,
            None if self.p9999 is None else self.p9999 * factor,
            self.max * factor,
        )

    def figures(self) -> dict[str, Any]:
        """What a report shows: never a mean."""
        return {
            "best_p50": self.best,
            "p50": self.p50,
            "p99": self.p99,
            "p999": self.p999,
            "p9999": self.p9999,
            "max": self.max,
            "count": self.count,
        }


def distribution(samples: Iterable[float]) -> Distribution:
    """Summarise the measurements of a single round."""
    return Distribution.of([np.fromiter(samples, np.float64)])


def _percentile(samples: Samples, percent: float) -> float:
    return float(np.percentile(samples, percent, method="higher"))
