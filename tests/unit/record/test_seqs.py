"""The audit's arithmetic, against plain sets of numbers."""

from hypothesis import given
from hypothesis import strategies as st

from ringbuf.record.seqs import SeqSet

RANGES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)


def members(ranges: list[tuple[int, int]]) -> set[int]:
    return {seq for begin, end in ranges for seq in range(begin, end)}


@given(RANGES)
def test_a_set_holds_the_numbers_of_its_ranges_in_as_few_ranges_as_possible(ranges: list[tuple[int, int]]) -> None:
    seqs = SeqSet(ranges)
    assert members(list(seqs.ranges)) == members(ranges)
    assert seqs.count == len(members(ranges))
    assert seqs.end == max(members(ranges), default=-1) + 1
    edges = [edge for each in seqs.ranges for edge in each]
    assert edges == sorted(set(edges)), "ranges overlap, touch, or are empty"


@given(RANGES, RANGES)
def test_union_difference_and_intersection_are_those_of_sets(
    a: list[tuple[int, int]], b: list[tuple[int, int]]
) -> None:
    assert members(list((SeqSet(a) | SeqSet(b)).ranges)) == members(a) | members(b)
    assert members(list((SeqSet(a) - SeqSet(b)).ranges)) == members(a) - members(b)
    assert members(list((SeqSet(a) & SeqSet(b)).ranges)) == members(a) & members(b)


@given(RANGES, RANGES)
def test_sets_of_the_same_numbers_are_equal(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    assert (SeqSet(a) == SeqSet(b)) == (members(a) == members(b))


def test_numbers_up_to_the_end_of_u64_are_exact() -> None:
    top = 2**64
    assert (SeqSet([(0, top)]) - SeqSet([(5, top - 1)])).ranges == ((0, 5), (top - 1, top))
