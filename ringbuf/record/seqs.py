"""Which records: ranges of one session's sequence numbers, and sets of records."""

from collections.abc import Iterable
from dataclasses import dataclass
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

    @classmethod
    def between(cls, session: int, begin: int, end: int) -> Self:
        """The records of a session from seq `begin` on, up to the one before seq `end`."""
        return cls(session, begin, end - begin)

    def cut(self, size: int) -> "list[Range]":
        """The same records in ranges of at most `size`."""
        return [
            Range.between(self.session, begin, min(begin + size, self.end))
            for begin in range(self.first_seq, self.end, size)
        ]


class SeqSet:
    """A set of records of any sessions, kept as ranges of their seqs; immutable.

    Args:
        ranges: in any order; they may overlap, and empty ones count for nothing.

    Attributes:
        ranges: the same records in as few ranges as possible, sorted.
    """

    __slots__ = ("ranges",)

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        found: list[Range] = []
        for each in sorted(each for each in ranges if each.count > 0):
            last = found[-1] if found else None
            if last is not None and last.session == each.session and each.first_seq <= last.end:
                found[-1] = Range.between(last.session, last.first_seq, max(last.end, each.end))
            else:
                found.append(each)
        self.ranges = tuple(found)

    @property
    def count(self) -> int:
        """Number of records."""
        return sum(each.count for each in self.ranges)

    @property
    def end(self) -> int:
        """Seq behind the last record of the last session, 0 if there is none."""
        return self.ranges[-1].end if self.ranges else 0

    def by_session(self) -> "dict[int, SeqSet]":
        """The same records, those of each session for themselves."""
        ranges: dict[int, list[Range]] = {}
        for each in self.ranges:
            ranges.setdefault(each.session, []).append(each)
        return {session: SeqSet(each) for session, each in ranges.items()}

    def __or__(self, other: Self) -> Self:
        """The records that are in either."""
        return type(self)(self.ranges + other.ranges)

    def __sub__(self, other: Self) -> Self:
        """The records that are here and not in the other."""
        left: list[Range] = []
        removed = iter(other.ranges)
        hole = next(removed, None)
        for each in self.ranges:
            begin = each.first_seq
            while hole is not None and (hole.session, hole.first_seq) < (each.session, each.end):
                if hole.session == each.session:
                    left.append(Range.between(each.session, begin, hole.first_seq))
                    begin = max(begin, hole.end)
                    if hole.end >= each.end:
                        break  # it may reach into the next range too
                hole = next(removed, None)
            left.append(Range.between(each.session, begin, each.end))
        return type(self)(left)

    def __and__(self, other: Self) -> Self:
        """The records that are in both."""
        return self - (self - other)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SeqSet) and self.ranges == other.ranges

    def __hash__(self) -> int:
        return hash(self.ranges)

    def __repr__(self) -> str:
        return f"SeqSet({list(self.ranges)})"
