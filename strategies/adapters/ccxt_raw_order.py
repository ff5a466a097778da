"""What the raw message of an exchange says of an order, beyond ccxt's unified structure or against it."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from ringbuf.strategies.adapters.binance_words import is_triggered
from ringbuf.strategies.adapters.ccxt_conditional import RawConditional

ORDER_TYPES: Final = ("stopOrderType", "ordertype", "orderType", "ordType", "origType", "order_type", "type")
CONDITIONAL: Final = {
    "stop": "stop",
    "sl": "stop",
    "tp": "take_profit",
    "stop_loss": "stop",
    "partial_stop_loss": "stop",
    "stop_market": "stop",
    "stop_limit": "stop_limit",
    "stop_loss_limit": "stop_limit",
    "take_profit": "take_profit",
    "partial_take_profit": "take_profit",
    "take_profit_market": "take_profit",
    "take_profit_limit": "take_profit_limit",
    "trailing_stop": "trailing_stop",
    "trailing_stop_market": "trailing_stop",
    "move_order_stop": "trailing_stop",
}
REASONS: Final = (
    "rejectReason", "reject_reason", "reject_message", "cancel_message", "cancelReason", "cancel_reason", "reason",
    "sMsg", "error_message", "message", "msg", "finish_as",
)  # fmt: skip
NO_REASON: Final = frozenset({"", "none", "null", "ec_noerror", "reject_reason_unspecified", "unknown", "-", "ok"})
TRIGGERS: Final = ("trigger_price", "stop_price")
"""Where the price is that ccxt leaves out of orders of Deribit and Gemini that wait for it."""

_SIDE: Final = re.compile("^(?:buy|sell)_")


class RawOrder(RawConditional):
    """The raw message about an order."""

    @property
    def is_match(self) -> bool:
        """Whether KuCoin's stream tells a match; it calls the order open until the next message."""
        return self._info.get("type") == "match"

    @property
    def word(self) -> str:
        """The exchange's word for the status of an order, in small letters."""
        return str(self.get("orderStatus", "order_status", "status", "state", "X") or "").lower()

    @property
    def is_filled(self) -> bool:
        """Whether the exchange calls the order filled. BingX does, and may say of it that nothing was executed."""
        return self.word == "filled"

    @property
    def is_live(self) -> bool:
        """Whether Gemini's stream says that an order works; ccxt takes a fill of a part for the end of it.

        https://docs.gemini.com/websocket-api/
        """
        return self._info.get("is_live") is True and self._info.get("type") == "fill"

    @property
    def is_invalid(self) -> bool:
        """Whether MEXC says that an order was refused, which ccxt passes on as a number."""
        return self._is_of_mexc and str(self._info.get("state")) == "5"

    @property
    def is_cancel_rejected(self) -> bool:
        """Whether Gemini's stream says that a cancel was refused; ccxt says so of the order."""
        return self._info.get("type") == "cancel_rejected"

    @property
    def exec_type(self) -> str | None:
        """What the message is about, where the exchange says more than that an order has a state."""
        if self.is_cancel_rejected:
            return "cancel_rejected"
        if self._info.get("x") == "NEW" and is_triggered(self._info.get("o"), self._info.get("ot")):
            return "restated"  # Binance's futures had called it expired
        return "triggered" if self.was_replaced else None

    @property
    def is_cut(self) -> bool:
        """Whether the exchange says that a part was filled and the rest canceled; ccxt calls that closed, or even open.

        Bybit's word of https://bybit-exchange.github.io/docs/v5/enum#orderstatus, Poloniex's of
        https://api-docs.poloniex.com/spot/websocket/private-channels (Coinone's is of one that works on), and 5
        of MEXC's stream https://www.mexc.com/api-docs/spot-v3/websocket-user-data-streams.
        """
        if self.word == "partially_canceled":
            return "accountType" in self._info or "quantity_executed" in self._info  # Poloniex, Foxbit
        return self.word == "partiallyfilledcanceled" or (self.word == "5" and "cumulativeQuantity" in self._info)

    @property
    def is_whole(self) -> bool:
        """Whether the stream of Kraken's futures says that all was filled; ccxt may know no fill then."""
        return self._info.get("reason") == "full_fill"

    @property
    def total(self) -> Any:
        """What was filled in all, where ccxt takes the last fill for it, or what it is worth.

        So it is of the streams of Bitget and Backpack, and of Poloniex's.

        https://www.bitget.com/api-doc/contract/websocket/private/Order-Channel,
        https://docs.backpack.exchange/#tag/Streams/Private/Order-update
        """
        if self.is_of_poloniex:
            return self.get("filledQuantity")
        is_backpack = str(self._info.get("e")).startswith(("order", "trigger"))
        return self.get("accBaseVolume", *(("z",) if is_backpack else ()))

    @property
    def ordered(self) -> Any:
        """What was ordered, of LBank's stream, of which ccxt takes the last fill for it.

        https://www.lbank.com/docs/index.html
        """
        update = self._info.get("orderUpdate")
        return update.get("orderAmt") if isinstance(update, Mapping) else None

    @property
    def tells_ordered(self) -> bool:
        """Whether what was ordered is told; of Kraken's reports without it ccxt takes what was filled for it."""
        return "order_qty" in self._info or "cum_qty" not in self._info

    @property
    def tells_rest(self) -> bool:
        """Whether what is left is told as such: by Coinbase's stream and Bithumb's."""
        return self.get("leaves_quantity", "remaining_volume") is not None

    @property
    def limit(self) -> Any:
        """The limit of an order of Toobit's stream, of which ccxt takes the price of the last fill for it.

        https://toobit-docs.github.io/apidocs/spot/v1/en/; others that report so tell the same.
        """
        return self.get("p") if self._info.get("e") == "executionReport" else None

    @property
    def counts_quote(self) -> bool:
        """Whether it says that what a market buy of spot is for is in the quote currency: OKX, Bybit, Coinbase."""
        info = self._info
        return (
            info.get("tgtCcy") == "quote_ccy"
            or ("cumExecQty" in info and info.get("marketUnit") != "baseCoin")  # Bybit's default
            or info.get("marketUnit") == "quoteCoin"
            or info.get("size_in_quote") in (True, "true")
        )

    @property
    def conditional_type(self) -> str | None:
        """The type of an order that waits for a price, in our word; None if the exchange does not call it that."""
        nested = self._info.get("descr")
        for info in (self._info, nested if isinstance(nested, Mapping) else {}):
            for key in ORDER_TYPES:
                word = info.get(key)
                if isinstance(word, str) and (found := CONDITIONAL.get(_SIDE.sub("", _snake(word)))):
                    return found
        return None

    @property
    def reason(self) -> str | None:
        """Why an order is no more."""
        for key in REASONS:
            value = self._info.get(key)
            if isinstance(value, str) and value.strip().lower() not in NO_REASON:
                return value.strip()
        return None


@lru_cache(1_024)
def _snake(word: str) -> str:
    parts = "".join(f"_{each}" if each.isupper() else each for each in word) if not word.isupper() else word
    return "_".join(each for each in parts.replace("-", "_").replace(" ", "_").lower().split("_") if each)
