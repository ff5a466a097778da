"""Profit by average cost: a fold over the fills of one position, in the venue's order.

A quantity has a value at a price: for most contracts price x quantity, for an inverse one -quantity / price, so that
there, too, a long position gains when its value rises. The multiplier is left out until the figures are read.

    cost    the value of what is held, at the prices it was opened at
    cash    what was paid and received: each fill takes the value of its signed quantity out of it

    opening                 cost + value of the fill
    closing a part          cost x what is left / what was held: the average entry stays as it is
    more than is held       cost is the value of the rest at the new price
    realised                cash + cost
    unrealised at a mark    value of the quantity at the mark - cost
    average entry           the price at which the quantity has the value `cost`; harmonic for an inverse contract

So realised + unrealised = cash + value at the mark, whatever was rounded.

**Rounding.** Averages are fractions, and the denominators of a position that is never flat would grow without end. So
a fraction is kept as long as its denominator is at most 10**60, and is rounded half-even to 60 decimals when it is not.
Products have 52 decimals at most (`QUOTE_DECIMALS`), so the cash of all but inverse contracts is never rounded, and
what they have realised is exact whenever nothing is held. Otherwise each fill adds an error of at most half a unit of
the 60th decimal to cost and cash: after 10**8 fills it is less than one of the 52nd. Strategy and database run this
very code over the same fills in the same order, so they agree to the last digit.

A fill of which the price is not known, or cannot be summed, moves the quantity at the average entry, so it realises
nothing; where nothing is held it opens at a value of 0. It is counted in `unpriced`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import floor, gcd
from typing import Final, NamedTuple, TypeAlias

from ringbuf.errors import RecordError
from ringbuf.record.enumerations import ContractKind
from ringbuf.record.number import exact_number
from ringbuf.trading.contract import Contract
from ringbuf.trading.number import EXACT, KEPT, NOTHING, ZERO, is_countable, quote_of

DECIMALS: Final = 60
LARGEST_DENOMINATOR: Final = 10**DECIMALS
_HALF: Final = Fraction(1, 2)
_NONE: Final = (0, LARGEST_DENOMINATOR)
_TWOS: Final = 2**DECIMALS
_FIVES: Final = 5**DECIMALS
_SMALL: Final = 2**26
"""A decimal that is over at most this has at most 26 places; `PRODUCT_DECIMALS` allows both to have so many."""
_FEW: Final = 10**17
"""A price, and a product, of at most this is by far not too large to be summed."""

Ratio: TypeAlias = tuple[int, int]


class State(NamedTuple):
    """What is known of a position after some fills; enough to go on from.

    Attributes:
        quantity: signed.
        cost, cash: see above; without the multiplier.
        unpriced: number of fills without a price that counts.
        venue_cost, venue_cash: the same of the values that the venue rounds, with the multiplier; 0 if none.
    """

    quantity: Decimal = ZERO
    cost: Fraction = NOTHING
    cash: Fraction = NOTHING
    unpriced: int = 0
    venue_cost: Fraction = NOTHING
    venue_cash: Fraction = NOTHING

    def __str__(self) -> str:
        """Exact text; `read_state` gives the same state back."""
        return " ".join(f"{each.normalize(EXACT):f}" if isinstance(each, Decimal) else str(each) for each in self)


FLAT: Final = State()
"""Before the first fill."""


def read_state(text: str) -> State:
    """The state of which this is the text.

    Raises:
        RecordError: it is none.
    """
    try:
        quantity, cost, cash, unpriced, *venue = text.split(" ")
        venue_cost, venue_cash = map(_fraction, venue)
        found = State(Decimal(quantity), _fraction(cost), _fraction(cash), int(unpriced), venue_cost, venue_cash)
    except (ArithmeticError, ValueError) as error:
        raise RecordError(
            f"{text[:100]!r} is no state of a position", "fold the position from its first fill"
        ) from error
    return found


def _fraction(text: str) -> Fraction:
    """As `Fraction` of this text, which takes three times as long."""
    if text == "0":
        return NOTHING
    above, _, below = text.partition("/")
    return Fraction(int(above), int(below)) if below else Fraction(int(above))


def traded(state: State, contract: Contract, quantity: Decimal, price: Decimal | None) -> State:
    """The state after one fill more; see `folded`."""
    return folded(state, contract, ((quantity, price),))


def folded(state: State, contract: Contract, fills: Iterable[tuple[Decimal, Decimal | None]]) -> State:
    """The state after further fills.

    Args:
        fills: of each its quantity, signed, negative if it was sold, not 0; and its price as it counts, None if that is
            not known.
    """
    held, unpriced, rounds = state.quantity, state.unpriced, contract.value_step is not None
    cost, cash = _ratio(state.cost), _ratio(state.cash)
    venue_cost, venue_cash = _ratio(state.venue_cost), _ratio(state.venue_cash)
    for quantity, price in fills:
        left = EXACT.add(held, quantity)
        value = _value(contract.kind, quantity, price)
        if rounds:
            paid = _rounded_value(contract, quantity, price) if value is not None and price is not None else None
            if paid is None:
                paid = _share(venue_cost, quantity, held) if held else _NONE
            venue_cash = _less(venue_cash, paid)
            venue_cost = _cost(venue_cost, paid, held, quantity, left)
        if value is None:
            unpriced += 1
            value = _share(cost, quantity, held) if held else _NONE
        cash = _less(cash, value)
        cost = _cost(cost, value, held, quantity, left)
        held = left
    return State(held, Fraction(*cost), Fraction(*cash), unpriced, Fraction(*venue_cost), Fraction(*venue_cash))


def value_of(kind: ContractKind, quantity: Decimal, price: Decimal | None) -> Fraction | None:
    """The value of a signed quantity at a price, without the multiplier; None if there is none that is summed."""
    value = _value(kind, quantity, price)
    return None if value is None else Fraction(*value)


@dataclass(frozen=True, slots=True)
class Profit:
    """What one position earned in a period, by average cost; without fees and funding, which stand beside it.

    Figures are fractions, since often no decimal of an average ends; `float` and `decimal_of` make others of them.

    Attributes:
        contract: that of its instrument.
        state: after its last fill.
        commissions: of the period, by currency; positive is paid, negative a rebate.
        funding: likewise.
        opening: the state before the period; nothing if that is from the beginning.
        late: number of changes of fills that were older than the look-back, so that they count as if they were made at
            its beginning; 0 if the figures are exact. The database has the exact ones.
    """

    contract: Contract
    state: State
    commissions: Mapping[str, Decimal]
    funding: Mapping[str, Decimal]
    opening: State = FLAT
    late: int = 0

    @property
    def quantity(self) -> Decimal:
        """What is held, signed."""
        return self.state.quantity

    @property
    def currency(self) -> str:
        """Of profit; empty if it is not known."""
        return self.contract.settle

    @property
    def unpriced(self) -> int:
        """Number of its fills that count without a price; if there are any, profit is not to be relied on."""
        return self.state.unpriced

    @property
    def average_entry(self) -> Fraction | None:
        """The average price of what is held; None if nothing is, or its price is not known."""
        if not self.state.quantity or (self.contract.kind is ContractKind.INVERSE and not self.state.cost):
            return None
        average = self.state.cost / Fraction(self.state.quantity)
        return -1 / average if self.contract.kind is ContractKind.INVERSE else average

    @property
    def realised(self) -> Fraction:
        """What was earned by closing, in `currency`."""
        return self._in_currency(_earned(self.state), _earned(self.opening))

    @property
    def venue_realised(self) -> Fraction | None:
        """The same as a venue shows it that rounds the value of each contract; None if it does not round."""
        if self.contract.value_step is None:
            return None
        before = self.opening.venue_cash + self.opening.venue_cost
        return self.state.venue_cash + self.state.venue_cost - before

    def unrealised(self, mark: Decimal | float | str) -> Fraction:
        """What closing all that is held at a price would earn, in `currency`; the price is a number or its text.

        Raises:
            RecordError: it is no number, or nothing has a value at this price.
        """
        if not self.state.quantity:
            return NOTHING
        value = value_of(self.contract.kind, self.state.quantity, exact_number({"last_price": mark}, "last_price"))
        if value is None:
            kind = self.contract.kind.name.lower()
            raise RecordError(f"a mark of {mark} gives {kind} contracts no value", "give a usual price")
        return (value - self.state.cost) * Fraction(self.contract.multiplier)

    @property
    def wallet(self) -> dict[str, Fraction]:
        """By how much the position changed what the account holds, by currency; empty if its currencies are not known.

        Profit - commissions - funding; of spot both currencies of the trade instead of profit, and of an option what
        was paid for it, since both are paid at once.
        """
        contract = self.contract
        if not contract.settle or (contract.kind is ContractKind.SPOT and not contract.base):
            return {}
        is_paid_at_once = contract.kind in (ContractKind.SPOT, ContractKind.OPTION)
        cash = self._in_currency(self.state.cash, self.opening.cash) if is_paid_at_once else self.realised
        found = {contract.settle: cash}
        if contract.kind is ContractKind.SPOT:
            bought = Fraction(self.state.quantity) - Fraction(self.opening.quantity)
            found[contract.base] = found.get(contract.base, NOTHING) + bought
        for currency, amount in (*self.commissions.items(), *self.funding.items()):
            found[currency] = found.get(currency, NOTHING) - Fraction(amount)
        return found

    def _in_currency(self, value: Fraction, before: Fraction) -> Fraction:
        """How much more a value is than before the period, with the multiplier."""
        more, multiplier = value - before if before else value, self.contract.multiplier
        return more if multiplier == 1 else more * Fraction(multiplier)


def decimal_of(number: Fraction) -> Decimal:
    """A figure as a decimal: exact if it has 60 decimals at most, else rounded half-even to that many."""
    above, below = number.as_integer_ratio()
    return EXACT.scaleb(Decimal(_rounded(above * LARGEST_DENOMINATOR, below)), -DECIMALS).normalize(EXACT)


def _earned(state: State) -> Fraction:
    return state.cash + state.cost if state.cost else state.cash


# Fractions as pairs of integers, the second above 0: `Fraction` takes three times as long. Those of 60 decimals at most
# stay over 10**60, and are not brought to their lowest terms: sums and shares of them are nearly always such again.


def _ratio(number: Fraction) -> Ratio:
    above, below = number.as_integer_ratio()
    factor, rest = divmod(LARGEST_DENOMINATOR, below)
    return (above, below) if rest else (above * factor, LARGEST_DENOMINATOR)


def _value(kind: ContractKind, quantity: Decimal, price: Decimal | None) -> Ratio | None:
    if price is None:
        return None
    if kind is ContractKind.INVERSE:
        if not is_countable(price) or price <= 0:
            return None
        (size, unit), (above, below) = quantity.as_integer_ratio(), price.as_integer_ratio()
        return -size * below, unit * above
    (size, unit), (above, below) = quantity.as_integer_ratio(), price.as_integer_ratio()
    if unit > _SMALL or below > _SMALL or abs(above * size) > _FEW * below * unit or abs(above) > _FEW * below:
        quote = quote_of(price, quantity.copy_abs())
        if quote is None:
            return None
    return size * above, unit * below


def _cost(cost: Ratio, value: Ratio, held: Decimal, quantity: Decimal, left: Decimal) -> Ratio:
    """The cost after a fill of this value."""
    if not left:
        return _NONE
    if not held or (held > 0) is (quantity > 0):
        return _sum(cost, value)
    if (held > 0) is (left > 0):
        return _rounded_share(cost, left, held)
    return _rounded_share(value, left, quantity)


def _sum(one: Ratio, other: Ratio) -> Ratio:
    (above, below), (its, unit) = one, other
    if below != LARGEST_DENOMINATOR:
        return _bounded(above * unit + its * below, below * unit)
    factor = _factor(unit)
    if factor:
        return above + its * factor, below
    return _divided(above * unit + its * below, unit)


def _less(one: Ratio, other: Ratio) -> Ratio:
    return _sum(one, (-other[0], other[1]))


def _share(value: Ratio, part: Decimal, whole: Decimal) -> Ratio:
    """Not rounded."""
    above, below = _parts(part, whole)
    return value[0] * above, value[1] * below


def _rounded_share(value: Ratio, part: Decimal, whole: Decimal) -> Ratio:
    above, below = _parts(part, whole)
    if value[1] == LARGEST_DENOMINATOR:
        return _divided(value[0] * above, below)
    return _bounded(value[0] * above, value[1] * below)


def _parts(part: Decimal, whole: Decimal) -> Ratio:
    (above, below), (of_above, of_below) = part.as_integer_ratio(), whole.as_integer_ratio()
    if of_above < 0:
        above, of_above = -above, -of_above
    return above * of_below, below * of_above


@lru_cache(KEPT)
def _factor(below: int) -> int:
    """By what a fraction is extended to be over 10**60; 0 if it has more decimals, or no end."""
    factor, rest = divmod(LARGEST_DENOMINATOR, below)
    return 0 if rest else factor


def _divided(units: int, by: int) -> Ratio:
    """Units of the 60th decimal divided by a number above 0: as `_bounded`."""
    rest = units % by
    if not rest:
        return units // by, LARGEST_DENOMINATOR
    # the denominator is small enough only if `by` is a common divisor or less, and that is at most as large as this:
    if gcd(rest, by) * gcd(units & -units, _TWOS) * (_FIVES if units % 5 == 0 else 1) >= by:
        return _bounded(units, by * LARGEST_DENOMINATOR)
    return _rounded(units, by), LARGEST_DENOMINATOR


def _bounded(above: int, below: int) -> Ratio:
    """A fraction in its lowest terms, or rounded half-even if its denominator is too large."""
    divisor = gcd(above, below)
    if below // divisor <= LARGEST_DENOMINATOR:
        return above // divisor, below // divisor
    return _rounded(above * LARGEST_DENOMINATOR, below), LARGEST_DENOMINATOR


def _rounded(above: int, below: int) -> int:
    """A fraction as a whole number, rounded half-even."""
    found, rest = divmod(above, below)
    return found + 1 if 2 * rest > below or (2 * rest == below and found % 2) else found


def _rounded_value(contract: Contract, quantity: Decimal, price: Decimal) -> Ratio | None:
    """The value of a quantity where a venue rounds that of one contract, half up, with the multiplier."""
    assert contract.value_step is not None
    step, of_one = Fraction(contract.value_step), value_of(contract.kind, contract.multiplier, price)
    if of_one is None:
        return None
    size = floor(abs(of_one) / step + _HALF) * step
    return (Fraction(quantity) * (size if of_one > 0 else -size)).as_integer_ratio()
