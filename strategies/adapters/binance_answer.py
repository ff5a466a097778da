"""Orders and trades as Binance answers them to requests: spot, margin and futures.

Formats: https://developers.binance.com/docs/binance-spot-api-docs/rest-api/trading-endpoints,
https://developers.binance.com/docs/binance-spot-api-docs/rest-api/account-endpoints and
https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/Query-Order.
"""

from collections.abc import Mapping
from typing import Any

from ringbuf.strategies.adapters import binance_algo, binance_words, value
from ringbuf.strategies.adapters.adapter import Update


def answered(row: Mapping[str, Any]) -> list[Update]:
    """An order with its fills, a conditional one, a trade; the orders of a list or of a replacement; else nothing."""
    parts = [
        *value.rows(row.get("orderReports"), "orderReports"),
        row.get("cancelResponse"),
        row.get("newOrderResponse"),
    ]
    several = [each for each in parts if isinstance(each, Mapping)]
    if several:
        return [update for each in several for update in answered(each)]
    if "algoId" in row and row.get("algoType") == "CONDITIONAL":
        return [binance_algo.order(row)]
    if "orderId" not in row or "symbol" not in row:
        return []
    if "status" in row and "origQty" in row:  # options and stocks call it otherwise
        return [*(_fill_of_order(row, each) for each in value.rows(row.get("fills"), "fills")), order(row)]
    is_trade = "qty" in row and ("id" in row or "allocationId" in row)
    return [trade(row)] if is_trade else []


def order(row: Mapping[str, Any]) -> Update:
    """The state of an order. In the answer to a cancel, the order's client id is `origClientOrderId`."""
    is_futures = "positionSide" in row or "avgPrice" in row
    is_money = value.is_positive(row.get("origQuoteOrderQty"))
    is_close, is_cancel = row.get("closePosition") is True, value.text(row.get("origClientOrderId")) is not None
    order_types = binance_words.FUTURES_ORDER_TYPES if is_futures else binance_words.ORDER_TYPES
    time_in_force = value.word(binance_words.TIMES_IN_FORCE, row.get("timeInForce"))
    update = _names(row) | value.told(
        exec_type="canceled" if is_cancel else "order_status",
        order_status=value.word(binance_words.STATUSES, row.get("status")),
        orig_client_order_id=value.text(row.get("origClientOrderId")),
        order_type=value.word(order_types, row.get("type")),
        time_in_force="post_only" if row.get("type") == "LIMIT_MAKER" else time_in_force,
        price=value.nonzero(row.get("price")),
        stop_price=value.nonzero(row.get("stopPrice")),
        quantity=row.get("origQuoteOrderQty" if is_money else "origQty"),
        cumulative_quantity=row.get("executedQty"),
        average_price=value.nonzero(row.get("avgPrice")),
        position_side=value.word(binance_words.POSITION_SIDES, row.get("positionSide")),
        position_effect="close" if is_close else "reduce_only" if row.get("reduceOnly") is True else None,
        exchange_ns=value.time_ns(row.get("updateTime") or row.get("transactTime") or row.get("time")),
        quantity_unit="quote" if is_money else binance_words.quantity_unit(row.get("symbol")),
    )
    if not is_money:
        binance_words.take_off_prevented(update, row.get("preventedQuantity"))
    return value.finished(update, order_status=row.get("status"), order_type=row.get("type"), side=row.get("side"))


def trade(row: Mapping[str, Any]) -> Update:
    """A trade of the account, or an allocation: a fill of an order that was routed."""
    is_buyer = row.get("isBuyer")
    update = _names(row) | value.told(
        exec_type="fill",
        trade_id=binance_words.trade_id(row.get("id"), row.get("allocationId")),
        last_price=row.get("price"),
        last_quantity=row.get("qty"),
        quote_quantity=row.get("quoteQty"),
        commission=row.get("commission"),
        commission_currency=value.text(row.get("commissionAsset")),
        liquidity=value.liquidity(row.get("isMaker", row.get("maker"))),
        position_side=value.word(binance_words.POSITION_SIDES, row.get("positionSide")),
        realized_pnl=row.get("realizedPnl"),
        exchange_ns=value.time_ns(row.get("time")),
        exchange_seq=value.sequence(row.get("id")),
        quantity_unit=binance_words.quantity_unit(row.get("symbol")),
    )
    if isinstance(is_buyer, bool):
        update["side"] = "buy" if is_buyer else "sell"
    return value.finished(update, side=row.get("side"))


def _names(row: Mapping[str, Any]) -> Update:
    return value.names_of(
        row, binance_words.SIDES, symbol="symbol", side="side", order_id="orderId", client_order_id="clientOrderId"
    )


def _fill_of_order(row: Mapping[str, Any], fill: Mapping[str, Any]) -> Update:
    update = _names(row) | value.told(
        exec_type="fill",
        trade_id=binance_words.trade_id(fill.get("tradeId"), fill.get("allocId")),
        last_price=fill.get("price"),
        last_quantity=fill.get("qty"),
        commission=fill.get("commission"),
        commission_currency=value.text(fill.get("commissionAsset")),
        liquidity="taker",  # it traded at once
        exchange_ns=value.time_ns(row.get("transactTime")),
        exchange_seq=value.sequence(fill.get("tradeId")),
        quantity_unit="base",
    )
    return value.finished(update, side=row.get("side"))
