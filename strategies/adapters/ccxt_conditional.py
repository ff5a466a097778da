"""Conditional orders that another order took the place of when they were triggered, as ccxt's raw messages have them.

ccxt calls them closed, and where no raw message tells what was filled, all of them filled. Nothing was: the other order
has an id of its own, and is told apart from them.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ringbuf.strategies.adapters.ccxt_raw import Raw


class Triggered(NamedTuple):
    """How an exchange tells it.

    Attributes:
        only: a field that no other orders of the exchange have with such a status.
        status: the field of the status.
        words: those that say it, in small letters.
        source: the address of the exchange's document.
    """

    only: str
    status: str
    words: tuple[str, ...]
    source: str


_BINANCE: Final = "https://developers.binance.com/docs/derivatives"
_BITGET: Final = "https://www.bitget.com/api-doc"
_OF_BINANCE: Final = ("triggered", "finished")
TRIGGERED: Final = (
    Triggered("aid", "X", _OF_BINANCE, f"{_BINANCE}/usds-margined-futures/user-data-streams/Event-Algo-Order-Update"),
    Triggered("algoId", "algoStatus", _OF_BINANCE, f"{_BINANCE}/usds-margined-futures/trade/rest-api/Query-Algo-Order"),
    Triggered("strategyId", "strategyStatus", _OF_BINANCE, f"{_BINANCE}/portfolio-margin/trade"),
    Triggered("algoId", "state", ("effective",), "https://www.okx.com/docs-v5/en/#order-book-trading-algo-trading"),
    Triggered("planType", "planStatus", ("triggered", "executed"), f"{_BITGET}/contract/plan/orders-plan-history"),
    Triggered("planType", "status", ("triggered", "executed"), f"{_BITGET}/spot/plan/Get-History-Plan-Order"),
    Triggered(
        "fired_order_id", "status", ("finish",), "https://www.gate.com/docs/developers/apiv4/en/#spottriggerorder"
    ),
    Triggered("initial", "finish_as", ("succeeded",), "https://www.gate.com/docs/developers/apiv4/en/#futures"),
    Triggered("relation_order_id", "status", ("4",), "https://huobiapi.github.io/docs/usdt_swap/v1/en/"),
    Triggered("executeCycle", "state", ("3",), "https://www.mexc.com/api-docs/futures/account-and-trading-endpoints"),
    Triggered("stopTriggerTime", "status", ("triggered",), "https://www.kucoin.com/docs-new/rest/spot-trading/orders"),
    Triggered("entrustId", "state", ("triggered",), "https://doc.xt.com/docs/futures/Entrust"),
)
"""OKX's row is BloFin's, too."""
_ONLY: Final = frozenset(each.only for each in TRIGGERED)


class RawConditional(Raw):
    """The raw message about an order that may be one of these, or in the place of one."""

    @property
    def was_replaced(self) -> bool:
        """Whether another order took the place of this one."""
        info = self._info
        if _ONLY.isdisjoint(info):  # as most
            return False
        return any(each.only in info and str(info.get(each.status)).lower() in each.words for each in TRIGGERED)

    @property
    def own_ids(self) -> Mapping[str, Any]:
        """The `id` and `clientOrderId` of an order where ccxt takes that of another one, or none.

        Of a conditional order of MEXC it takes the id of the order in its place; of that of OKX the conditional one's;
        and it leaves out the client id of OKX's conditional orders.
        """
        info = self._info
        if "executeCycle" in info:
            return {"id": info.get("id")}
        if "accFillSz" in info and info.get("algoId") and info.get("ordId"):
            return {"id": info["ordId"]}
        if "accFillSz" not in info and info.get("algoClOrdId"):
            return {"clientOrderId": info["algoClOrdId"]}
        return {}

    @property
    def is_for_the_market(self) -> bool:
        """Whether OKX and BloFin say by a price of -1 that it will have no limit."""
        return "algoId" in self._info and "-1" in (self._info.get("ordPx"), self._info.get("orderPrice"))
