"""A position: what is held of an instrument, what its open orders may still change, and the sums it comes from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from ringbuf.record.enumerations import Side
from ringbuf.trading.fill_sequence import Placed
from ringbuf.trading.number import ZERO, is_countable, quote_of
from ringbuf.trading.order_state import OrderState
from ringbuf.trading.rank import Place
from ringbuf.trading.report import Commission, Instrument
from ringbuf.trading.trade import Fill

_BUY: Final = Side.BUY  # an attribute of an enumeration is slow to ask for
_SELL: Final = Side.SELL
_UNKNOWN: Final = Side.UNKNOWN
_new: Final = tuple.__new__
"""Makes a named tuple of a tuple, in a third of the time of its own call; for those that each report makes."""


class Position(NamedTuple):
    """The signed quantity held, and the unsigned ones by which open orders may still change it.

    Attributes:
        open_buy, open_sell: what may still trade, with what is awaited.
        awaited_buy, awaited_sell: executed by an order's total, its fill yet to come.
    """

    quantity: Decimal = ZERO
    open_buy: Decimal = ZERO
    open_sell: Decimal = ZERO
    awaited_buy: Decimal = ZERO
    awaited_sell: Decimal = ZERO


NOTHING: Final = Position()


class Sums(NamedTuple):
    """Sums over the fills of a position.

    Attributes:
        bought_quote, sold_quote: of price x quantity, over the fills that have a price whose product can be summed.
        unpriced: number of fills that do not.
        ignored: number of fills whose quantity cannot be summed, or whose side nobody told.
        commissions: by currency; positive is paid, negative a rebate.
    """

    bought_quantity: Decimal = ZERO
    sold_quantity: Decimal = ZERO
    bought_quote: Decimal = ZERO
    sold_quote: Decimal = ZERO
    fills: int = 0
    unpriced: int = 0
    ignored: int = 0
    commissions: Mapping[str, Decimal] = {}


class Entry(NamedTuple):
    """What one fill adds to a position; quantity 0 if it is ignored. It has a place if somebody asks for profit."""

    key: Instrument
    side: Side
    quantity: Decimal
    price: Decimal | None
    commissions: tuple[Commission, ...]
    place: Place | None

    @property
    def placed(self) -> Placed | None:
        """The fill as one of a sequence; None if it has no place there."""
        if self.place is None:
            return None
        return Placed(self.place, self.quantity if self.side is Side.BUY else -self.quantity, self.price)


@dataclass(slots=True)
class Holding:
    """The running sums of one position.

    Attributes:
        funding: paid, by currency; negative if it was received.
        position: as readers see it, which may be other threads.
        changed_ns: the venue time of the report that changed it last; 0 if that told none.
    """

    bought_quantity: Decimal = ZERO
    sold_quantity: Decimal = ZERO
    bought_quote: Decimal = ZERO
    sold_quote: Decimal = ZERO
    fills: int = 0
    unpriced: int = 0
    ignored: int = 0
    commissions: dict[str, Decimal] = field(default_factory=dict)
    open_buy: Decimal = ZERO
    open_sell: Decimal = ZERO
    awaited_buy: Decimal = ZERO
    awaited_sell: Decimal = ZERO
    funding: dict[str, Decimal] = field(default_factory=dict)
    position: Position = NOTHING
    changed_ns: int = 0

    def show(self, venue_ns: int) -> None:
        """Let readers see what it comes to now, after a report of this venue time."""
        quantity = self.bought_quantity - self.sold_quantity
        self.position = _new(Position, (quantity, self.open_buy, self.open_sell, self.awaited_buy, self.awaited_sell))
        self.changed_ns = venue_ns

    @property
    def sums(self) -> Sums:
        """As readers see them."""
        bought, sold = (self.bought_quantity, self.sold_quantity), (self.bought_quote, self.sold_quote)
        return Sums(*bought, *sold, self.fills, self.unpriced, self.ignored, dict(self.commissions))

    def count(self, entry: Entry, times: int) -> None:
        """Add a fill, or with `times` -1 take it out."""
        if not entry.quantity:
            self.ignored += times
            return
        self.fills += times
        quantity = entry.quantity
        quote = None if entry.price is None else quote_of(entry.price, quantity)
        if quote is None:
            self.unpriced += times
            quote = ZERO
        if times < 0:
            quantity, quote = -quantity, -quote
        if entry.side is _BUY:
            self.bought_quantity += quantity
            self.bought_quote += quote
        else:
            self.sold_quantity += quantity
            self.sold_quote += quote
        _add(self.commissions, entry.commissions, times)

    def pay(self, amounts: Iterable[Commission], times: int) -> None:
        """Add a payment of funding, or with `times` -1 take it out."""
        _add(self.funding, amounts, times)

    def open(self, order: OrderState) -> None:
        """Add what is open of an order."""
        if order.side is _BUY:
            self.open_buy += order.open
            self.awaited_buy += order.awaited
        elif order.side is _SELL:
            self.open_sell += order.open
            self.awaited_sell += order.awaited

    def close(self, order: OrderState) -> None:
        """Take out what was open of an order."""
        if order.side is _BUY:
            self.open_buy -= order.open
            self.awaited_buy -= order.awaited
        elif order.side is _SELL:
            self.open_sell -= order.open
            self.awaited_sell -= order.awaited


def _add(sums: dict[str, Decimal], amounts: Iterable[Commission], times: int) -> None:
    for amount, currency in amounts:
        sums[currency] = sums.get(currency, ZERO) + times * amount


def entry_of(fill: Fill, *, is_placed: bool) -> Entry | None:
    """What a fill adds to a position, with its place if that is asked for; None if it is a copy, or was taken back."""
    if not fill.counted and not fill.is_ignored:
        return None
    key, side = fill.position(), fill.traded_side
    if side is _UNKNOWN or fill.is_ignored:
        return Entry(key, side, ZERO, None, (), None)
    paid = tuple([each for each in fill.commissions() if is_countable(each.amount)])
    return _new(Entry, (key, side, fill.counted, fill.counted_price, paid, fill.place() if is_placed else None))
