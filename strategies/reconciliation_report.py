"""What a reconciliation found, and what stays in doubt."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from ringbuf.strategies.venue_queries import Failure, Update
from ringbuf.trading.order_state import OrderState
from ringbuf.trading.report import Instrument


class Doubt(NamedTuple):
    """An order of which it is not known what became of it. It counts as open.

    Attributes:
        page: the order as it counts.
        why: one line.
    """

    page: OrderState
    why: str


class Difference(NamedTuple):
    """A position that is not the same here and at the venue; signed quantities."""

    position: Instrument
    ours: Decimal
    venue: Decimal


@dataclass
class Reconciliation:
    """What was found, and what was applied.

    Attributes:
        updates: all that was applied, in this order: what the venue told and was news, inferred fills, ends.
        known: how many answers told nothing new, and were not applied.
        inferred: the updates that are inferred fills.
        ended: the updates that say that an order is over because the venue does not list it.
        doubts: orders that stay open because nobody knows.
        differences: positions that differ, after all that.
        failures: queries that were not answered.
        refused: answers that no page takes, each with the reason.
    """

    updates: list[Update] = field(default_factory=list)
    known: int = 0
    inferred: list[Update] = field(default_factory=list)
    ended: list[Update] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    refused: list[tuple[Update, str]] = field(default_factory=list)

    @property
    def is_sure(self) -> bool:
        """Whether all was answered, and strategy and venue agree."""
        return not (self.doubts or self.differences or self.failures or self.refused)
