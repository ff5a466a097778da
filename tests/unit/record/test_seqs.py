"""Sets of records, against plain sets of numbers."""

from hypothesis import given
from hypothesis import strategies as st

from ringbuf.record.seqs import Range, SeqSet

RANGES = st.lists(st.builds(Range, st.integers(1, 3), st.integers(0, 40), st.integers(0, 12)), max_size=8)
Ranges = list[Range]


def members(seqs: SeqSet | Ranges) -> set[tuple[int, int]]:
    ranges = seqs.ranges if isinstance(seqs, SeqSet) else seqs
    return {(each.session, seq) for each in ranges for seq in range(each.first_seq, each.end)}


@given(RANGES)
def test_a_set_holds_the_records_of_its_ranges_in_as_few_sorted_ranges_as_possible(ranges: Ranges) -> None:
    seqs = SeqSet(ranges)
    assert members(seqs) == members(ranges)
    assert seqs.count == len(members(ranges))
    assert bool(seqs) == bool(members(ranges))
    assert seqs.end == max(members(ranges), default=(0, -1))[1] + 1
    edges = [(each.session, edge) for each in seqs.ranges for edge in (each.first_seq, each.end)]
    assert edges == sorted(set(edges)), "ranges overlap, touch, or are empty"


@given(RANGES, RANGES)
def test_union_difference_and_intersection_are_those_of_sets(a: Ranges, b: Ranges) -> None:
    assert members(SeqSet(a) | SeqSet(b)) == members(a) | members(b)
    assert members(SeqSet(a) - SeqSet(b)) == members(a) - members(b)
    assert members(SeqSet(a) & SeqSet(b)) == members(a) & members(b)


@given(RANGES, RANGES)
def test_sets_of_the_same_records_are_equal(a: Ranges, b: Ranges) -> None:
    assert (SeqSet(a) == SeqSet(b)) == (members(a) == members(b))


def test_numbers_up_to_the_end_of_u64_are_exact() -> None:
    top = 2**64
    left = SeqSet([Range(top - 1, 0, top)]) - SeqSet([Range.between(top - 1, 5, top - 1)])
    assert left.ranges == (Range(top - 1, 0, 5), Range(top - 1, top - 1, 1))


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 9))
def test_a_range_is_cut_into_parts_that_follow_each_other(first: int, count: int, size: int) -> None:
    parts = Range(7, first, count).cut(size)
    assert [seq for part in parts for seq in range(part.first_seq, part.end)] == list(range(first, first + count))
    assert all(0 < part.count <= size for part in parts)
