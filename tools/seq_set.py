"""Sets of sequence numbers, kept as ranges: what an audit calculates with."""

from collections.abc import Iterable
from typing import Self


class SeqSet:
    """A set of seqs of one session, immutable.

    Args:
        ranges: half-open, `(begin, end)`, in any order; they may overlap, and empty ones count for nothing.

    Attributes:
        ranges: the same seqs in as few ranges as possible, sorted.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        merged: list[tuple[int, int]] = []
        for begin, end in sorted(each for each in ranges if each[0] < each[1]):
            if merged and begin <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((begin, end))
        self.ranges = tuple(merged)

    @property
    def count(self) -> int:
        """Number of seqs."""
        return sum(end - begin for begin, end in self.ranges)

    @property
    def end(self) -> int:
        """One more than the highest seq, 0 if there is none."""
        return self.ranges[-1][1] if self.ranges else 0

    def __or__(self, other: Self) -> Self:
        """The seqs that are in either."""
        return type(self)(self.ranges + other.ranges)

    def __sub__(self, other: Self) -> Self:
        """The seqs that are here and not in the other."""
        left: list[tuple[int, int]] = []
        removed = iter(other.ranges)
        hole = next(removed, None)
        for begin, end in self.ranges:
            while hole is not None and hole[0] < end:
                left.append((begin, hole[0]))
                begin = max(begin, hole[1])
                if hole[1] >= end:
                    break  # it may reach into the next range too
                hole = next(removed, None)
            left.append((begin, end))
        return type(self)(left)

    def __and__(self, other: Self) -> Self:
        """The seqs that are in both."""
        return self - (self - other)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SeqSet) and self.ranges == other.ranges

    def __hash__(self) -> int:
        return hash(self.ranges)

    def __repr__(self) -> str:
        return f"SeqSet({list(self.ranges)})"
