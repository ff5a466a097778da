"""The quantities of a unified order, and what of them cannot be right.

ccxt completes what an exchange does not say: amount from filled + remaining, filled from amount - remaining, remaining
from amount - filled, all three from each other for `closed`, and an average from the cost. It does so across units too:
of a market buy that spends so much of the quote currency it divides the amount by a price (Gate), adds what is left in
quote to what was filled in base (Bybit), or gives the amount as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import reduce
from typing import Any, Final, NamedTuple

from ringbuf.strategies.adapters.ccxt_raw_order import RawOrder
from ringbuf.strategies.adapters.ccxt_trade import unit_of
from ringbuf.strategies.adapters.message import CONTRADICTION, Message, plain
from ringbuf.trading.number import EXACT, ZERO

OVER: Final = frozenset({"filled", "canceled", "expired", "rejected"})
SIZES: Final = ("amount", "filled", "remaining")
EQUAL: Final = Decimal("1e-9")
"""Numbers that differ by less than this part are the same: some were floats on their way."""
NEAR: Final = Decimal("0.05")
"""A market buy of so much money that was filled has spent it, but for this part at most."""


class Quantities(NamedTuple):
    """What an order says of its quantities, as ccxt calls them; None is absent, or told by nobody but ccxt.

    Attributes:
        average: price over its fills.
        unit: what `amount` counts, in our word; None if nobody says it.
        spent: whether `filled` counts something else than `amount` does.
    """

    amount: Decimal | None
    filled: Decimal | None
    remaining: Decimal | None
    average: Decimal | None
    unit: str | None
    spent: bool = False

    @property
    def is_all(self) -> bool:
        """Whether all of it was filled."""
        return bool(self.amount) and not self.spent and _is_same(self.amount, self.filled)

    @property
    def is_short(self) -> bool:
        """Whether nothing was filled, or less than was ordered, as far as both are known."""
        if self.filled is None or not self.filled:
            return self.filled is not None
        return bool(self.amount) and not self.spent and not self.is_all and self.filled < (self.amount or ZERO)

    def put(self, message: Message, status: str | None) -> None:
        """Set the fields of the order."""
        message.put(
            quantity=self.amount or None,
            cumulative_quantity=self.filled,
            leaves_quantity=self._leaves(status),
            average_price=self.average,
            quantity_unit=self.unit,
        )

    def contradictions(self, word: Any, status: str | None, traded: Sequence[Decimal]) -> Iterator[str]:
        """What cannot be right.

        Args:
            word: the status as it was told.
            status: the same in our word.
            traded: what the trades that came with it traded.
        """
        amount, filled, remaining = self.amount, self.filled, self.remaining
        if amount and filled is None and remaining == 0 and word == "open":
            yield f"{word}, remaining 0 of {plain(amount)}"
        if status == "filled" and filled == 0 and (self.spent or not amount):
            yield f"{word}, filled 0"
        if self.spent or filled is None:
            return
        if amount:
            is_over = status in OVER and not remaining
            if filled > amount and not self.is_all:
                yield f"filled {plain(filled)} > amount {plain(amount)}"
            elif status is not None and self.is_all != (status == "filled"):
                yield f"{word}, filled {plain(filled)} of {plain(amount)}"
            elif remaining is not None and not is_over and not _is_same(amount, EXACT.add(filled, remaining)):
                yield f"amount {plain(amount)}, filled {plain(filled)}, remaining {plain(remaining)}"
        trades = reduce(EXACT.add, traded, ZERO)
        if trades > filled and not _is_same(trades, filled):
            yield f"filled {plain(filled)}, its trades {plain(trades)}"

    def _leaves(self, status: str | None) -> Decimal | None:
        if self.remaining is None:
            return None
        if status in OVER:
            return ZERO
        if self.spent or not (self.remaining or self.is_all):
            return None  # some say so of an order that waits for its trigger
        return self.remaining


def read_quantities(message: Message, raw: RawOrder, traded: Sequence[Decimal] = ()) -> Quantities:
    """What an order says of its quantities.

    Args:
        traded: what the trades that came with it traded.
    """
    amount, filled, remaining = (_size(message.number(key)) for key in SIZES)
    ordered = message.number_of("amount", raw.ordered)
    amount = ordered or amount
    if not raw.tells_ordered:
        amount = remaining = None
    if filled is None:
        filled = message.number_of("filled", raw.get("cum_qty"))  # Kraken's stream, of which ccxt leaves it out
    is_added_up = bool(traded) and raw.is_of_poloniex
    total = reduce(EXACT.add, traded) if is_added_up else message.number_of("filled", raw.total)
    if total is not None:
        filled, remaining = total, None if amount is None else EXACT.subtract(amount, total)
    if remaining and amount is not None and filled is not None and filled > amount:
        remaining = None  # less than nothing is no quantity
    if filled is not None and amount == filled and raw.tells_rest and message.get("status") != "closed":
        # ccxt takes what was filled for the amount; what is canceled may be left no more
        amount = EXACT.add(filled, remaining) if remaining else None
    average = message.number("average")
    if not average or not raw.tells(average) or (filled == 0 and raw.limit is not None):
        average = None
    unit = unit_of(message.text("symbol"), raw, amount, filled, remaining)
    if filled == 0 and raw.get("status") == "filled" and isinstance(raw.get("order"), Mapping):
        filled, remaining = amount, ZERO  # Hyperliquid: some messages tell all of it as left
    if raw.is_whole:
        filled, remaining = amount, ZERO
    found = Quantities(amount, filled, remaining, average, unit)
    words = [each.lower() if isinstance(each, str) else each for each in map(message.get, ("type", "side"))]
    if amount and found.unit != "contracts" and words == ["market", "buy"]:
        found = _of_market_buy(found, message, raw)
    for key in () if found.spent or is_added_up else SIZES:
        number = message.number(key)
        if number is not None and number < 0:
            message.note(f"{CONTRADICTION}{key} {plain(number)}")
    return found


def _of_market_buy(found: Quantities, message: Message, raw: RawOrder) -> Quantities:
    """Of a buy that may have been told how much to spend."""
    if found.is_all:
        return found
    assert found.amount is not None
    price = message.number("average") or message.number("price")
    is_quote = raw.counts_quote and found.unit == "base"
    if price is not None and not raw.tells(found.amount):
        # ccxt made it, and what it was made of is in another unit.
        spent = message.number_of("amount", raw.get("amount", "qty", "sz"))
        is_quote = spent is not None and (is_quote or _is_near(found.amount * price, spent))
        return found._replace(
            amount=spent if is_quote else None,
            filled=found.filled if found.filled is not None and raw.tells(found.filled) else None,
            remaining=None,
            unit="quote" if is_quote else None,
            spent=True,
        )
    is_worth_it = bool(found.filled) and _is_near((found.filled or ZERO) * (price or ZERO), found.amount)
    # A cost is no quantity, but one that is the amount says what the amount is.
    if is_quote or is_worth_it or message.number("cost") == found.amount:
        return found._replace(remaining=None, unit="quote", spent=True)
    return found._replace(unit=None)


def _size(number: Decimal | None) -> Decimal | None:
    """A quantity; the side has its sign."""
    return EXACT.minus(number) if number is not None and number < 0 else number


def _is_same(one: Decimal | None, other: Decimal | None) -> bool:
    if one is None or other is None:
        return False
    return one == other or abs(one - other) <= EQUAL * max(abs(one), abs(other))


def _is_near(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) <= NEAR * max(abs(one), abs(other))
