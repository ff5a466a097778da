"""Deribit's private channels `user.orders`, `user.trades` and `user.changes`, and answers with orders or trades.

Formats: https://docs.deribit.com/subscriptions/user/userordersinstrument_nameinterval,
https://docs.deribit.com/subscriptions/user/usertradesinstrument_nameinterval,
https://docs.deribit.com/subscriptions/user/userchangesinstrument_nameinterval,
https://docs.deribit.com/api-reference/trading/private-buy,
https://docs.deribit.com/api-reference/trading/private-get_open_orders.

A trade tells the fill alone; the order's own message tells its state. The amount of inverse futures and perpetuals is
in USD, which is the number of contracts of 1 USD; all others count the base currency. Many orders may share a label.
"""

from collections.abc import Mapping
from typing import Any, Final

from ringbuf.strategies.adapters import value
from ringbuf.strategies.adapters.adapter import Update
from ringbuf.strategies.adapters.stream import StreamAdapter

STATUSES: Final = {
    "open": "new",
    "untriggered": "new",
    "filled": "filled",
    "cancelled": "canceled",
    "rejected": "rejected",
    "triggered": "replaced",  # an order with an id of its own takes the place of the trigger
}
ORDER_TYPES: Final = {
    "limit": "limit",
    "market": "market",
    "market_limit": "market",
    "stop_limit": "stop_limit",
    "stop_market": "stop",
    "take_limit": "take_profit_limit",
    "take_market": "take_profit",
    "trailing_stop": "trailing_stop",
}
TIMES_IN_FORCE: Final = {
    "good_til_cancelled": "gtc",
    "good_til_day": "day",
    "immediate_or_cancel": "ioc",
    "fill_or_kill": "fok",
}
SIDES: Final = {"buy": "buy", "sell": "sell"}
LIQUIDITY: Final = {"M": "maker", "T": "taker"}


def updates(message: object) -> list[Update]:
    """What a notification says, or an answer with orders or trades in it; any other message gives nothing.

    What was asked for (open orders, past trades) is a look-back, what is answered to `buy`, `edit` and the like is not.

    Raises:
        RecordError: it is no message.
    """
    found = value.decoded(message)
    if "result" in found:
        return _answered(found["result"])
    params = found.get("params")
    if not isinstance(params, Mapping):
        return []
    channel, data = value.text(params.get("channel")) or "", params.get("data")
    given = [data] if isinstance(data, Mapping) else value.rows(data, "params.data")
    if channel.startswith("user.orders."):
        return [order(each) for each in given]
    if channel.startswith("user.trades."):
        return [update for each in given for update in trade(each)]
    if channel.startswith("user.changes."):
        return [update for each in given for update in changes(each)]
    return []


def _answered(result: object) -> list[Update]:
    if isinstance(result, Mapping):
        if isinstance(result.get("order"), Mapping):
            return changes({"orders": [result["order"]], "trades": result.get("trades")})
        if "order_id" in result and "order_state" in result:
            return [order(result)]
        result = result.get("trades")
    given = [each for each in result if isinstance(each, Mapping)] if isinstance(result, list) else []
    own_trades = [each for each in given if "trade_id" in each and "order_id" in each]  # not those of the market
    told_trades = [update for each in own_trades for update in trade(each)]
    told_orders = [order(each) for each in given if "order_state" in each]
    return [each | {"origin": "lookback"} for each in (*told_trades, *told_orders)]


def changes(data: Mapping[str, Any]) -> list[Update]:
    """The `trades` and `orders` of a notification of `user.changes`, in this order."""
    told_trades = [update for each in value.rows(data.get("trades"), "trades") for update in trade(each)]
    return told_trades + [order(each) for each in value.rows(data.get("orders"), "orders")]


def order(row: Mapping[str, Any]) -> Update:
    """The state of an order. An edit keeps the order and its id, and `replaced` stays true after it."""
    state = value.text(row.get("order_state"))
    status = value.word(STATUSES, state)
    if status == "new" and value.nonzero(row.get("filled_amount")):
        status = "partially_filled"
    time_in_force = value.word(TIMES_IN_FORCE, row.get("time_in_force"))
    update = _names(row) | value.told(
        exec_type="triggered" if state == "triggered" else status if state in ("cancelled", "rejected") else None,
        order_status=status,
        order_type=value.word(ORDER_TYPES, row.get("order_type")),
        time_in_force="post_only" if value.is_true(row.get("post_only")) else time_in_force,
        price=None if row.get("price") == "market_price" else row.get("price"),
        stop_price=value.nonzero(row.get("trigger_price", row.get("stop_price"))),
        quantity=row.get("amount"),
        cumulative_quantity=row.get("filled_amount"),
        average_price=value.nonzero(row.get("average_price")),
        position_effect="reduce_only" if value.is_true(row.get("reduce_only")) else None,
        exchange_ns=value.time_ns(row.get("last_update_timestamp") or row.get("creation_timestamp")),
        text=_why(row),
    )
    update.setdefault("exec_type", "order_status")
    return value.finished(update, order_status=state, order_type=row.get("order_type"), side=row.get("direction"))


def trade(row: Mapping[str, Any]) -> list[Update]:
    """A fill, and where it is one of a combo those of its legs, if it tells them."""
    liquidity = value.text(row.get("liquidity")) or ""
    is_leg = value.text(row.get("combo_id")) is not None
    is_block = value.text(row.get("block_trade_id")) is not None
    update = _names(row) | value.told(
        exec_type="fill",
        trade_id=value.text(row.get("trade_id")),
        last_price=row.get("price"),
        last_quantity=row.get("amount"),
        liquidity=LIQUIDITY.get(liquidity),
        commission=row.get("fee"),
        commission_currency=value.text(row.get("fee_currency")),
        realized_pnl=row.get("profit_loss"),
        trade_type=(
            "liquidation" if is_own_liquidation(row) else "combo_leg" if is_leg else "block" if is_block else "regular"
        ),
        exchange_ns=value.time_ns(row.get("timestamp")),
        exchange_seq=row.get("trade_seq"),
    )
    value.finished(update, side=row.get("direction"))
    legs = [leg for each in value.rows(row.get("legs"), "legs") for leg in trade(each)]
    return [update, *(leg | {"trade_type": "combo_leg"} for leg in legs)]


def is_own_liquidation(row: Mapping[str, Any]) -> bool:
    """Whether a trade liquidated one's own position; it is told of the other's, too."""
    liquidity, liquidated = (value.text(row.get(name)) or "" for name in ("liquidity", "liquidation"))
    return bool(liquidity) and liquidity in liquidated


class DeribitAdapter(StreamAdapter):
    """Takes messages of Deribit's private channels."""

    def updates(self, message: Any) -> list[Update]:
        """See `updates` of this module."""
        return updates(message)


def _names(row: Mapping[str, Any]) -> Update:
    named = value.names_of(
        row, SIDES, symbol="instrument_name", side="direction", order_id="order_id", client_order_id="label"
    )
    return named | {"quantity_unit": "contracts" if _is_inverse(named.get("symbol", "")) else "base"}


def _is_inverse(symbol: str) -> bool:
    """Whether an amount of the instrument is in USD: BTC-PERPETUAL, BTC-27DEC24 and spreads of them (BTC-FS-…)."""
    parts = symbol.split("-")
    return "_" not in parts[0] and (len(parts) == 2 or (len(parts) == 3 and parts[1] == "FS"))


def _why(row: Mapping[str, Any]) -> str | None:
    """Why it was canceled or refused, unless the user asked for it; else which trigger it comes from."""
    for name in ("reject_reason", "cancel_reason"):
        reason = value.text(row.get(name))
        if reason not in (None, "user_request"):
            return reason
    trigger = value.text(row.get("trigger_order_id"))
    return None if trigger is None else f"of trigger order {trigger}"
