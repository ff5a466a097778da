"""Bybit's private streams, version 5: `order`, `execution` and `execution.fast`, of all categories, and lists of both.

Formats: https://bybit-exchange.github.io/docs/v5/websocket/private/order,
https://bybit-exchange.github.io/docs/v5/websocket/private/execution,
https://bybit-exchange.github.io/docs/v5/websocket/private/fast-execution, the words
https://bybit-exchange.github.io/docs/v5/enum, and answers whose rows are the same:
https://bybit-exchange.github.io/docs/v5/order/open-order, https://bybit-exchange.github.io/docs/v5/order/execution.

An execution tells the fill alone: what it says of its order may be older than the order's own message of the same time.
Spot spells its symbols as the perpetuals do, and both come in one stream, so spot is an exchange of its own: `_spot` is
added to the name.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from ringbuf.strategies.adapters import value
from ringbuf.strategies.adapters.adapter import Update
from ringbuf.strategies.adapters.message import plain
from ringbuf.strategies.adapters.stream import StreamAdapter
from ringbuf.trading.number import EXACT, ZERO

SPOT: Final = "_spot"
STATUSES: Final = {
    "Created": "pending_new",
    "New": "new",
    "Active": "new",
    "Untriggered": "new",
    "Triggered": "triggered",
    "PartiallyFilled": "partially_filled",
    "Filled": "filled",
    "Cancelled": "canceled",
    "PartiallyFilledCanceled": "canceled",
    "Deactivated": "canceled",
    "Rejected": "rejected",
    "PendingCancel": "pending_cancel",
}
SAID_BY_STATUS: Final = frozenset({"canceled", "rejected", "triggered", "pending_new"})
"""Statuses that are what is reported. Another one may stand there for an amendment, or a fill that is told apart."""
ORDER_TYPES: Final = {"Market": "market", "Limit": "limit"}
STOP_ORDER_TYPES: Final = {
    ("Stop", "Market"): "stop",
    ("Stop", "Limit"): "stop_limit",
    ("StopLoss", "Market"): "stop",
    ("StopLoss", "Limit"): "stop_limit",
    ("PartialStopLoss", "Market"): "stop",
    ("PartialStopLoss", "Limit"): "stop_limit",
    ("TakeProfit", "Market"): "take_profit",
    ("TakeProfit", "Limit"): "take_profit_limit",
    ("PartialTakeProfit", "Market"): "take_profit",
    ("PartialTakeProfit", "Limit"): "take_profit_limit",
    ("TrailingStop", "Market"): "trailing_stop",
}
TIMES_IN_FORCE: Final = {"GTC": "gtc", "IOC": "ioc", "FOK": "fok", "PostOnly": "post_only", "RPI": "post_only"}
SIDES: Final = {"Buy": "buy", "Sell": "sell"}
POSITION_SIDES: Final = {"0": "both", "1": "long", "2": "short"}
"""By `positionIdx`, https://bybit-exchange.github.io/docs/v5/enum#positionidx."""
TRADE_TYPES: Final = {
    "Trade": "regular",
    "AdlTrade": "adl",
    "BustTrade": "liquidation",
    "Delivery": "delivery",
    "Settle": "settlement",
    "BlockTrade": "block",
    "MovePosition": "block",
    "FutureSpread": "combo_leg",
}
SESSION_SETTLED: Final = "SessionSettlePnL"
SETTLED: Final = {"exec_type": "calculated", "order_status": "calculated", "trade_type": "settlement"}
"""What it reports."""
UNREFUSED: Final = frozenset({"EC_NoError", "EC_PerCancelRequest", "UNKNOWN"})
LATE_REQUESTS: Final = frozenset({"EC_OrigClOrdIDDoesNotExist", "EC_TooLateToCancel"})
"""What is said of a request to cancel that came too late."""
QUOTES: Final = ("USDT", "USDC", "USDE", "USD1", "USDR", "USDQ", "EUR", "BRL", "PLN", "TRY", "DAI", "MNT", "BTC", "ETH")
"""Currencies in which spot is quoted."""
_INVERSE: Final = re.compile(r"([A-Z0-9]+)USD(?:[HMUZ][0-9]{2})?")


def updates(message: object, exchange: str = "bybit") -> list[Update]:
    """What a message of a private stream says, or an answer with a list of orders or executions: that is a look-back.

    One of another topic gives nothing.

    Args:
        exchange: the name of all but spot.

    Raises:
        RecordError: it is no message.
    """
    found = value.decoded(message)
    if isinstance(found.get("result"), Mapping):
        return _listed(found["result"], exchange) + _refused(found["result"], found.get("retExtInfo"), exchange)
    if "op" in found and isinstance(found.get("data"), Mapping):
        return _refused(found["data"], found.get("retExtInfo"), exchange)
    topic = (value.text(found.get("topic")) or "").partition(".")[0]
    read = {"order": order, "execution": execution}.get(topic)
    return [] if read is None else [read(each, exchange) for each in value.rows(found.get("data"), "data")]


def _listed(result: Mapping[str, Any], exchange: str) -> list[Update]:
    """The rows of an answer, from the oldest on: the latest comes first in it."""
    category = {"category": result["category"]} if "category" in result else {}
    found = []
    for row in reversed(value.rows(result.get("list"), "result.list")):
        is_own = "orderId" in row  # trades of the market have an execId, too
        read = execution if "execId" in row and is_own else order if "orderStatus" in row else None
        if read is not None:
            found.append(read(category | row, exchange) | {"origin": "lookback"})
    return found


def _refused(result: Mapping[str, Any], errors: object, exchange: str) -> list[Update]:
    """The requests of a batch that were refused; one for a new order has `createAt`.

    https://bybit-exchange.github.io/docs/v5/order/batch-place
    """
    if not isinstance(errors, Mapping):
        return []
    codes = value.rows(errors.get("list"), "retExtInfo.list")
    rows = value.rows(result.get("list"), "result.list")
    return [
        _refusal(row, error, exchange)
        for row, error in zip(rows, codes, strict=False)
        if value.text(error.get("code")) not in (None, "0")
    ]


def _refusal(row: Mapping[str, Any], error: Mapping[str, Any], exchange: str) -> Update:
    return value.refusal(_names(row, exchange), is_new="createAt" in row, code=error.get("code"), why=error.get("msg"))


def order(row: Mapping[str, Any], exchange: str = "bybit") -> Update:
    """A row of `order`: the state of an order. Its fills are told by `execution`.

    A cancel that came too late is told as the order once more, with the reason why the request was refused.
    """
    status = value.word(STATUSES, row.get("orderStatus"))
    if status == "rejected" and value.is_positive(row.get("cumExecQty")):
        status = "canceled"  # what was left of it was refused
    reason = value.text(row.get("rejectReason"))
    is_late = reason in LATE_REQUESTS and status in ("filled", "canceled")
    is_money = _is_money(row)
    is_close = value.is_true(row.get("closeOnTrigger"))
    kind = (value.text(row.get("stopOrderType")) or "", value.text(row.get("orderType")) or "")
    update = _names(row, exchange) | value.told(
        exec_type="cancel_rejected" if is_late else status if status in SAID_BY_STATUS else "order_status",
        order_status=status,
        order_type=STOP_ORDER_TYPES.get(kind) or ORDER_TYPES.get(kind[1]),
        time_in_force=value.word(TIMES_IN_FORCE, row.get("timeInForce")),
        price=value.nonzero(row.get("price")),
        stop_price=value.nonzero(row.get("triggerPrice")),
        quantity=row.get("qty"),
        cumulative_quantity=row.get("cumExecQty"),
        leaves_quantity=None if is_money else row.get("leavesQty"),
        average_price=value.nonzero(row.get("avgPrice")),
        position_side=None
        if row.get("category") == "spot"
        else POSITION_SIDES.get(value.text(row.get("positionIdx")) or ""),
        position_effect="close" if is_close else "reduce_only" if value.is_true(row.get("reduceOnly")) else None,
        exchange_ns=value.time_ns(row.get("updatedTime")),
        quantity_unit="quote" if is_money else _unit(row),
        text=_why(row, reason, status),
    )
    words = {"order_status": "orderStatus", "order_type": "orderType", "time_in_force": "timeInForce", "side": "side"}
    return value.finished(update, **{name: row.get(key) for name, key in words.items()})


def execution(row: Mapping[str, Any], exchange: str = "bybit") -> Update:
    """A row of `execution` or `execution.fast`: a fill, whatever its kind, or a payment of funding.

    Of a fee the venue's sign is ours: positive is paid. What settles a session moves money and no position.
    """
    kind = value.text(row.get("execType")) or "Trade"
    charges, text = _charges(row)
    update = (
        _names(row, exchange)
        | charges
        | value.told(
            trade_id=value.text(row.get("execId")),
            exchange_ns=value.time_ns(row.get("execTime")),
            exchange_seq=row.get("seq"),
            text=text,
        )
    )
    if kind == "Funding":
        return value.finished(update | {"exec_type": "funding", "trade_type": "funding"})
    if kind == SESSION_SETTLED:
        settled = {**SETTLED, "text": kind}
        return value.finished(update | settled | value.told(realized_pnl=row.get("execPnl")))
    update |= value.told(
        exec_type="fill",
        trade_type=value.word(TRADE_TYPES, kind),
        last_price=row.get("execPrice"),
        last_quantity=row.get("execQty"),
        quote_quantity=row.get("execValue"),
        realized_pnl=row.get("execPnl"),
        liquidity=value.liquidity(row.get("isMaker")),
        quantity_unit=_unit(row),
    )
    return value.finished(update, trade_type=kind, side=row.get("side"))


class BybitAdapter(StreamAdapter):
    """Takes messages of Bybit's private streams."""

    def updates(self, message: Any) -> list[Update]:
        """See `updates` of this module."""
        return updates(message, self._bound["exchange"])


def _names(row: Mapping[str, Any], exchange: str) -> Update:
    named = value.names_of(row, SIDES, symbol="symbol", side="side", order_id="orderId", client_order_id="orderLinkId")
    return named | {"exchange": f"{exchange}{SPOT}" if row.get("category") == "spot" else exchange}


def _unit(row: Mapping[str, Any]) -> str:
    """Inverse contracts are counted, each worth 1 USD."""
    is_inverse = row.get("category") == "inverse" or _INVERSE.fullmatch(value.text(row.get("symbol")) or "") is not None
    return "contracts" if is_inverse else "base"


def _is_money(row: Mapping[str, Any]) -> bool:
    """Whether `qty` is an amount of money: of spot's market orders to buy it is, unless they say otherwise."""
    if row.get("category") != "spot" or row.get("orderType") != "Market":
        return False
    unit = value.text(row.get("marketUnit"))
    return unit == "quoteCoin" or (unit is None and row.get("side") == "Buy")


def _why(row: Mapping[str, Any], reason: str | None, status: str | None) -> str | None:
    """Why it was refused or ended, unless the user asked for it."""
    if reason is not None and reason not in UNREFUSED:
        return reason
    canceled = value.text(row.get("cancelType"))
    return canceled if status == "canceled" and canceled not in (None, "UNKNOWN", "CancelByUser") else None


def _charges(row: Mapping[str, Any]) -> tuple[Update, str | None]:
    """The fee with the taxes beside it (`extraFees`), summed by currency; a third currency stands in the text."""
    currency, taxes = value.text(row.get("feeCurrency")) or _fee_currency(row), row.get("extraFees")
    if not taxes or not isinstance(taxes, list):
        return value.told(commission=row.get("execFee"), commission_currency=currency), None
    fee = value.decimal(row.get("execFee"))
    paid = {} if fee is None else {currency: fee}
    for each in taxes:
        amount = value.decimal(each.get("fee")) if isinstance(each, Mapping) else None
        if amount is not None:
            currency = value.text(each.get("feeCoin"))
            paid[currency] = EXACT.add(paid.get(currency, ZERO), amount)
    sums = [(plain(amount), currency) for currency, amount in paid.items()]
    (first, its_currency), (other, other_currency) = (*sums, (None, None), (None, None))[:2]
    told = value.told(
        commission=first,
        commission_currency=its_currency,
        other_commission=other,
        other_commission_currency=other_currency,
    )
    return told, "; ".join(f"fee {amount} {of or ''}".rstrip() for amount, of in sums[2:]) or None


def _fee_currency(row: Mapping[str, Any]) -> str | None:
    """The currency of a fee where the row does not say it; None if it does not follow from the symbol.

    https://bybit-exchange.github.io/docs/v5/enum#spot-fee-currency-instruction
    """
    symbol, category = value.text(row.get("symbol")) or "", row.get("category")
    if row.get("execFee") in (None, ""):
        return None
    if category == "spot":
        return _spot_fee_currency(row, symbol)
    if (inverse := _INVERSE.fullmatch(symbol)) is not None:
        return inverse[1]
    if category in ("linear", "option"):
        return "USDT" if symbol.partition("-")[0].endswith("USDT") or symbol.endswith("-USDT") else "USDC"
    return None


def _spot_fee_currency(row: Mapping[str, Any], symbol: str) -> str | None:
    """What is received pays the fee; of a maker's rebate it is what is given."""
    quote = next((each for each in QUOTES if symbol.endswith(each) and symbol != each), None)
    if quote is None or value.word(SIDES, row.get("side")) is None:
        return None
    fee_rate = value.decimal(row.get("feeRate"))
    is_rebate = fee_rate is not None and fee_rate < 0 and row.get("isMaker") is True
    is_base = (row["side"] == "Buy") is not is_rebate
    return symbol.removesuffix(quote) if is_base else quote
