"""The raw message of an exchange in ccxt's `info`: what it says beyond the unified structure, or against it.

What it says of an order is in `ccxt_raw_order.py`, what it says of a trade in `ccxt_raw_trade.py`.
"""

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from ringbuf.record.attempt import attempt
from ringbuf.record.words import look_up
from ringbuf.strategies.adapters import bybit, value
from ringbuf.trading.number import EXACT

DEPTH: Final = 4
POSITION_SIDES: Final = ("positionSide", "posSide", "position_side", "holdSide", "ps")
CODED_SIDES: Final = {"1": ("buy", "long"), "2": ("buy", "short"), "3": ("sell", "short"), "4": ("sell", "long")}
"""`side` of MEXC's futures, https://www.mexc.com/api-docs/futures/account-and-trading-endpoints: open long, close
short, open short, close long. ccxt takes 2 for a sell, and knows neither 3 nor 4."""
OFFSETS: Final = {
    ("open", "buy"): "long",
    ("close", "sell"): "long",
    ("open", "sell"): "short",
    ("close", "buy"): "short",
    ("both", "buy"): "both",
    ("both", "sell"): "both",
}
"""Which position an order of HTX's contracts is for: `offset` is `both` if there is one of each symbol.

https://huobiapi.github.io/docs/usdt_swap/v1/en/"""
BITFINEX_FEE: Final = 9
"""Where the fee is in a trade of Bitfinex, which is a list."""

_DIGITS: Final = frozenset("+-.0123456789")


class Raw:
    """The raw message; an empty one says nothing.

    Args:
        info: what ccxt keeps under `info`, whatever it is.
    """

    def __init__(self, info: object) -> None:
        self._info: Mapping[str, Any] = info if isinstance(info, Mapping) else {}
        self._whole = info if isinstance(info, Mapping | list | tuple) else {}

    def get(self, *keys: str) -> Any:
        """The first value that is told under one of these names."""
        for key in keys:
            value = self._info.get(key)
            if value is not None and value != "":
                return value
        return None

    def tells(self, number: Any) -> bool:
        """Whether a number is in the message, whatever its sign; of a message without numbers nobody can say."""
        wanted, has_numbers = float(number), False
        for each in _numbers(self._whole, DEPTH):
            if each in (wanted, -wanted):
                return True
            has_numbers = True
        return not has_numbers

    @property
    def position_side(self) -> str | None:
        """Which position of the symbol, if the exchange says it."""
        if (hedged := self._hedged) is not None:
            return None if str(self._info.get("positionMode")) == "2" else hedged[1]
        index = self.get("positionIdx")
        if index is not None:
            return bybit.POSITION_SIDES.get(str(index))
        side = self.get(*POSITION_SIDES)
        if side is None:
            return OFFSETS.get((str(self.get("offset")), str(self.get("direction"))))
        return side if isinstance(side, str) and look_up("position_side", side) else None

    @property
    def side(self) -> str | None:
        """The side, where that of ccxt may be wrong."""
        return None if self._hedged is None else self._hedged[0]

    @property
    def _hedged(self) -> tuple[str, str] | None:
        """Side and position of a message whose `side` is not that of the order: of MEXC, and Bitget in hedge mode.

        Of a long position Bitget's fills say `buy` when they open it, and when they close it.
        """
        info = self._info
        if self._is_of_mexc:
            return CODED_SIDES.get(str(info.get("side")))
        word = info.get("tradeSide")
        if info.get("posMode") != "hedge_mode" or not isinstance(word, str):
            return None
        told = info.get("posSide") or ("long" if info.get("side") == "buy" else "short")
        position = next((each for each in ("long", "short") if word.endswith(f"_{each}")), told)
        return ("buy" if (position == "long") is (word == "open") else "sell"), position

    @property
    def _is_of_mexc(self) -> bool:
        return "vol" in self._info and "positionMode" in self._info

    def paid(self, cost: Decimal) -> Decimal:
        """What a fee is, where ccxt gives it the other sign.

        It does so of Bitget's unified account, where what is paid is positive,
        https://www.bitget.com/api-doc/uta/trade/Get-Order-Fills, and of Bitfinex's stream, where it is negative,
        https://docs.bitfinex.com/reference/ws-auth-trades.
        """
        detail = self._info.get("feeDetail") if "category" in self._info else None
        first = detail[0] if isinstance(detail, list | tuple) and detail else None
        told: Any = first.get("fee") if isinstance(first, Mapping) else None
        turned = value.decimal(told)
        if turned is None and isinstance(self._whole, list | tuple) and len(self._whole) > BITFINEX_FEE:
            received = value.decimal(self._whole[BITFINEX_FEE])
            turned = None if received is None else EXACT.minus(received)
        return turned if turned is not None and turned == EXACT.minus(cost) else cost

    @property
    def is_of_poloniex(self) -> bool:
        """Whether it is of Poloniex's stream, of whose trades ccxt takes the order's total and its time.

        https://api-docs.poloniex.com/spot/websocket/private-channels
        """
        return "tradeQty" in self._info and "tradeTime" in self._info


def _numbers(value: Any, depth: int) -> Iterator[float]:
    for each in value.values() if isinstance(value, Mapping) else value:
        kind = type(each)
        if kind is str:
            if each[:1] in _DIGITS and (number := attempt(math.nan, float, each)) == number:
                yield number
        elif kind is int or kind is float or kind is Decimal:
            yield attempt(math.nan, float, each)
        elif isinstance(each, Mapping | list | tuple) and depth:
            yield from _numbers(each, depth - 1)
