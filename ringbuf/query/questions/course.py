"""How a position went through a period: its totals before it, and after each part of it."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from ringbuf.trading.totals import Totals

WHOLE: Final = "all"
"""The part that is the whole period; others are days, as 2026-07-01."""


class PositionKey(NamedTuple):
    """What a position is kept for in the database; position side and id are empty where there is one position."""

    exchange: str
    account: str
    symbol: str
    position_side: str
    position_id: str
    strategy: str


class Course(NamedTuple):
    """How one position went.

    Attributes:
        opening: before the period.
        parts: each part of the period with fills, in their order, and the totals after it.
    """

    key: PositionKey
    opening: Totals
    parts: Sequence[tuple[str, Totals]]


def key_of(values: Sequence[str]) -> PositionKey:
    """The key that columns of the database tell."""
    exchange, account, symbol, side, position_id, strategy = values
    return PositionKey(exchange, account, symbol, "" if side == "unknown" else side, position_id, strategy)
