"""What a position earned, as an answer tells it: each number an exact decimal text, by name."""

import json
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from ringbuf.trading.contract import Contract
from ringbuf.trading.number import EXACT, ZERO
from ringbuf.trading.profit import DECIMALS, Profit, decimal_of

VERSION: Final = 1
"""Another one whenever `figures` tells anything else or in another way: what is kept of them is of this version."""
JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
"""Writes rows of an answer."""


def figures(profit: Profit, mark: Decimal | None = None) -> dict[str, Any]:
    """The figures, in the order of an answer.

    Args:
        mark: the price at which what is held is valued.

    Raises:
        RecordError: the mark gives the instrument no value.
    """
    entry, rounded = profit.average_entry, profit.venue_realised
    return {
        "quantity": _text(profit.quantity),
        "average_entry": entry if entry is None else _text(entry),
        "realised": _text(profit.realised),
        "venue_realised": rounded if rounded is None else _text(rounded),
        "unrealised": None if mark is None else _text(profit.unrealised(mark)),
        "commissions": _texts(profit.commissions),
        "funding": _texts(profit.funding),
        "wallet": _texts(profit.wallet),
        "unpriced": profit.unpriced,
        "state": str(profit.state),
    }


def basis(contract: Contract) -> str:
    """A text of all that figures depend on beside the fills: the contract, and their version."""
    rounds = "-" if contract.value_step is None else f"{contract.value_step.normalize(EXACT):f}"
    numbers = f"{contract.multiplier.normalize(EXACT):f} {rounds}"
    return f"{VERSION} {contract.kind.name.lower()} {numbers} {contract.base!a} {contract.settle!a}"


def _text(number: Fraction | Decimal) -> str:
    if isinstance(number, Decimal) and _is_short(number):
        return f"{EXACT.add(number, ZERO).normalize(EXACT):f}"  # -0 is 0
    return f"{decimal_of(Fraction(number)):f}"


def _is_short(number: Decimal) -> bool:
    """Whether it has no more decimals than figures have."""
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -DECIMALS


def _texts(amounts: Mapping[str, Decimal] | Mapping[str, Fraction]) -> dict[str, str]:
    return {currency: _text(amounts[currency]) for currency in sorted(amounts)}
