"""Conditional orders of Binance's USDⓈ-M futures, which wait in a service of their own until they are triggered.

Formats: `ALGO_UPDATE`
https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams/Event-Algo-Order-Update, and
answers https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/Current-All-Algo-Open-Orders.

The numbers of that service are no order ids: they get `algo-` before them. When an order is triggered, another one with
an order id, and the same client order id, takes its place.
"""

from collections.abc import Mapping
from typing import Any, Final

from ringbuf.strategies.adapters import binance_words, value
from ringbuf.strategies.adapters.adapter import Update

STATUSES: Final = {
    "NEW": "new",
    "TRIGGERING": "new",  # on its way to the matching engine, which may refuse it
    "TRIGGERED": "replaced",
    "FINISHED": "replaced",  # what took its place is over
    "CANCELED": "canceled",
    "EXPIRED": "expired",
    "REJECTED": "rejected",
}


def algo_update(event: Mapping[str, Any]) -> list[Update]:
    """An `ALGO_UPDATE`: the conditional order, and the one in its place when it was triggered just now."""
    row = event.get("o")
    if not isinstance(row, Mapping):
        row = {}
    status = value.word(STATUSES, row.get("X"))
    told = {"replaced": "triggered", "new": "order_status" if row.get("X") == "TRIGGERING" else "new"}
    names = _names(row, symbol="s", side="S", order_id="aid", client_order_id="caid")
    shared = value.told(
        price=value.nonzero(row.get("p")),
        quantity=row.get("q"),
        time_in_force=value.word(binance_words.TIMES_IN_FORCE, row.get("f")),
        position_side=value.word(binance_words.POSITION_SIDES, row.get("ps")),
        position_effect=_position_effect(row.get("cp"), row.get("R")),
        exchange_ns=value.time_ns(event.get("T") or event.get("E")),
        quantity_unit=binance_words.quantity_unit(row.get("s")),
    )
    placed = value.identity(row.get("ai"))
    update = (
        names
        | shared
        | value.told(
            exec_type=told.get(status or "", status),
            order_status=status,
            order_type=value.word(binance_words.FUTURES_ORDER_TYPES, row.get("o")),
            stop_price=value.nonzero(row.get("tp")),
            text=value.text(row.get("rm")) if placed is None else f"triggered: order {placed}",
        )
    )
    found = [value.finished(update, order_status=row.get("X"), order_type=row.get("o"), side=row.get("S"))]
    if placed is not None and row.get("X") == "TRIGGERED":
        found.append(_placed(names | shared, placed, row))
    return found


def order(row: Mapping[str, Any]) -> Update:
    """The state of a conditional order, of an answer."""
    status, placed = value.word(STATUSES, row.get("algoStatus")), value.identity(row.get("actualOrderId"))
    update = _names(row, symbol="symbol", side="side", order_id="algoId", client_order_id="clientAlgoId") | value.told(
        exec_type="triggered" if status == "replaced" else "order_status",
        order_status=status,
        order_type=value.word(binance_words.FUTURES_ORDER_TYPES, row.get("orderType")),
        time_in_force=value.word(binance_words.TIMES_IN_FORCE, row.get("timeInForce")),
        price=value.nonzero(row.get("price")),
        stop_price=value.nonzero(row.get("triggerPrice")),
        quantity=row.get("quantity"),
        position_side=value.word(binance_words.POSITION_SIDES, row.get("positionSide")),
        position_effect=_position_effect(row.get("closePosition"), row.get("reduceOnly")),
        exchange_ns=value.time_ns(row.get("updateTime") or row.get("createTime")),
        quantity_unit=binance_words.quantity_unit(row.get("symbol")),
        text=None if placed is None else f"triggered: order {placed}",
    )
    return value.finished(
        update, order_status=row.get("algoStatus"), order_type=row.get("orderType"), side=row.get("side")
    )


def _names(row: Mapping[str, Any], **called: str) -> Update:
    names = value.names_of(row, binance_words.SIDES, **called)
    if "order_id" in names:
        names["order_id"] = f"algo-{names['order_id']}"
    return names


def _placed(update: Update, order_id: str, row: Mapping[str, Any]) -> Update:
    """The order in the matching engine, as far as it is known before its own message: else nothing would be open."""
    traded, algo = value.is_positive(row.get("aq")), value.text(row.get("aid"))
    update |= value.told(
        order_id=order_id,
        exec_type="order_status",
        order_status="partially_filled" if traded else "new",
        order_type=value.word(binance_words.FUTURES_ORDER_TYPES, row.get("act")),
        cumulative_quantity=row.get("aq"),
        average_price=value.nonzero(row.get("ap")),
        text=None if algo is None else f"of algo order {algo}",
    )
    return value.finished(update, order_type=value.text(row.get("act")), side=row.get("S"))


def _position_effect(is_close: object, is_reduce_only: object) -> str | None:
    return "close" if is_close is True else "reduce_only" if is_reduce_only is True else None
