"""What is traded: the kind of a contract, its multiplier, its steps and its currencies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ringbuf.errors import ConfigurationError
from ringbuf.record.enumerations import ContractKind
from ringbuf.record.salvage import stored_text
from ringbuf.trading.number import is_exact


@dataclass(frozen=True, slots=True)
class Contract:
    """The specification of one instrument of a venue.

    Attributes:
        multiplier: of the value of a quantity of 1: what a contract is worth at a price of 1, in the settle currency.
        tick: step of its prices.
        step: step of its quantities.
        base, quote: the currencies of its symbol, as records have them; empty if they are not known.
        settle: in which profit is paid; if not given, `base` for an inverse contract, else `quote`.
        value_step: to which the venue rounds the value of one contract, in the settle currency; None if it does not.
            Where it rounds that of a lot, its step / the lot.

    Raises:
        ConfigurationError: the kind is no `ContractKind`, a number is no Decimal above zero or has too many digits, a
            currency is no text, or a quanto contract does not tell its settle currency.
    """

    kind: ContractKind = ContractKind.SPOT
    multiplier: Decimal = Decimal(1)
    tick: Decimal | None = None
    step: Decimal | None = None
    base: str = ""
    quote: str = ""
    settle: str = ""
    value_step: Decimal | None = None

    def __post_init__(self) -> None:
        kind: object = self.kind
        if not isinstance(kind, ContractKind):
            members = ", ".join(f"ContractKind.{each.name}" for each in ContractKind)
            raise ConfigurationError(f"the kind of a contract is {kind!r}", f"give one of {members}")
        for name in ("multiplier", "tick", "step", "value_step"):
            number = getattr(self, name)
            is_absent = number is None and name != "multiplier"
            if not is_absent and not (is_exact(number) and number > 0):
                raise ConfigurationError(
                    f"{name} is {number}", "give a number above 0, of 38 decimals at most, as a Decimal"
                )
        for name in ("base", "quote", "settle"):
            if not isinstance(getattr(self, name), str):
                raise ConfigurationError(f"{name} is {getattr(self, name)!r}", "give the currency as text")
            object.__setattr__(self, name, stored_currency(getattr(self, name)))
        if self.kind is ContractKind.QUANTO and not self.settle:
            raise ConfigurationError("a quanto contract has no settle currency", "say in which currency it is paid")
        if not self.settle:
            is_inverse = self.kind is ContractKind.INVERSE
            object.__setattr__(self, "settle", self.base if is_inverse else self.quote)


def stored_currency(name: str) -> str:
    """A currency as the commissions of records have it: one that is too long there is shortened."""
    return stored_text("commission_currency", name)


UNKNOWN: Final = Contract()
"""What an instrument counts as that nobody specified: spot, in currencies that are not known."""


def contract_at(contracts: Mapping[tuple[str, str], Contract], key: Sequence[str]) -> Contract:
    """The contract of a position.

    Args:
        contracts: by exchange and symbol.
        key: the position's; it begins with exchange, account and symbol.
    """
    exchange, _, symbol, *_ = key
    return contracts.get((exchange, symbol), UNKNOWN)
