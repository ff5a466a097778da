"""What the raw message of an exchange says of a trade, beyond ccxt's unified structure or against it."""

from typing import Any, Final

from ringbuf.strategies.adapters import binance_words, bybit, deribit, hyperliquid, okx
from ringbuf.strategies.adapters.ccxt_raw import Raw

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
ADJUSTED: Final = frozenset({"REVERSAL", "CORRECTION", "SYNTHETIC"})
"""Coinbase's words for fills that it adjusted; how, its document does not say."""
SIZES: Final = ("size", "quantity", "qty", "execQty", "sz", "amount")
"""Where a trade's quantity is that ccxt leaves out, as it does of Kraken's inverse futures."""
SEQUENCES: Final = ("seq", "sequence_id", "trade_seq")
PROFITS: Final = ("execPnl", "realizedPnl", "fillPnl", "closedPnl", "realized_pnl", "deal_profit", "profit_loss", "pnl")


class RawTrade(Raw):
    """The raw message about a trade."""

    @property
    def allocation(self) -> str | None:
        """The id of what Binance calls an allocation, which is none of a trade."""
        return binance_words.trade_id(None, self.get("allocId", "allocationId", "a"))

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
    def last(self) -> tuple[Any, Any]:
        """Quantity and price of a fill, where ccxt may take those of its order: of the streams of BingX and Poloniex.

        https://bingx-api.github.io/docs/
        """
        if self.is_of_poloniex:
            return self.get("tradeQty"), self.get("tradePrice")
        return (self.get("l"), self.get("L")) if self._info.get("x") == "TRADE" else (None, None)

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
    def settles_session(self) -> bool:
        """Whether it is a settlement of Bybit that moves money and no position."""
        return self._info.get("execType") == bybit.SESSION_SETTLED

    @property
    def adjusted(self) -> str | None:
        """Coinbase's word for a fill that is no usual one."""
        word = self._info.get("trade_type")
        return word if isinstance(word, str) and word in ADJUSTED else None
