"""A quantity that is to be relied on has each fill once, whatever is heard when."""

import random

from tests.model.held_fills import HeldFills, summands


def test_a_quantity_that_is_not_stale_has_each_fill_that_was_heard_and_none_twice() -> None:
    for seed in range(300):
        HeldFills(random.Random(seed)).run()


def test_a_quantity_tells_which_fills_it_has() -> None:
    assert summands(9 - 3 + 1) == {2: 9, 1: -3, 0: 1}
    assert summands(2) == {1: 3, 0: -1}, "one twice is another one"
