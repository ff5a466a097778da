"""Payments of funding: neither of a trade nor of an order, and they move no quantity.

One is told from others of its instrument by its trade id, or without one by its report id; else by its time, amounts
and currencies. Where there is no time either, each report is a payment of its own. Its amounts are those of the first
live copy that tells them, else of the first.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from ringbuf.trading.number import is_countable
from ringbuf.trading.report import Commission, Instrument, Report


@dataclass(slots=True, eq=False)
class Payment:
    """One payment of funding, from all its copies.

    Attributes:
        position: for which it was paid.
        identity: what it is known by; None if nothing tells it from others.
        amounts: with their rank among copies.
        heard_ns: when it was heard of last, by the venues' clocks.
        entry: what it adds to its position.
    """

    position: Instrument
    identity: Hashable
    amounts: tuple[int, tuple[Commission, ...]]
    heard_ns: int = 0
    entry: tuple[Commission, ...] = ()


@dataclass(slots=True)
class Payments:
    """Those of one instrument.

    Attributes:
        new: to which payments that are made are added.
    """

    new: list[Any]
    _known: dict[Hashable, Payment] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of payments that are known."""
        return len(self._known)

    def knows(self, report: Report) -> bool:
        """Whether the payment that a report is about is known."""
        return _identity(report) in self._known

    def apply(self, report: Report) -> Payment:
        """Take a report of a payment, or a copy of one."""
        identity = _identity(report)
        amounts = tuple(each for each in report.commissions if each is not None and is_countable(each.amount))
        told = report.rank if amounts else 1 << 63, amounts
        known = self._known.get(identity) if identity is not None else None
        if known is None:
            key = report.instrument.position(report.position_side, report.position_id)
            known = Payment(key, identity, told)
            if identity is not None:
                self._known[identity] = known
                self.new.append(known)
        known.heard_ns = max(known.heard_ns, report.heard_ns)
        known.amounts = min(known.amounts, told, key=lambda each: each[0])
        return known

    def forget(self, payment: Payment) -> None:
        """Drop one; what it added stays."""
        self._known.pop(payment.identity, None)


def _identity(report: Report) -> Hashable:
    if own := report.trade_id or report.report_id:
        return own
    return (report.exchange_ns, *report.commissions) if report.exchange_ns else None
