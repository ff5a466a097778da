"""The fees of a unified order or trade: `fee`, `fees` or both, which may say the same, the half of it, or nothing.

Positive is paid and negative a rebate, in ccxt as here. Fees of one currency are added up. A third currency finds no
field: the rest goes into the text.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import reduce
from typing import Any, NamedTuple

from ringbuf.strategies.adapters.ccxt_raw import Raw
from ringbuf.strategies.adapters.message import CONTRADICTION, Message, plain
from ringbuf.trading.number import EXACT, ZERO


class Fee(NamedTuple):
    """What was paid in one currency, which is empty if nobody says it."""

    currency: str
    cost: Decimal


def put_fees(message: Message, raw: Raw) -> None:
    """Set the commissions of a fill."""
    fees = fees_of(message, raw)
    for fee, amount, currency in zip(
        fees,
        ("commission", "other_commission"),
        ("commission_currency", "other_commission_currency"),
        strict=False,
    ):
        message.put(**{amount: fee.cost, currency: fee.currency or None})
    for fee in fees[2:]:
        message.note(f"fee {plain(fee.cost)} {fee.currency}")


def fees_text(fees: list[Fee]) -> str | None:
    """Fees of an order, which are no fill's: ccxt gives those of all its fills, or those of the last one."""
    paid = [f"{plain(fee.cost)} {fee.currency}".rstrip() for fee in fees if fee.cost]
    return f"fee {', '.join(paid)}" if paid else None


def fees_of(message: Message, raw: Raw) -> list[Fee]:
    """What was paid, by currency; without currencies of which nothing was paid, unless there are no others."""
    one, several = (_sums(message, message.get(key), key) for key in ("fee", "fees"))
    known = {currency: cost for currency, cost in one.items() if cost}
    # HTX's contracts have the other sign in the order, and Poloniex's stream no currency.
    sums = {"": reduce(EXACT.add, several.values(), ZERO)} | several
    is_told = any(several.values())
    if is_told and any(sums.get(currency) not in (cost, -cost) for currency, cost in known.items()):
        said = ", ".join(f"{plain(cost)} {currency}" for currency, cost in known.items())
        message.note(f"{CONTRADICTION}fee {said} is not in fees")
    fees = [Fee(*each) for each in (several if is_told else one or several).items()]
    fees = [Fee(each.currency, raw.paid(each.cost)) for each in fees]
    return [each for each in fees if each.cost] or fees[:1]


def _sums(message: Message, value: Any, key: str) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for currency, cost in _costs(message, value, key) if value else ():
        known = found.get(currency)
        found[currency] = cost if known is None else EXACT.add(known, cost)
    return found


def _costs(message: Message, value: Any, key: str) -> Iterator[tuple[str, Decimal]]:
    if value is None:
        return
    if isinstance(value, list | tuple):
        for each in value:
            yield from _costs(message, each, key)
    elif isinstance(value, Mapping):
        cost = message.number_of(key, value.get("cost"))
        currency = value.get("currency")
        if not (currency is None or isinstance(currency, str)):
            message.put_aside("currency", currency)
            currency = None
        if cost is not None:
            yield currency or "", cost
    else:
        cost = message.number_of(key, value)
        if cost is not None:
            yield "", cost
