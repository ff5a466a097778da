"""A position: what is held of an instrument, what its open orders may still change, and the sums it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from ringbuf.record.enumerations import Side
from ringbuf.trading.order import ZERO, Order
from ringbuf.trading.report import Commission, Instrument, decimals_of, is_countable
from ringbuf.trading.trade import Fill

PRODUCT_DECIMALS: Final = ((26, 26), (38, 14), (14, 38))
"""Decimals of price and quantity of which the database has the exact product: one of these pairs, or fewer."""
MOST_QUOTE: Final = 1e18
"""Products are summed if they are below it, whatever their sign."""


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
    """What one fill adds to the sums of a position."""

    key: Instrument
    side: Side
    quantity: Decimal
    quote: Decimal | None
    commissions: tuple[Commission, ...]


@dataclass(slots=True)
class Holding:
    """The running sums of one position."""

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

    @property
    def position(self) -> Position:
        """As readers see it."""
        quantity = self.bought_quantity - self.sold_quantity
        return Position(quantity, self.open_buy, self.open_sell, self.awaited_buy, self.awaited_sell)

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
        self.unpriced += times if entry.quote is None else 0
        quantity, quote = times * entry.quantity, times * (entry.quote or ZERO)
        if entry.side is Side.BUY:
            self.bought_quantity += quantity
            self.bought_quote += quote
        else:
            self.sold_quantity += quantity
            self.sold_quote += quote
        for amount, currency in entry.commissions:
            self.commissions[currency] = self.commissions.get(currency, ZERO) + times * amount

    def open(self, order: "Open", times: int) -> None:
        """Add what is open of an order, or with `times` -1 take it out."""
        if order.side is Side.BUY:
            self.open_buy += times * order.quantity
            self.awaited_buy += times * order.awaited
        elif order.side is Side.SELL:
            self.open_sell += times * order.quantity
            self.awaited_sell += times * order.awaited


class Open(NamedTuple):
    """What an order adds to the open quantities of a position."""

    key: Instrument
    side: Side
    quantity: Decimal
    awaited: Decimal


def entry_of(fill: Fill) -> Entry | None:
    """What a fill adds to a position; None if it is a copy, or the venue took it back."""
    if not fill.counted and not fill.is_ignored:
        return None
    side = fill.traded_side
    order = fill.order
    position = fill.position_side or order.position_side, fill.position_id or order.position_id
    key = order.instrument.position(*position)
    if side is Side.UNKNOWN or fill.is_ignored:
        return Entry(key, side, ZERO, None, ())
    paid = tuple(each[1] for each in fill.paid if each and is_countable(each[1].amount))
    return Entry(key, side, fill.counted, quote_of(fill.counted_price, fill.counted), paid)


def quote_of(price: Decimal | None, quantity: Decimal) -> Decimal | None:
    """Price x quantity, if it is summed."""
    if price is None or not is_countable(price) or abs(float(price)) * float(quantity) >= MOST_QUOTE:
        return None
    decimals = decimals_of(price), decimals_of(quantity)
    fits = any(decimals[0] <= most[0] and decimals[1] <= most[1] for most in PRODUCT_DECIMALS)
    return price * quantity if fits else None


def open_of(order: Order) -> Open:
    """What an order adds to the open quantities of its position."""
    key = order.instrument.position(order.position_side, order.position_id)
    awaited = order.awaited
    return Open(key, order.side, order.working + awaited, awaited)
