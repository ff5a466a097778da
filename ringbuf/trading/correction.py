"""The corrections of one trade: of each value the latest that gives it counts.

One that another change of the trade names is older than that one, else venue time decides, then arrival. Copies of a
correction are as early as the first of them.
"""

from decimal import Decimal
from typing import Final, NamedTuple

from ringbuf.trading.order import NO_NAMES, Order
from ringbuf.trading.rank import Moment
from ringbuf.trading.report import Report

ANY: Final = Moment(0, 0)


class Correction(NamedTuple):
    """A correction of a trade: its own id, when it was, and the price and quantity that it gives."""

    own_id: str
    exchange_ns: int
    moment: Moment
    price: Decimal | None
    quantity: Decimal | None

    def is_copy_of(self, other: "Correction") -> bool:
        """Whether they differ in their arrival at most."""
        return self._replace(moment=ANY) == other._replace(moment=ANY)


class CorrectedCommissions(NamedTuple):
    """A report of a correction that tells a commission.

    Attributes:
        named: the order that it names; None if it names none.
    """

    correction: Correction
    named: Order | None
    report: Report

    @property
    def order(self) -> Order | None:
        """That order, or the one that it turned out to be."""
        return None if self.named is None else self.named.now

    def is_copy_of(self, other: "CorrectedCommissions") -> bool:
        """Whether they tell the same."""
        return (
            self.report.commissions == other.report.commissions
            and self.order is other.order
            and self.correction.is_copy_of(other.correction)
        )


class Corrections:
    """Those of one trade.

    Attributes:
        named: the ids that its changes refer to.
    """

    __slots__ = ("_commissions", "_given", "named")

    def __init__(self) -> None:
        self.named = NO_NAMES
        self._given: tuple[Correction, ...] = ()
        self._commissions: tuple[CorrectedCommissions, ...] = ()

    @property
    def price(self) -> Correction | None:
        """The one that gives the price."""
        return self._latest([each for each in self._given if each.price is not None])

    @property
    def quantity(self) -> Correction | None:
        """The one that gives the quantity."""
        return self._latest([each for each in self._given if each.quantity is not None])

    def commissions(self) -> list[CorrectedCommissions]:
        """The reports that tell a commission, the latest first; of copies of one correction the first that counts."""
        told = sorted(self._commissions, key=lambda each: each.report.rank)
        return sorted(told, key=lambda each: self._age(self._first(each.correction)), reverse=True)

    def add(self, report: Report, order: Order | None) -> bool:
        """Take a correction that names this order; whether it is news."""
        new = _correction(report)
        is_news = self._first(new) is new
        if is_news:
            self._given = (*self._given, new)
        if report.commissions != (None, None):
            self._tell(CorrectedCommissions(new, order, report))
        return is_news

    def has_heard(self, report: Report, order: Order | None) -> bool:
        """Whether a correction that names this order was there before, with the same commissions if it tells any."""
        told = _correction(report)
        if report.commissions == (None, None):
            return self._first(told) is not told
        its = CorrectedCommissions(told, order, report)
        return any(each.is_copy_of(its) for each in self._commissions)

    def absorb(self, other: "Corrections") -> None:
        """Take what was known under another id of the same trade."""
        self.named |= other.named
        for each in other._given:
            first = self._first(each)
            if each.moment < first.moment:
                self._given = tuple([known for known in self._given if known is not first])
                first = each
            if first is each:
                self._given = (*self._given, each)
        for told in other._commissions:
            self._tell(told)

    def forget(self, order: Order) -> None:
        """What they told of the commissions of an order that is dropped is nothing to another one."""
        self._commissions = tuple([each for each in self._commissions if each.order is not order])

    def _tell(self, new: CorrectedCommissions) -> None:
        copy = next((each for each in self._commissions if each.is_copy_of(new)), None)
        if copy is None or new.report.rank < copy.report.rank:
            self._commissions = (*[each for each in self._commissions if each is not copy], new)

    def _first(self, correction: Correction) -> Correction:
        """The first of its copies; itself if there is none."""
        return next((each for each in self._given if each.is_copy_of(correction)), correction)

    def _latest(self, told: list[Correction]) -> Correction | None:
        return max(told, key=self._age, default=None)

    def _age(self, correction: Correction) -> tuple[bool, Moment]:
        return correction.own_id not in self.named, correction.moment


def _correction(report: Report) -> Correction:
    own = report.report_id or (report.trade_id if report.ref_id != report.trade_id else "")
    moment = Moment(report.exchange_ns, report.arrival)
    return Correction(own, report.exchange_ns, moment, report.last_price, report.last_quantity)
