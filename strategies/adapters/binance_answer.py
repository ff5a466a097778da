"""Orders and trades as Binance answers them to requests: spot, margin and futures.

Formats: https://developers.binance.com/docs/binance-spot-api-docs/rest-api/trading-endpoints,
https://developers.binance.com/docs/binance-spot-api-docs/rest-api/account-endpoints and
https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/Query-Order.
"""

from collections.abc import Mapping
from typing import Any

from ringbuf.strategies.adapters.adapter import Update
from ringbuf.strategies.adapters.binance_words import (
    FUTURES_ORDER_TYPES,
    ORDER_TYPES,
    POSITION_SIDES,
    SIDES,
    STATUSES,
    TIMES_IN_FORCE,
    quantity_unit,
)
from ringbuf.strategies.adapters.value import (
    finished,
    identity,
    is_positive,
    liquidity,
    positive,
    rows,
    sequence,
    text,
    time_ns,
    told,
    word,
)


def answered(row: Mapping[str, Any]) -> list[Update]:
    """An order with its fills, if it tells them, or a trade; nothing of anything else."""
    if "orderId" not in row or "symbol" not in row:
        return []
    if "status" in row:
        return [*(_fill_of_order(row, each) for each in rows(row.get("fills"), "fills")), order(row)]
    return [trade(row)] if "id" in row and "price" in row else []


def order(row: Mapping[str, Any]) -> Update:
    """The state of an order. In the answer to a cancel, the order's client id is `origClientOrderId`."""
    is_futures = "positionSide" in row or "avgPrice" in row
    is_money = is_positive(row.get("origQuoteOrderQty"))
    is_close, is_cancel = row.get("closePosition") is True, text(row.get("origClientOrderId")) is not None
    update = told(
        exec_type="canceled" if is_cancel else "order_status",
        order_status=word(STATUSES, row.get("status")),
        symbol=text(row.get("symbol")),
        side=word(SIDES, row.get("side")),
        client_order_id=text(row.get("clientOrderId")),
        orig_client_order_id=text(row.get("origClientOrderId")),
        order_id=identity(row.get("orderId")),
        order_type=word(FUTURES_ORDER_TYPES if is_futures else ORDER_TYPES, row.get("type")),
        time_in_force="post_only" if row.get("type") == "LIMIT_MAKER" else word(TIMES_IN_FORCE, row.get("timeInForce")),
        price=positive(row.get("price")),
        stop_price=positive(row.get("stopPrice")),
        quantity=row.get("origQuoteOrderQty" if is_money else "origQty"),
        cumulative_quantity=row.get("executedQty"),
        average_price=positive(row.get("avgPrice")),
        position_side=word(POSITION_SIDES, row.get("positionSide")),
        position_effect="close" if is_close else "reduce_only" if row.get("reduceOnly") is True else None,
        exchange_ns=time_ns(row.get("updateTime") or row.get("transactTime") or row.get("time")),
        quantity_unit="quote" if is_money else quantity_unit(row.get("symbol")),
    )
    return finished(update, order_status=row.get("status"), order_type=row.get("type"), side=row.get("side"))


def trade(row: Mapping[str, Any]) -> Update:
    """A trade of the account."""
    is_buyer = row.get("isBuyer")
    side = ("buy" if is_buyer else "sell") if isinstance(is_buyer, bool) else word(SIDES, row.get("side"))
    update = told(
        exec_type="fill",
        symbol=text(row.get("symbol")),
        side=side,
        order_id=identity(row.get("orderId")),
        trade_id=identity(row.get("id")),
        last_price=row.get("price"),
        last_quantity=row.get("qty"),
        quote_quantity=row.get("quoteQty"),
        commission=row.get("commission"),
        commission_currency=text(row.get("commissionAsset")),
        liquidity=liquidity(row.get("isMaker", row.get("maker"))),
        position_side=word(POSITION_SIDES, row.get("positionSide")),
        realized_pnl=row.get("realizedPnl"),
        exchange_ns=time_ns(row.get("time")),
        exchange_seq=sequence(row.get("id")),
        quantity_unit=quantity_unit(row.get("symbol")),
    )
    return finished(update, side=row.get("side"))


def _fill_of_order(row: Mapping[str, Any], fill: Mapping[str, Any]) -> Update:
    update = told(
        exec_type="fill",
        symbol=text(row.get("symbol")),
        side=word(SIDES, row.get("side")),
        client_order_id=text(row.get("clientOrderId")),
        order_id=identity(row.get("orderId")),
        trade_id=identity(fill.get("tradeId")),
        last_price=fill.get("price"),
        last_quantity=fill.get("qty"),
        commission=fill.get("commission"),
        commission_currency=text(fill.get("commissionAsset")),
        liquidity="taker",  # it traded at once
        exchange_ns=time_ns(row.get("transactTime")),
        exchange_seq=sequence(fill.get("tradeId")),
        quantity_unit="base",
    )
    return finished(update, side=row.get("side"))
