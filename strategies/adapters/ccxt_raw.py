"""The raw message of an exchange in ccxt's `info`: what it says beyond the unified structure, or against it."""

import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from ringbuf.record.attempt import attempt
from ringbuf.record.words import look_up
from ringbuf.strategies.adapters import bybit, deribit, hyperliquid, okx, value
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
TRADE_KINDS: Final = ("execType", "exec_type", "tradeType", "trade_type", "fillType", "fill_type", "systemOrderType")
TRADE_TYPES: Final = {
    "adl": "adl",
    "adltrade": "adl",
    "busttrade": "liquidation",
    "liquid": "liquidation",
    "liqtrade": "liquidation",
    "liquidation": "liquidation",
    "delivery": "delivery",
    "settle": "settlement",
    "settlement": "settlement",
    "settlemarket": "settlement",
    "blocktrade": "block",
    "moveposition": "block",
    "futurespread": "combo_leg",
    "funding": "funding",
    "liquidatepositiononadl": "adl",
    "liquidatepositiononbook": "liquidation",
    "liquidatepositiononbackstop": "liquidation",
}
"""Words for what is no usual trade, of https://bybit-exchange.github.io/docs/v5/enum#exectype, and others' alike: of
Phemex, KuCoin, Kraken's futures, Paradex, https://docs.backpack.exchange/#tag/History/operation/get_fills."""
FORCED: Final = {
    "tradeSide": {"burst_": "liquidation", "reduce_": "liquidation", "dte_sys_adl_": "adl", "delivery_": "delivery"},
    "dir": hyperliquid.FORCED,
}
"""How words begin of trades that the exchange itself makes: Bitget's,
https://www.bitget.com/api-doc/contract/trade/Get-Order-Fills, and Hyperliquid's."""
STATES: Final = frozenset(
    {"pending_new", "new", "filled", "iceberg_refill", "canceled", "expired", "amended", "restated", "status"}
)
"""`exec_type` of Kraken's reports that are no trades, https://docs.kraken.com/api/docs/websocket-v2/executions."""
BITFINEX_FEE: Final = 9
"""Where the fee is in a trade of Bitfinex, which is a list."""
ADJUSTED: Final = frozenset({"REVERSAL", "CORRECTION", "SYNTHETIC"})
"""Coinbase's words for fills that it adjusted; how, its document does not say."""
SIZES: Final = ("size", "quantity", "qty", "execQty", "sz", "amount")
"""Where a trade's quantity is that ccxt leaves out, as it does of Kraken's inverse futures."""
SEQUENCES: Final = ("seq", "sequence_id", "trade_seq")
PROFITS: Final = ("execPnl", "realizedPnl", "fillPnl", "closedPnl", "realized_pnl", "deal_profit", "profit_loss", "pnl")


_DIGITS: Final = frozenset("+-.0123456789")
_SIDE: Final = re.compile("^(?:buy|sell)_")


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

    @property
    def is_invalid(self) -> bool:
        """Whether MEXC says that an order was refused, which ccxt passes on as a number."""
        return self._is_of_mexc and str(self._info.get("state")) == "5"

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
    def is_state(self) -> bool:
        """Whether a trade is none.

        ccxt takes all reports of Kraken's for trades that come in one message with one, and of Alpaca's stream the
        order with all that was filled: https://docs.alpaca.markets/docs/websocket-streaming
        """
        kind = self._info.get("exec_type")
        is_of_alpaca = "filled_avg_price" in self._info and "filled_qty" in self._info
        return is_of_alpaca or (isinstance(kind, str) and kind in STATES)

    @property
    def is_match(self) -> bool:
        """Whether KuCoin's stream tells a match; it calls the order open until the next message."""
        return self._info.get("type") == "match"

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
    def is_of_poloniex(self) -> bool:
        """Whether it is of Poloniex's stream, of whose trades ccxt takes the order's total and its time.

        https://api-docs.poloniex.com/spot/websocket/private-channels
        """
        return "tradeQty" in self._info and "tradeTime" in self._info

    @property
    def last(self) -> tuple[Any, Any]:
        """Quantity and price of a fill, where ccxt may take those of its order: of the streams of BingX and Poloniex.

        https://bingx-api.github.io/docs/
        """
        if self.is_of_poloniex:
            return self.get("tradeQty"), self.get("tradePrice")
        return (self.get("l"), self.get("L")) if self._info.get("x") == "TRADE" else (None, None)

    @property
    def is_live(self) -> bool:
        """Whether Gemini's stream says that an order works; ccxt takes a fill of a part for the end of it.

        https://docs.gemini.com/websocket-api/
        """
        return self._info.get("is_live") is True and self._info.get("type") == "fill"

    @property
    def word(self) -> str:
        """The exchange's word for the status of an order, in small letters."""
        return str(self.get("orderStatus", "order_status", "status", "state", "X") or "").lower()

    @property
    def is_cancel_rejected(self) -> bool:
        """Whether Gemini's stream says that a cancel was refused; ccxt says so of the order."""
        return self._info.get("type") == "cancel_rejected"

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
    def is_filled(self) -> bool:
        """Whether the exchange calls the order filled. BingX does, and may say of it that nothing was executed."""
        return self.word == "filled"

    @property
    def is_whole(self) -> bool:
        """Whether the stream of Kraken's futures says that all was filled; ccxt may know no fill then."""
        return self._info.get("reason") == "full_fill"

    @property
    def tells_ordered(self) -> bool:
        """Whether what was ordered is told; of Kraken's reports without it ccxt takes what was filled for it."""
        return "order_qty" in self._info or "cum_qty" not in self._info

    @property
    def ordered(self) -> Any:
        """What was ordered, of LBank's stream, of which ccxt takes the last fill for it.

        https://www.lbank.com/docs/index.html
        """
        update = self._info.get("orderUpdate")
        return update.get("orderAmt") if isinstance(update, Mapping) else None

    @property
    def limit(self) -> Any:
        """The limit of an order of Toobit's stream, of which ccxt takes the price of the last fill for it.

        https://toobit-docs.github.io/apidocs/spot/v1/en/; others that report so tell the same.
        """
        return self.get("p") if self._info.get("e") == "executionReport" else None

    @property
    def tells_rest(self) -> bool:
        """Whether what is left is told as such: by Coinbase's stream and Bithumb's."""
        return self.get("leaves_quantity", "remaining_volume") is not None

    @property
    def settles_session(self) -> bool:
        """Whether it is a settlement of Bybit that moves money and no position."""
        return self._info.get("execType") == bybit.SESSION_SETTLED

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
    def reason(self) -> str | None:
        """Why an order is no more."""
        for key in REASONS:
            value = self._info.get(key)
            if isinstance(value, str) and value.strip().lower() not in NO_REASON:
                return value.strip()
        return None

    @property
    def trade_type(self) -> str | None:
        """The kind of a trade, in our word; None if it is a usual one."""
        for key in TRADE_KINDS:
            value = self._info.get(key)
            if type(value) is str and (found := TRADE_TYPES.get(value.replace("_", "").lower())):
                return found
        for key, begins in FORCED.items():
            value = self._info.get(key)
            if isinstance(value, str) and (
                found := next((begins[each] for each in begins if value.startswith(each)), "")
            ):
                return found
        if self._info.get("liquidation") is True or deribit.is_own_liquidation(self._info):
            return "liquidation"
        return okx.sub_type(self._info)

    @property
    def adjusted(self) -> str | None:
        """Coinbase's word for a fill that is no usual one."""
        word = self._info.get("trade_type")
        return word if isinstance(word, str) and word in ADJUSTED else None


@lru_cache(1_024)
def _snake(word: str) -> str:
    parts = "".join(f"_{each}" if each.isupper() else each for each in word) if not word.isupper() else word
    return "_".join(each for each in parts.replace("-", "_").replace(" ", "_").lower().split("_") if each)


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
