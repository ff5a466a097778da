"""A hedge: in which instrument what an order executes is hedged, at which ratio, and in which quantities."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from ringbuf.errors import ConfigurationError
from ringbuf.record.enumerations import OrderType, Side
from ringbuf.trading.number import EXACT, NOTHING, ZERO, is_exact
from ringbuf.trading.order_state import OrderState
from ringbuf.trading.report import Instrument, instrument_named

SIGNS: Final = {Side.BUY: 1, Side.SELL: -1, Side.UNKNOWN: 0}
OTHER: Final = {Side.BUY: Side.SELL, Side.SELL: Side.BUY, Side.UNKNOWN: Side.UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """How an order, the maker order, is hedged.

    Attributes:
        exchange, account, symbol: of the hedge instrument. All that is hedged there shares one balance.
        ratio: quantity to hedge for an executed quantity of 1. A negative one turns the side round.
        step: of the quantities of the hedge instrument.
        minimum_quantity, minimum_notional: of a hedge order; the second one is in price x quantity. What is due and
            less is carried.
        side: of the hedge, for what the maker order executes; if not given, the other side than the maker's.
        order_type: of hedge orders.

    Raises:
        ConfigurationError: a name is empty, a number is none, the step is not above zero, a minimum is below zero, the
            ratio is zero, or side or type is no member of its enumeration: a word would hedge the wrong way.
    """

    exchange: str
    account: str
    symbol: str
    step: Decimal
    ratio: Decimal | Fraction = Decimal(1)
    minimum_quantity: Decimal = ZERO
    minimum_notional: Decimal = ZERO
    side: Side = Side.UNKNOWN
    order_type: OrderType = OrderType.MARKET

    def __post_init__(self) -> None:
        names: tuple[object, ...] = self.exchange, self.account, self.symbol
        if not all(isinstance(each, str) and each for each in names):
            raise ConfigurationError(f"a hedge in {names} names no instrument", "give texts, and name what is empty")
        for name, kind in (("side", Side), ("order_type", OrderType)):
            if not isinstance(getattr(self, name), kind):
                members = ", ".join(f"{kind.__name__}.{each.name}" for each in kind)
                raise ConfigurationError(f"{name} of a hedge is {getattr(self, name)!r}", f"give one of {members}")
        for name in ("step", "ratio", "minimum_quantity", "minimum_notional"):
            number = getattr(self, name)
            if not is_exact(number) and not (name == "ratio" and isinstance(number, Fraction)):
                raise ConfigurationError(f"{name} of a hedge is {number!r}", "give a Decimal of 38 decimals at most")
        if self.step <= 0 or self.minimum_quantity < 0 or self.minimum_notional < 0 or self.ratio == 0:
            raise ConfigurationError(
                f"a hedge has the step {self.step}, the ratio {self.ratio} and the minima {self.minimum_quantity} and"
                f" {self.minimum_notional}",
                "give a step above 0, minima from 0 on, and a ratio other than 0",
            )

    @property
    def instrument(self) -> Instrument:
        """The hedge instrument, by its names as reports have them."""
        return instrument_named(self.exchange, self.account, self.symbol)

    def ratio_of(self, maker: Side) -> Decimal | Fraction:
        """The ratio for a maker order of a side: below zero if it is hedged on its own side."""
        if self.side in (Side.UNKNOWN, OTHER[maker]):
            return self.ratio
        return self.ratio.copy_negate() if isinstance(self.ratio, Decimal) else -self.ratio

    def owed(self, maker: OrderState) -> Fraction:
        """What is to be hedged for all that the maker order has executed; a sale is below zero."""
        return -SIGNS[maker.side] * Fraction(maker.executed) * Fraction(self.ratio_of(maker.side))

    def order_quantity(self, balance: Fraction, price: Decimal | None) -> Decimal:
        """What of a balance is due: cut to the step towards zero; 0 if it is less than a minimum.

        Args:
            price: of the hedge instrument, for the minimum notional; None if it is not known, then that is left to the
                venue.
        """
        quantity = EXACT.multiply(Decimal(int(balance / Fraction(self.step))), self.step)
        if quantity.copy_abs() < self.minimum_quantity:
            return ZERO
        if price is not None and EXACT.abs(EXACT.multiply(quantity, price)) < self.minimum_notional:
            return ZERO
        return quantity


class HedgeEntry(NamedTuple):
    """What one order adds to the balance of a hedge instrument: a maker order to `owed`, a hedge order to the rest."""

    key: Instrument
    owed: Fraction = NOTHING
    filled: Decimal = ZERO
    working: Decimal = ZERO


class HedgeBalance(NamedTuple):
    """What is hedged in one instrument; sales are below zero.

    Attributes:
        owed: what maker orders executed, each times its ratio.
        filled: what hedge orders executed.
        working: what may still trade of hedge orders.
        balance: what is left to be hedged, kept on its own.
    """

    owed: Fraction = NOTHING
    filled: Decimal = ZERO
    working: Decimal = ZERO
    balance: Fraction = NOTHING

    @property
    def is_whole(self) -> bool:
        """Whether owed = filled + working + balance, exactly."""
        return self.owed == Fraction(self.filled) + Fraction(self.working) + self.balance
