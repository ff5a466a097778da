"""What a position came to after some of its fills: its state, and the commissions that were paid.

That is enough to go on from, and has an exact text, so it can be kept.
"""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from ringbuf.errors import RecordError
from ringbuf.record.enumerations import ContractKind
from ringbuf.trading.contract import Contract
from ringbuf.trading.number import DIGITS, EXACT, QUOTE_DECIMALS, ZERO, Exactly
from ringbuf.trading.profit import FLAT, Profit, State, folded, read_state

_UNITS: Final = 10**QUOTE_DECIMALS
_MOST_UNITS: Final = 10**DIGITS


class Paid(NamedTuple):
    """Commissions in one currency: their sum, which is negative if they are rebates, and of how many fills."""

    amount: Decimal
    fills: int


class Traded(NamedTuple):
    """A fill.

    Attributes:
        quantity: signed, negative if it was sold; not 0.
        price: as it counts, None if it is not known.
        commissions: amount and currency of each.
    """

    quantity: Decimal
    price: Decimal | None
    commissions: Iterable[tuple[Decimal, str]]


class Totals(NamedTuple):
    """What a position came to.

    Attributes:
        state: after its last fill.
        fills: how many there were.
        commissions: by currency.
    """

    state: State = FLAT
    fills: int = 0
    commissions: Mapping[str, Paid] = {}

    def after(self, contract: Contract, fills: Iterable[Traded]) -> "Totals":
        """The totals after further fills, in the venue's order."""
        moved = []
        paid: dict[str, list[Decimal]] = {}
        for quantity, price, its in fills:
            moved.append((quantity, price))
            for amount, currency in its:
                if currency in paid:
                    paid[currency].append(amount)
                else:
                    paid[currency] = [amount]
        commissions = dict(self.commissions)
        with Exactly():
            for currency, amounts in paid.items():
                known = commissions.get(currency, _NOTHING)
                commissions[currency] = Paid(sum(amounts, known.amount), known.fills + len(amounts))
        return Totals(folded(self.state, contract, moved), self.fills + len(moved), commissions)

    def commissions_since(self, opening: "Totals") -> dict[str, Decimal]:
        """The commissions of the fills after other totals of the position, by currency."""
        found = {}
        for currency, paid in self.commissions.items():
            before = opening.commissions.get(currency, _NOTHING)
            if paid.fills != before.fills:
                found[currency] = EXACT.subtract(paid.amount, before.amount)
        return found

    def __str__(self) -> str:
        """Exact text; `read_totals` gives the same totals back."""
        paid = {currency: [f"{each.amount:f}", each.fills] for currency, each in self.commissions.items()}
        return json.dumps([str(self.state), self.fills, paid], ensure_ascii=False, separators=(",", ":"))


_NOTHING: Final = Paid(ZERO, 0)
UNTRADED: Final = Totals()
"""Before the first fill."""


def read_totals(text: str) -> Totals:
    """The totals of which this is the text.

    Raises:
        RecordError: it is none.
    """
    try:
        state, fills, paid = json.loads(text)
        commissions = {currency: Paid(Decimal(amount), int(count)) for currency, (amount, count) in paid.items()}
        return Totals(read_state(state), int(fills), commissions)
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
        raise RecordError(
            f"{text[:100]!r} is no totals of a position", "fold the position from its first fill"
        ) from error


def terms(contract: Contract) -> str:
    """Text of that of a contract on which the totals of its positions depend, and what they came to."""
    kind = contract.kind.name.lower() if contract.kind is ContractKind.INVERSE else "usual"
    numbers = [each for each in (contract.multiplier, contract.value_step) if each is not None]
    told = [kind, *(f"{each.normalize(EXACT):f}" for each in numbers), contract.settle]
    return " ".join(filter(None, told))


def realised(totals: Totals, contract: Contract) -> Decimal | None:
    """What a position earned by closing, in the settle currency, rounded half-even to `QUOTE_DECIMALS`.

    Returns:
        None if it is too large for a decimal of the database.
    """
    earned = Profit(contract, totals.state, {}, {}).realised
    units = round(earned * _UNITS)
    return EXACT.scaleb(Decimal(units), -QUOTE_DECIMALS) if abs(units) < _MOST_UNITS else None
