"""The fold in integers comes to what its rules come to in fractions, to the last digit."""

import random
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest

from ringbuf.record.enumerations import ContractKind
from ringbuf.trading.contract import Contract
from ringbuf.trading.number import Exactly, is_countable, quote_of
from ringbuf.trading.profit import FLAT, LARGEST_DENOMINATOR, State, folded, read_state

CONTRACTS = (
    Contract(),
    Contract(ContractKind.LINEAR, Decimal("0.1"), settle="U"),
    Contract(ContractKind.INVERSE, base="B", quote="Q"),
    Contract(ContractKind.INVERSE, Decimal(100), base="B", value_step=Decimal("0.00000001")),
    Contract(ContractKind.QUANTO, Decimal("0.000001"), settle="B", value_step=Decimal("0.00000001")),
)
ROUNDED = 10**60


def rounded(number: Fraction) -> Fraction:
    return number if number.denominator <= LARGEST_DENOMINATOR else Fraction(round(number * ROUNDED), ROUNDED)


def value_of(contract: Contract, quantity: Decimal, price: Decimal | None) -> Fraction | None:
    if price is None:
        return None
    if contract.kind is ContractKind.INVERSE:
        return -Fraction(quantity) / Fraction(price) if price > 0 and is_countable(price) else None
    quote = quote_of(price, abs(quantity))
    return None if quote is None else Fraction(quote) * (1 if quantity > 0 else -1)


def as_the_venue_rounds(contract: Contract, quantity: Decimal, price: Decimal) -> Fraction:
    assert contract.value_step is not None
    step = Fraction(contract.value_step)
    inverse = contract.kind is ContractKind.INVERSE
    of_one = Fraction(contract.multiplier) * (-1 / Fraction(price) if inverse else Fraction(price))
    size = floor(abs(of_one) / step + Fraction(1, 2)) * step
    return Fraction(quantity) * (size if of_one > 0 else -size)


class Fold:
    """Cost and cash, as `ringbuf.trading.profit` describes them."""

    def __init__(self) -> None:
        self.cost = self.cash = Fraction(0)

    def count(self, value: Fraction | None, held: Fraction, quantity: Fraction) -> None:
        left = held + quantity
        if value is None:
            value = self.cost * quantity / held if held else Fraction(0)
        self.cash = rounded(self.cash - value)
        if not left:
            self.cost = Fraction(0)
        elif not held or (held > 0) == (quantity > 0):
            self.cost = rounded(self.cost + value)
        else:
            self.cost = rounded(self.cost * left / held if (held > 0) == (left > 0) else value * left / quantity)


def expected(contract: Contract, fills: Sequence[tuple[Decimal, Decimal | None]]) -> State:
    exact, venue, held, unpriced = Fold(), Fold(), Fraction(0), 0
    for quantity, price in fills:
        value = value_of(contract, quantity, price)
        unpriced += value is None
        exact.count(value, held, Fraction(quantity))
        if contract.value_step is not None:
            shown = None if value is None or price is None else as_the_venue_rounds(contract, quantity, price)
            venue.count(shown, held, Fraction(quantity))
        held += Fraction(quantity)
    quantity = sum((each for each, _ in fills), Decimal(0))
    return State(quantity, exact.cost, exact.cash, unpriced, venue.cost, venue.cash)


def numbers(draw: random.Random, kind: int) -> tuple[Decimal, Decimal | None]:
    """Quantity and price: those of a market, small whole ones, odd ones, and of powers of 2."""
    if kind == 0:
        return Decimal(draw.randrange(1, 19)).scaleb(-3), Decimal(draw.randrange(10**5, 2 * 10**5)).scaleb(-1)
    if kind == 1:
        return Decimal(draw.randrange(1, 9)), Decimal(draw.randrange(1, 9))
    if kind == 2:
        places, more = draw.choice((0, 9, 18, 26, 38)), draw.choice((0, 5, 14, 26, 27, 38))
        return Decimal(draw.randrange(1, 10**18)).scaleb(-places), Decimal(draw.randrange(1, 10**20)).scaleb(-more)
    quantity, price = (Decimal(draw.randrange(1, 9)) * Decimal(2) ** -draw.randrange(40) for _ in range(2))
    return quantity, price


def history(draw: random.Random) -> list[tuple[Decimal, Decimal | None]]:
    kind, fills = draw.randrange(4), []
    for _ in range(draw.randrange(1, 60)):
        quantity, price = numbers(draw, kind)
        odd: Decimal | None = draw.choice((None, Decimal(0), Decimal(-3), Decimal(10) ** draw.randrange(14, 23)))
        fills.append((quantity * draw.choice((1, -1)), odd if draw.random() < 0.08 else price))
        if draw.random() < 0.05 and (held := sum((each for each, _ in fills), Decimal(0))):
            fills.append((-held, price))
    return fills


@pytest.mark.parametrize("seed", range(5))
def test_the_fold_comes_to_what_its_rules_come_to_in_fractions_wherever_it_was_interrupted(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(60):
        with Exactly():
            contract, fills = draw.choice(CONTRACTS), history(draw)
            right = expected(contract, fills)
        state, at = folded(FLAT, contract, fills), draw.randrange(len(fills))
        assert str(state) == str(right)
        assert folded(read_state(str(folded(FLAT, contract, fills[:at]))), contract, fills[at:]) == state
