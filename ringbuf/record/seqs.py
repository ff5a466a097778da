"""Sequence numbers of records: ranges of one session, and sets kept as ranges."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Self


@dataclass(frozen=True, order=True, slots=True)
class Range:
    """Consecutive records of one session: `count` of them from `first_seq` on."""

    session: int
    first_seq: int
    count: int

    @property
    def end(self) -> int:
        """Seq behind the last record."""
        return self.first_seq + self.count


def merged(ranges: Iterable[Range]) -> list[Range]:
    """The same records as sorted ranges, as few as possible; overlaps count once."""
    found: list[Range] = []
    for each in sorted(ranges):
        last = found[-1] if found else None
        if last is not None and last.session == each.session and each.first_seq <= last.end:
            found[-1] = Range(last.session, last.first_seq, max(last.end, each.end) - last.first_seq)
        else:
            found.append(each)
    return found


def gaps(wanted: Range, present: Iterable[int]) -> list[Range]:
    """The parts of a range whose seqs are not among the sorted `present`."""
    edges = [wanted.first_seq - 1, *(seq for seq in present if wanted.first_seq <= seq < wanted.end), wanted.end]
    return [Range(wanted.session, low + 1, high - low - 1) for low, high in pairwise(edges) if high > low + 1]


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
