"""The fills that benchmarks record: the same values for every contender."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import Final, NamedTuple
from uuid import UUID

POOL: Final = 4096
MODULUS: Final = 1 << 64


class Fill(NamedTuple):
    """One fill, as a venue reports it. All ids are `str`."""

    order_status: str
    side: str
    liquidity: str
    last_price: float
    last_quantity: float
    cumulative_quantity: float
    commission: float
    client_order_id: str
    order_id: str
    trade_id: str
    commission_currency: str
    exchange_ns: int
    exchange_seq: int
    """Random, so that a tally over all fills tells whether a consumer got what was sent."""


@dataclass(frozen=True)
class Tally:
    """How many fills, and of their `exchange_seq` the exclusive or and the sum modulo 2^64.

    Either alone would miss something: the exclusive or a bit that is wrong in an even number of fills.
    """

    count: int
    xor: int
    sum: int

    def plus(self, seqs: Sequence[int]) -> "Tally":
        """The tally with some more fills."""
        return Tally(self.count + len(seqs), reduce(xor, seqs, self.xor), (self.sum + sum(seqs)) % MODULUS)


NOTHING: Final = Tally(0, 0, 0)


class FillStream:
    """An endless stream of fills, the same each time."""

    def __init__(self) -> None:
        self._random = random.Random(1)
        self._pool = [self._make(number) for number in range(POOL)]
        self._next = 0

    def take(self, count: int) -> list[Fill]:
        """The next fills."""
        taken = [self._pool[(self._next + index) % POOL] for index in range(count)]
        self._next += count
        return taken

    def _make(self, number: int) -> Fill:
        tick, lots = self._random.randint(-5_000, 5_000), self._random.randint(1, 20)
        return Fill(
            order_status=self._random.choice(["partially_filled", "filled"]),
            side=self._random.choice(["buy", "sell"]),
            liquidity=self._random.choice(["maker", "taker"]),
            last_price=64_000 + tick / 2,
            last_quantity=lots / 1_000,
            cumulative_quantity=lots / 500,
            commission=lots / 100_000,
            client_order_id=f"mm-btc-{number:08d}-{self._random.getrandbits(32):08x}",
            order_id=str(self._random.randint(10**18, 10**19 - 1)),
            trade_id=str(UUID(int=self._random.getrandbits(128))),
            commission_currency="USDT",
            exchange_ns=1_700_000_000_000_000_000 + self._random.getrandbits(50),
            exchange_seq=self._random.getrandbits(63),
        )
