"""What order pages remember: memory of an open order and of a closed one, and that it does not grow."""

import os
from decimal import Decimal
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Final, NamedTuple

from ringbuf.bench.spawn import AnsweringProcess
from ringbuf.bench.usage import Usage
from ringbuf.bench.venue_messages import PER_ORDER, orders
from ringbuf.strategies.orders import OrderPages

STEPS: Final = 10
FILLED_EVERY: Final = 10
DAY_NS: Final = 86_400 * 10**9


class Remembered(NamedTuple):
    """What is remembered after some orders.

    Attributes:
        orders: how many were applied.
        known: of how many the page is known, `open` ones of them.
        mb: memory of the process that is its own.
        is_right: whether what the positions bought and sold is what was traded, to the last digit.
    """

    orders: int
    known: int
    open: int
    mb: float
    is_right: bool


class RememberingProcess(AnsweringProcess):
    """Applies orders, one after another, and tells what it remembers: before, after a first part of them while they are
    open, and when they are filled; and then after each tenth of all. Of those nine in ten are canceled unfilled.

    Args:
        count: orders in all.
        held: orders that fill a look-back.
    """

    def __init__(self, count: int, held: int) -> None:
        super().__init__("the remembering", _serve, count, held)

    def remembered(self, seconds: float) -> Remembered:
        """Wait for the next."""
        found: Remembered = self.answer(seconds)
        return found


def _serve(connection: Connection, count: int, held: int) -> None:
    pages, gap_ns = OrderPages(), DAY_NS // held
    traded = Decimal(0)

    def tell(applied: int) -> None:
        sums = pages.inventory.sums().values()
        found = sum((each.bought_quantity + each.sold_quantity for each in sums), Decimal(0))
        known, mb = pages.inventory.orders(), Usage.of(os.getpid()).own_mb
        connection.send(Remembered(applied, len(known), len(pages.open_pages()), mb, found == traded))

    def apply(first: int, last: int, kinds: slice) -> None:
        nonlocal traded
        for each in orders(first, last - first, gap_ns):
            for update in each.updates()[kinds]:
                pages.apply(update)
            if kinds.stop == PER_ORDER:
                traded += Decimal(2 * each.lots) / 100

    apply(0, 1_000, slice(0, PER_ORDER))  # what is made once
    tell(1_000)
    apply(1_000, 1_000 + held // 2, slice(0, 2))
    tell(1_000 + held // 2)
    apply(1_000, 1_000 + held // 2, slice(2, PER_ORDER))
    tell(1_000 + held // 2)
    begin = 1_000 + held // 2
    ends = [begin + (count - begin) * step // STEPS for step in range(STEPS + 1)]
    for first, last in pairwise(ends):
        for each in orders(first, last - first, gap_ns):
            is_filled = each.number % FILLED_EVERY == 0
            for update in each.updates() if is_filled else each.canceled():
                pages.apply(update)
            traded += Decimal(2 * each.lots) / 100 if is_filled else 0
        tell(last)
