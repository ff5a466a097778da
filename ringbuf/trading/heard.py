"""A report that was applied, and what the rules found about it."""

from typing import NamedTuple

from ringbuf.trading.column import Row
from ringbuf.trading.order import Order
from ringbuf.trading.rank import Rank
from ringbuf.trading.report import Report
from ringbuf.trading.trade import Fill


class Heard(NamedTuple):
    """One report after it was applied.

    Attributes:
        row: the record.
        order: the order it is about, as far as was known when it came; None if it names none.
        rank: how late it is among the reports of its order.
        is_news: whether it told something of the order's state.
        fill: the fill that it reports, or reports once more.
    """

    row: Row
    report: Report
    order: Order | None
    rank: Rank | None
    is_news: bool
    fill: Fill | None

    @property
    def order_now(self) -> Order | None:
        """Its order, as far as is known now."""
        return None if self.order is None else self.order.now

    @property
    def record_id(self) -> tuple[int, int]:
        """Session and seq."""
        return self.row["session"], self.row["seq"]
