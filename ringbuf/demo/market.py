"""The instruments of the two simulated exchanges, and how their prices wander."""

import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Final


@dataclass(frozen=True)
class Instrument:
    """One contract. Prices are counted in ticks and quantities in lots: integers, so that nothing is ever rounded.

    Attributes:
        tick, lot: steps of price (in the quote currency) and of quantity.
    """

    symbol: str
    tick: Decimal
    lot: Decimal

    def price(self, ticks: int) -> float:
        """The price as the venue writes it."""
        return float(ticks * self.tick)

    def quantity(self, lots: int) -> float:
        """The quantity as the venue writes it."""
        return float(lots * self.lot)


BITCOIN: Final = Instrument("BTC-PERPETUAL", Decimal("0.5"), Decimal("0.001"))
ETHER: Final = Instrument("ETH-PERPETUAL", Decimal("0.05"), Decimal("0.01"))
SOLANA: Final = Instrument("SOL-PERPETUAL", Decimal("0.01"), Decimal("0.1"))
OPENING_TICKS: Final = {BITCOIN: 128_000, ETHER: 68_000, SOLANA: 15_000}
"""The instruments of the first exchange, where the strategies make markets, and the best bid at which each begins."""

BITCOIN_SPOT: Final = Instrument("BTC-USD", Decimal("0.5"), Decimal("0.005"))
ETHER_SPOT: Final = Instrument("ETH-USD", Decimal("0.05"), Decimal("0.01"))
SOLANA_SPOT: Final = Instrument("SOL-USD", Decimal("0.01"), Decimal("1"))
HEDGE_OPENING_TICKS: Final = {BITCOIN_SPOT: 128_000, ETHER_SPOT: 68_000, SOLANA_SPOT: 15_000}
"""Likewise of the second one, where they hedge; its steps of quantity are other ones."""

MAKER_EXCHANGE: Final = "sim-perp"
HEDGE_EXCHANGE: Final = "sim-spot"
EXCHANGES: Final = {MAKER_EXCHANGE: OPENING_TICKS, HEDGE_EXCHANGE: HEDGE_OPENING_TICKS}

QUOTE_CURRENCY: Final = "USD"
MAKER_FEE: Final = Decimal("-0.0001")
"""Of the notional; negative: makers are paid."""
TAKER_FEE: Final = Decimal("0.0005")

_SPREAD: Final = 2
_STEP: Final = 3
_PULL: Final = 0.002


def steps(value: object, step: Decimal) -> int | None:
    """How many steps a number of a message is; None if it is no positive multiple of the step."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    count = Decimal(repr(value)) / step
    return int(count) if count.is_finite() and count > 0 and count == int(count) else None


class Market:
    """Best bid and ask of one instrument: a random walk, softly pulled back to where it started.

    Attributes:
        bid, ask: in ticks.
    """

    def __init__(self, instrument: Instrument, opening: int, random_source: random.Random) -> None:
        self.instrument = instrument
        self._random = random_source
        self.bid = self._opening = opening

    @property
    def ask(self) -> int:
        """Best ask in ticks."""
        return self.bid + _SPREAD

    def step(self) -> None:
        """Move by a few ticks."""
        self.bid += round(self._random.gauss(0, _STEP) + _PULL * (self._opening - self.bid))
