"""OKX's conditional orders, which wait as algo orders until they are triggered: channels `orders-algo`, `algo-advance`.

Formats: https://www.okx.com/docs-v5/en/#order-book-trading-algo-trading-ws-algo-orders-channel, and of answers
https://www.okx.com/docs-v5/en/#order-book-trading-algo-trading-get-algo-order-list. Iceberg, TWAP and chase orders are
left out: their parts are orders.

The id of an algo order is no order id: it gets `algo-` before it. When it is triggered, an order with an id of its own
takes its place.
"""

from collections.abc import Mapping
from typing import Any, Final

from ringbuf.strategies.adapters import value
from ringbuf.strategies.adapters.adapter import Update

CHANNELS: Final = ("orders-algo", "algo-advance")
STATUSES: Final = {
    "live": "new",
    "pause": "new",
    "partially_effective": "new",
    "effective": "replaced",
    "canceled": "canceled",
    "order_failed": "rejected",
    "partially_failed": "rejected",
}
KINDS: Final = ("trigger", "conditional", "oco", "move_order_stop")
FOR_THE_MARKET: Final = "-1"
"""As the price of what will be ordered."""
_PRICES: Final = (
    ("triggerPx", "ordPx", "stop"),
    ("slTriggerPx", "slOrdPx", "stop"),
    ("tpTriggerPx", "tpOrdPx", "take_profit"),
)


def is_conditional(row: Mapping[str, Any]) -> bool:
    """Whether a row is such an order; an order that has taken the place of one tells what was filled."""
    return value.identity(row.get("algoId")) is not None and row.get("ordType") in KINDS and "accFillSz" not in row


def algo_order(row: Mapping[str, Any], sides: Mapping[str, str], shared: Update) -> list[Update]:
    """A row: the algo order, and the one in its place when it was triggered.

    Args:
        sides: what words of the venue mean.
        shared: what is read as of any other order: position side, margin mode, unit.
    """
    names = value.names_of(row, sides, symbol="instId", side="side", order_id="algoId", client_order_id="algoClOrdId")
    names["order_id"] = f"algo-{names['order_id']}"
    status = value.word(STATUSES, row.get("state"))
    placed = value.text(row.get("ordId")) if status == "replaced" else None
    update = (
        names
        | shared
        | _prices(row)
        | value.told(
            exec_type={"replaced": "triggered", "new": "order_status"}.get(status or "", status),
            order_status=status,
            quantity=value.text(row.get("sz")),
            position_effect=_position_effect(row),
            exchange_ns=value.time_ns(row.get("uTime") or row.get("triggerTime") or row.get("cTime")),
            text=_text(row) if placed is None else f"triggered: order {placed}",
        )
    )
    found = [value.finished(update, order_status=row.get("state"), side=row.get("side"))]
    if placed is not None:
        found.append(_placed(update, placed, row))
    return found


def _placed(update: Update, order_id: str, row: Mapping[str, Any]) -> Update:
    """The order in its place, as far as it is known before its own message: else nothing would be open."""
    left_out = ("order_type", "price", "stop_price", "client_order_id", "quantity")
    known = {name: each for name, each in update.items() if name not in left_out}
    more = value.told(
        order_id=order_id,
        exec_type="order_status",
        order_status="new",
        client_order_id=value.text(row.get("clOrdId")),
        quantity=value.nonzero(row.get("actualSz")),
        text=f"of algo order {row['algoId']}",
    )
    return value.finished(known | more)


def _prices(row: Mapping[str, Any]) -> Update:
    """Type, limit and trigger: of an order with two triggers those of the loss."""
    for trigger, limit, kind in _PRICES:
        if value.is_positive(row.get(trigger)):
            price = row[limit] if value.is_positive(row.get(limit)) else None
            kind = kind if price is None else f"{kind}_limit"
            return value.told(order_type=kind, price=price, stop_price=row[trigger])
    is_trailing = row.get("ordType") == "move_order_stop"
    return value.told(
        order_type="trailing_stop" if is_trailing else None,
        stop_price=value.nonzero(row.get("moveTriggerPx")),
    )


def _position_effect(row: Mapping[str, Any]) -> str | None:
    if value.decimal(row.get("closeFraction")) == 1:
        return "close"
    return "reduce_only" if value.is_true(row.get("reduceOnly")) else None


def _text(row: Mapping[str, Any]) -> str | None:
    """Why it failed, or where the other one of two triggers is."""
    code = value.text(row.get("failCode"))
    if code not in (None, "0"):
        return f"failed: {code} {value.text(row.get('failReason')) or ''}".strip()
    has_both = value.is_positive(row.get("tpTriggerPx")) and value.is_positive(row.get("slTriggerPx"))
    return f"take profit at {row['tpTriggerPx']}" if has_both else None
