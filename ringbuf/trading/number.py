"""Which numbers are summed, exactly."""

from decimal import Context, Decimal, getcontext, setcontext
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from ringbuf.errors import RecordError
from ringbuf.record.number import exact_number
from ringbuf.record.value import shown

EXACT: Final = Context(prec=1_000, traps=[])
"""Digits enough for any sum of countable numbers."""
ZERO: Final = Decimal(0)
NOTHING: Final = Fraction(0)
"""Zero where figures are fractions."""
LEAST: Final = 1e-21
MOST: Final = 1e21
"""A number that is summed is zero or from `LEAST` to below `MOST`, whatever its sign."""
DECIMALS: Final = 38
"""So many decimals it has at most. The database's sums hold every such number to the last digit."""
PRODUCT_DECIMALS: Final = ((26, 26), (38, 14), (14, 38))
"""Decimals of price and quantity of which the database has the exact product: one of these pairs, or fewer."""
QUOTE_DECIMALS: Final = 52
"""Decimals of a sum of products: those of each pair."""
DIGITS: Final = 76
"""So many digits a decimal of the database has, with its decimals."""
MOST_QUOTE: Final = 1e18
"""Products are summed if they are below it, whatever their sign."""

KEPT: Final = 4_096
"""Numbers come again and again: of so many it is remembered what they are."""
_COUNTABLE: Final[set[Decimal]] = set()

_getcontext: Final = getcontext  # compiled code looks up what is imported each time, but not what is final
_setcontext: Final = setcontext


class Exactly:
    """Sums are exact in it: `with Exactly(): ...`. A `localcontext` is a copy, and takes five times as long."""

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        self._before = _getcontext()
        _setcontext(EXACT)

    def __exit__(self, *_: object) -> None:
        _setcontext(self._before)


def quantity_of(value: Any) -> Decimal:
    """What a venue tells that is held, exactly, from any usual number or its text.

    Raises:
        RecordError: it is no number.
    """
    found = exact_number({"venue_position": value}, "venue_position")
    if found is None:
        raise RecordError(f"{shown(value)} is no quantity that can be held", "give numbers, zero for none")
    return found


@lru_cache(KEPT)
def decimals_of(number: Decimal) -> int:
    """How many decimals a number has; zeros at its end do not count."""
    exponent = number.normalize(EXACT).as_tuple().exponent
    return -min(exponent, 0) if isinstance(exponent, int) else DECIMALS + 1


def is_countable(number: Decimal) -> bool:
    """Whether a number is summed."""
    if number in _COUNTABLE:  # compiled, that is five times as fast as a call of what is cached
        return True
    size = abs(float(number))
    if not ((size == 0 or LEAST <= size < MOST) and decimals_of(number) <= DECIMALS):
        return False
    if len(_COUNTABLE) >= KEPT:
        _COUNTABLE.clear()
    _COUNTABLE.add(number)
    return True


def is_exact(number: object) -> bool:
    """Whether it is a Decimal that is summed."""
    return isinstance(number, Decimal) and number.is_finite() and is_countable(number)


@lru_cache(KEPT)
def quote_of(price: Decimal, quantity: Decimal) -> Decimal | None:
    """Price x quantity, if it is summed."""
    if not is_countable(price) or abs(float(price)) * float(quantity) >= MOST_QUOTE:
        return None
    decimals = decimals_of(price), decimals_of(quantity)
    fits = any(decimals[0] <= most[0] and decimals[1] <= most[1] for most in PRODUCT_DECIMALS)
    return EXACT.multiply(price, quantity) if fits else None
