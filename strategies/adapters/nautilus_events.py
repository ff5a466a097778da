"""NautilusTrader's events of orders and positions, each as an update.

Source: `nautilus_trader/model/events/order.pyx` and `position.pyx` of nautilus_trader 1.221, and
https://nautilustrader.io/docs/latest/concepts/events. An event says what happened, and not the order's state after it:
that is added by `ringbuf.strategies.adapters.nautilus_order`.

Times are those of the venue, except in events of our own side, which have none: the host's clock and the venue's are
two, and an order's reports are put in order by one.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from ringbuf.errors import RecordError
from ringbuf.record.attempt import attempt
from ringbuf.record.value import shown
from ringbuf.strategies.adapters import value
from ringbuf.strategies.adapters.adapter import Update
from ringbuf.strategies.adapters.message import plain
from ringbuf.trading.number import EXACT

EXEC_TYPES: Final = {
    "OrderInitialized": "pending_new",
    "OrderDenied": "denied",
    "OrderEmulated": "order_status",  # it waits on our side for its trigger
    "OrderReleased": "order_status",
    "OrderSubmitted": "order_status",
    "OrderAccepted": "new",
    "OrderRejected": "rejected",
    "OrderPendingUpdate": "pending_replace",
    "OrderUpdated": "replaced",
    "OrderModifyRejected": "cancel_rejected",
    "OrderPendingCancel": "pending_cancel",
    "OrderCancelRejected": "cancel_rejected",
    "OrderCanceled": "canceled",
    "OrderExpired": "expired",
    "OrderTriggered": "triggered",
    "OrderFilled": "fill",
}
"""What each event of an order reports."""
POSITION_EVENTS: Final = frozenset({"PositionOpened", "PositionChanged", "PositionClosed"})
OWN: Final = frozenset(
    {
        "OrderInitialized", "OrderDenied", "OrderEmulated", "OrderReleased", "OrderSubmitted", "OrderPendingUpdate",
        "OrderPendingCancel",
    }
)  # fmt: skip
"""Events of our own side: the venue has said nothing yet."""
TEXTS: Final = {
    "OrderEmulated": ("emulated", ""),
    "OrderReleased": ("released at", "released_price"),
    "OrderModifyRejected": ("modify:", "reason"),
}
"""Of events that no other word of the record tells apart."""
SAYS_NO_STATUS: Final = frozenset({"order_status", "replaced", "cancel_rejected", "fill"})
"""What reports nothing of the state by itself: after a change or a fill it depends on the order."""
SIDES: Final = {"BUY": "buy", "SELL": "sell"}
ORDER_TYPES: Final = {
    "MARKET": "market",
    "LIMIT": "limit",
    "STOP_MARKET": "stop",
    "STOP_LIMIT": "stop_limit",
    "MARKET_TO_LIMIT": "market",  # what is left of it is a limit
    "MARKET_IF_TOUCHED": "take_profit",
    "LIMIT_IF_TOUCHED": "take_profit_limit",
    "TRAILING_STOP_MARKET": "trailing_stop",
    "TRAILING_STOP_LIMIT": "trailing_stop",
}
TIMES_IN_FORCE: Final = {"GTC": "gtc", "IOC": "ioc", "FOK": "fok", "GTD": "gtd", "DAY": "day"}
LIQUIDITY: Final = {"MAKER": "maker", "TAKER": "taker"}
POSITION_SIDES: Final = {"LONG": "long", "SHORT": "short", "BOTH": "both"}
"""How the id of a position ends that is the venue's own in hedge mode, as NautilusTrader's adapters make it."""


def decoded(event: object) -> Mapping[str, Any]:
    """An event as a mapping: as it is, its JSON text, or what its class makes of it (`OrderFilled.to_dict(event)`).

    Raises:
        RecordError: it is none of them.
    """
    to_dict = getattr(type(event), "to_dict", None)
    return value.decoded(event if to_dict is None else attempt(event, to_dict, event))


def order_event(event: Mapping[str, Any]) -> Update:
    """What an event of an order says by itself.

    Raises:
        RecordError: it has no instrument id.
    """
    kind = value.text(event.get("type")) or ""
    exec_type = EXEC_TYPES[kind]
    update = _names(event) | value.told(
        exec_type=exec_type,
        order_status=None if exec_type in SAYS_NO_STATUS else exec_type,
        client_order_id=value.text(event.get("client_order_id")),
        order_id=value.text(event.get("venue_order_id")),
        report_id=value.text(event.get("event_id")),
        exchange_ns=None if kind in OWN else _time_ns(event.get("ts_event")),
        text=value.text(event.get("reason")),
    )
    if kind == "OrderInitialized":
        update |= _order(event)
    elif kind == "OrderUpdated":
        update |= value.told(
            quantity=event.get("quantity"), price=event.get("price"), stop_price=event.get("trigger_price")
        )
    elif kind == "OrderFilled":
        update |= _fill(event)
    elif kind in TEXTS:
        begin, key = TEXTS[kind]
        update["text"] = f"{begin} {value.text(event.get(key)) or ''}".strip()
    words = {"side": "order_side", "order_type": "order_type", "time_in_force": "time_in_force"}
    return value.finished(update, **{name: event.get(key) for name, key in words.items()})


def position_event(event: Mapping[str, Any]) -> Update:
    """What an event of a position says by itself: how much is held now.

    It is about the order that closed the position, else about the one that opened it; an order that changed it is not
    named. `realized_pnl`, of all its fills together and with their commissions, stands in the text.
    """
    kind, sign = value.text(event.get("type")), "-" if event.get("side") == "SHORT" else ""
    held = value.decimal(event.get("quantity"))
    update = _names(event) | value.told(
        exec_type="order_status",
        client_order_id=value.text(event.get("closing_order_id")) or value.text(event.get("opening_order_id")),
        venue_position=None if held is None else f"{sign}{plain(held.copy_abs())}",
        report_id=value.text(event.get("event_id")),
        exchange_ns=position_ns(event),
        text=f"{kind}, realized_pnl {value.text(event.get('realized_pnl')) or 'unknown'}",
    )
    return value.finished(update)


def position_ns(event: Mapping[str, Any]) -> Any:
    """When a position changed, ns since the epoch; that it was closed has a name of its own."""
    return _time_ns(event.get("ts_closed") if event.get("ts_event") is None else event.get("ts_event"))


def position_of(position_id: object, instrument_id: object, strategy_id: object) -> Update:
    """Which position of the instrument an id names.

    - `INSTRUMENT-STRATEGY` is netting: there is one, and it has neither side nor id.
    - `INSTRUMENT-LONG`, `-SHORT` and `-BOTH` are those of a venue's hedge mode, and have the side.
    - Any other id is that of one of several that may be open at once, on one side too. It has the id; its quantity has
      the sign.
    """
    found = value.text(position_id)
    if found is None or found == f"{instrument_id}-{strategy_id}":
        return {}
    begin, _, end = found.rpartition("-")
    if begin == instrument_id and end in POSITION_SIDES:
        return {"position_side": POSITION_SIDES[end]}
    return {"position_id": found}


def is_emulated(event: Mapping[str, Any]) -> bool:
    """Whether an order is asked for that waits on our side for its trigger."""
    return value.text(event.get("emulation_trigger")) not in (None, "NO_TRIGGER")


def money(given: object) -> tuple[Decimal | None, str | None]:
    """Amount and currency of `-1.5 USDT`."""
    amount, _, currency = (value.text(given) or "").partition(" ")
    return value.decimal(amount), currency or None


def _names(event: Mapping[str, Any]) -> Update:
    """Whose event it is. The symbol may have dots, the venue has none."""
    instrument_id, strategy_id = value.text(event.get("instrument_id")), value.text(event.get("strategy_id"))
    symbol, _, venue = (instrument_id or "").rpartition(".")
    if not (symbol and venue):
        raise RecordError(f"the instrument id is {shown(instrument_id)}", "give an event with SYMBOL.VENUE")
    return value.told(
        exchange=venue,
        symbol=symbol,
        strategy=strategy_id,
        account=value.text(event.get("account_id")),
        origin="reconciliation" if event.get("reconciliation") is True else None,
        received_ns=_time_ns(event.get("ts_init")),
        **position_of(event.get("position_id"), instrument_id, strategy_id),
    )


def _order(event: Mapping[str, Any]) -> Update:
    """What was asked for."""
    given = event.get("options")
    options: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    tags = event.get("tags")
    return value.told(
        side=value.word(SIDES, event.get("order_side")),
        order_type=value.word(ORDER_TYPES, event.get("order_type")),
        time_in_force=_time_in_force(event),
        quantity=event.get("quantity"),
        quantity_unit="quote" if event.get("quote_quantity") is True else None,
        price=options.get("price"),
        stop_price=options.get("trigger_price"),
        position_effect="reduce_only" if event.get("reduce_only") is True else None,
        text=", ".join(each for each in tags if isinstance(each, str)) if isinstance(tags, list | tuple) else None,
    )


def _time_ns(given: Any) -> Any:
    """Ns as a whole number or its text; None if there is none."""
    found = int(given) if isinstance(given, str) and given.isdecimal() else given
    return value.nonzero(found)


def _time_in_force(event: Mapping[str, Any]) -> str | None:
    found = value.word(TIMES_IN_FORCE, event.get("time_in_force"))
    return "post_only" if found == "gtc" and event.get("post_only") is True else found


def _fill(event: Mapping[str, Any]) -> Update:
    commission, currency = money(event.get("commission"))
    return value.told(
        side=value.word(SIDES, event.get("order_side")),
        order_type=value.word(ORDER_TYPES, event.get("order_type")),
        trade_id=value.text(event.get("trade_id")),
        last_price=event.get("last_px"),
        last_quantity=event.get("last_qty"),
        liquidity=value.word(LIQUIDITY, event.get("liquidity_side")),
        commission=None if commission is None else plain(EXACT.plus(commission)),
        commission_currency=currency,
    )
