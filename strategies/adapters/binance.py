"""Binance's user data streams: spot and margin, USDⓈ-M and COIN-M futures, portfolio margin.

Formats: `executionReport`
https://developers.binance.com/docs/binance-spot-api-docs/user-data-stream#order-update, `ORDER_TRADE_UPDATE`
https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams/Event-Order-Update, `TRADE_LITE`
https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams/Event-Trade-Lite, and of
`ACCOUNT_UPDATE` payments of funding
https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams/Event-Balance-and-Position-Update.

Spot and futures spell their symbols alike, so give their adapters two exchanges: `binance` and `binance_futures`.
"""

from collections.abc import Mapping
from typing import Any, Final

from ringbuf.strategies.adapters.adapter import Update
from ringbuf.strategies.adapters.binance_answer import answered
from ringbuf.strategies.adapters.binance_words import (
    FUTURES_ORDER_TYPES,
    ORDER_TYPES,
    POSITION_SIDES,
    SIDES,
    STATUSES,
    TIMES_IN_FORCE,
    quantity_unit,
)
from ringbuf.strategies.adapters.message import plain
from ringbuf.strategies.adapters.stream import StreamAdapter
from ringbuf.strategies.adapters.value import (
    decimal,
    decoded,
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

EXEC_TYPES: Final = {
    "NEW": "new",
    "CANCELED": "canceled",
    "REPLACED": "replaced",
    "AMENDMENT": "replaced",
    "REJECTED": "rejected",
    "TRADE": "fill",
    "CALCULATED": "fill",  # a liquidation
    "EXPIRED": "expired",
    "TRADE_PREVENTION": "restated",  # less can trade, since it would have been with oneself
}
EXPIRY_REASONS: Final = {
    "1": "self-trade prevention",
    "2": "IOC not filled completely",
    "3": "IOC not filled completely, self-trade prevention",
    "4": "knocked out by a reduce-only order, or it would reverse the position",
    "5": "liquidation of the account",
    "6": "GTE condition not satisfied",
    "7": "symbol delisted",
    "8": "reduce-only condition not satisfied",
}
FORCED: Final = {
    "autoclose-": "liquidation",
    "adl_autoclose": "adl",
    "settlement_autoclose-": "settlement",
    "delivery_autoclose-": "delivery",
}
"""How the client order ids begin of orders that the venue itself makes."""


def updates(message: object) -> list[Update]:
    """What a message of a user data stream says, with or without the envelope of a combined or subscribed stream.

    A row of an answer (an order, a trade) is a look-back. What tells of no order, fill or funding gives nothing.

    Raises:
        RecordError: it is no message.
    """
    event = decoded(message)
    for envelope in ("data", "event"):
        if isinstance(event.get(envelope), Mapping):
            event = event[envelope]
    match event.get("e"):
        case "executionReport":
            return [execution_report(event)]
        case "ORDER_TRADE_UPDATE":
            return [order_trade_update(event)]
        case "TRADE_LITE":
            return [trade_lite(event)]
        case "ACCOUNT_UPDATE":
            return funding(event)
        case None:
            return [each | {"origin": "lookback"} for each in answered(event)]
    return []


def execution_report(event: Mapping[str, Any]) -> Update:
    """An `executionReport` of spot or margin.

    A cancel has a client id of its own: `c` is that of the request, `C` that of the order. An amendment gives the order
    a new one (`c`) and keeps its order id. The former (`C`) stands in the text: as `orig_client_order_id` it would mean
    that another order was replaced, if all that told it before was lost.
    """
    former = text(event.get("C"))
    is_amended = former is not None and event.get("x") == "REPLACED"
    is_money = is_positive(event.get("Q"))
    update = _order(event, ORDER_TYPES) | told(
        orig_client_order_id=None if is_amended else former,
        stop_price=positive(event.get("P")),
        exchange_ns=time_ns(event.get("T") or event.get("E")),
        quantity_unit="quote" if is_money else "base",
        text=f"was {former}" if is_amended else _reason(event.get("r"), {"NONE"}),
    )
    if is_money:
        update["quantity"] = event["Q"]
    else:
        _take_off_prevented(update, event)
    if update.get("exec_type") == "fill":
        update |= told(quote_quantity=event.get("Y"), trade_type="regular")
    if event.get("o") == "LIMIT_MAKER":
        update["time_in_force"] = "post_only"
    if event.get("x") == "TRADE_PREVENTION" and update.get("order_status") == "expired":
        update["exec_type"] = "expired"
    if event.get("x") == "TRADE_PREVENTION" or event.get("X") == "EXPIRED_IN_MATCH":
        update.setdefault("text", EXPIRY_REASONS["1"])
    return _finished(update, event)


def order_trade_update(event: Mapping[str, Any]) -> Update:
    """An `ORDER_TRADE_UPDATE` of futures."""
    order = event.get("o")
    if not isinstance(order, Mapping):
        order = {}
    client_order_id = text(order.get("c")) or ""
    forced = next((kind for begin, kind in FORCED.items() if client_order_id.startswith(begin)), None)
    forced = forced or ("liquidation" if "LIQUIDATION" in (order.get("o"), order.get("ot")) else None)
    is_close = order.get("cp") is True
    update = _order(order, FUTURES_ORDER_TYPES) | told(
        stop_price=positive(order.get("sp")),
        average_price=positive(order.get("ap")),
        exchange_ns=time_ns(order.get("T") or event.get("T") or event.get("E")),
        position_side=word(POSITION_SIDES, order.get("ps")),
        position_effect="close" if is_close else "reduce_only" if order.get("R") is True else None,
        quantity_unit=quantity_unit(order.get("s"), event.get("fs")),
        text=EXPIRY_REASONS.get(str(order.get("er")), _reason(order.get("er"), {"0"})),
    )
    if update.get("exec_type") == "fill":
        kind = "liquidation" if order.get("x") == "CALCULATED" and forced is None else forced
        update |= told(realized_pnl=order.get("rp"), trade_type=kind or "regular")
    return _finished(update, order)


def trade_lite(event: Mapping[str, Any]) -> Update:
    """A `TRADE_LITE` of futures: a fill, told before the order's own update and without its state."""
    update = told(
        exec_type="fill",
        symbol=text(event.get("s")),
        side=word(SIDES, event.get("S")),
        client_order_id=text(event.get("c")),
        order_id=identity(event.get("i")),
        trade_id=identity(event.get("t")),
        last_price=event.get("L"),
        last_quantity=event.get("l"),
        liquidity=liquidity(event.get("m")),
        exchange_ns=time_ns(event.get("T") or event.get("E")),
        exchange_seq=sequence(event.get("t")),
        quantity_unit=quantity_unit(event.get("s"), event.get("fs")),
    )
    return finished(update, side=event.get("S"))


def funding(event: Mapping[str, Any]) -> list[Update]:
    """The payment in an `ACCOUNT_UPDATE` for funding, if it says of which symbol.

    Of a crossed position the venue tells the balance alone, and in some streams the symbol (`S`).
    """
    account = event.get("a")
    if not isinstance(account, Mapping) or account.get("m") != "FUNDING_FEE":
        return []
    positions, balances = rows(account.get("P"), "a.P"), rows(account.get("B"), "a.B")
    symbol = text(account.get("S")) or (text(positions[0].get("s")) if len(positions) == 1 else None)
    changes = [each for each in balances if decimal(each.get("bc"))]
    if symbol is None or len(changes) != 1:
        return []
    received = decimal(changes[0]["bc"])
    assert received is not None, "it is none of zero"
    update = told(
        exec_type="funding",
        trade_type="funding",
        symbol=symbol,
        position_side=word(POSITION_SIDES, positions[0].get("ps")) if len(positions) == 1 else None,
        commission=plain(-received),
        commission_currency=text(changes[0].get("a")),
        exchange_ns=time_ns(event.get("T") or event.get("E")),
    )
    return [finished(update)]


class BinanceAdapter(StreamAdapter):
    """Takes messages of a user data stream of Binance."""

    def updates(self, message: Any) -> list[Update]:
        """See `updates` of this module."""
        return updates(message)


def _order(event: Mapping[str, Any], order_types: Mapping[str, str]) -> Update:
    """What spot and futures tell alike: the order, and its fill if there is one."""
    update = told(
        exec_type=word(EXEC_TYPES, event.get("x")),
        order_status=word(STATUSES, event.get("X")),
        symbol=text(event.get("s")),
        side=word(SIDES, event.get("S")),
        client_order_id=text(event.get("c")),
        order_id=identity(event.get("i")),
        order_type=word(order_types, event.get("o")),
        time_in_force=word(TIMES_IN_FORCE, event.get("f")),
        price=positive(event.get("p")),
        quantity=event.get("q"),
        cumulative_quantity=event.get("z"),
    )
    if update.get("exec_type") == "fill":
        update |= told(
            trade_id=identity(event.get("t")),
            last_price=event.get("L"),
            last_quantity=event.get("l"),
            liquidity=liquidity(event.get("m")),
            commission=event.get("n") if event.get("N") else positive(event.get("n")),
            commission_currency=text(event.get("N")),
            exchange_seq=sequence(event.get("t")),
        )
    return update


def _take_off_prevented(update: Update, event: Mapping[str, Any]) -> None:
    """What self-trade prevention took off the order trades no more (`A`)."""
    prevented, ordered = decimal(event.get("A")), decimal(event.get("q"))
    if prevented and ordered is not None and update.get("order_status") != "expired":
        update["quantity"] = plain(ordered - prevented)


def _finished(update: Update, event: Mapping[str, Any]) -> Update:
    words = {"exec_type": "x", "order_status": "X", "order_type": "o", "time_in_force": "f", "side": "S"}
    return finished(update, **{name: event.get(key) for name, key in words.items()})


def _reason(given: object, none: set[str]) -> str | None:
    found = text(given)
    return None if found in none else found
