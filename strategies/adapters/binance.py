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

from ringbuf.strategies.adapters import binance_words, value
from ringbuf.strategies.adapters.adapter import Update
from ringbuf.strategies.adapters.binance_algo import algo_update
from ringbuf.strategies.adapters.binance_answer import answered
from ringbuf.strategies.adapters.message import plain
from ringbuf.strategies.adapters.stream import StreamAdapter
from ringbuf.trading.number import EXACT

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

    A row of an answer (an order, a trade), as the web socket API gives it too, is a look-back. What tells of no order,
    fill or funding gives nothing.

    Raises:
        RecordError: it is no message.
    """
    event = value.decoded(message)
    if isinstance(event.get("result"), list):
        return [update for each in value.rows(event["result"], "result") for update in updates(each)]
    for envelope in ("data", "event", "result"):
        if isinstance(event.get(envelope), Mapping):
            event = event[envelope]
    match event.get("e"):
        case "executionReport":
            return [execution_report(event)]
        case "ORDER_TRADE_UPDATE":
            return [order_trade_update(event)]
        case "TRADE_LITE":
            return [trade_lite(event)]
        case "ALGO_UPDATE":
            return algo_update(event)
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
    former = value.text(event.get("C"))
    is_amended = former is not None and event.get("x") == "REPLACED"
    is_money = value.is_positive(event.get("Q"))
    update = _order(event, binance_words.ORDER_TYPES) | value.told(
        orig_client_order_id=None if is_amended else former,
        stop_price=value.nonzero(event.get("P")),
        exchange_ns=value.time_ns(event.get("T") or event.get("E")),
        quantity_unit="quote" if is_money else "base",
        text=f"was {former}" if is_amended else _reason(event.get("r"), {"NONE"}),
    )
    if is_money:
        update["quantity"] = event["Q"]
    else:
        binance_words.take_off_prevented(update, event.get("A"))
    if update.get("exec_type") == "fill":
        kind = "liquidation" if event.get("x") == "CALCULATED" else "regular"
        update |= value.told(quote_quantity=event.get("Y"), trade_type=kind)
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
    client_order_id = value.text(order.get("c")) or ""
    forced = next((kind for begin, kind in FORCED.items() if client_order_id.startswith(begin)), None)
    forced = forced or ("liquidation" if "LIQUIDATION" in (order.get("o"), order.get("ot")) else None)
    is_close, reason = order.get("cp") is True, _reason(order.get("er"), {"0"})
    update = _order(order, binance_words.FUTURES_ORDER_TYPES) | value.told(
        stop_price=value.nonzero(order.get("sp")),
        average_price=value.nonzero(order.get("ap")),
        exchange_ns=value.time_ns(order.get("T") or event.get("T") or event.get("E")),
        position_side=value.word(binance_words.POSITION_SIDES, order.get("ps")),
        position_effect="close" if is_close else "reduce_only" if order.get("R") is True else None,
        quantity_unit=binance_words.quantity_unit(order.get("s"), event.get("fs")),
        text=EXPIRY_REASONS.get(reason or "", reason),
    )
    if update.get("exec_type") == "new" and binance_words.is_triggered(order.get("o"), order.get("ot")):
        update |= {"exec_type": "restated", "text": f"triggered: {order['ot']}"}
    if update.get("exec_type") == "fill":
        kind = "liquidation" if order.get("x") == "CALCULATED" and forced is None else forced
        update |= value.told(realized_pnl=order.get("rp"), trade_type=kind or "regular")
    return _finished(update, order)


def trade_lite(event: Mapping[str, Any]) -> Update:
    """A `TRADE_LITE` of futures: a fill, told before the order's own update and without its state."""
    update = value.told(
        exec_type="fill",
        exchange_ns=value.time_ns(event.get("T") or event.get("E")),
        quantity_unit=binance_words.quantity_unit(event.get("s"), event.get("fs")),
    )
    return value.finished(_names(event) | _fill(event) | update, side=event.get("S"))


def funding(event: Mapping[str, Any]) -> list[Update]:
    """The payment in an `ACCOUNT_UPDATE` for funding, if it says of which symbol.

    Of a crossed position the venue tells the balance alone, and in some streams the symbol (`S`).
    """
    account = event.get("a")
    if not isinstance(account, Mapping) or account.get("m") != "FUNDING_FEE":
        return []
    positions, balances = value.rows(account.get("P"), "a.P"), value.rows(account.get("B"), "a.B")
    symbols = {value.text(each.get("s")) for each in positions}  # of hedge mode both positions have the same one
    symbol = value.text(account.get("S")) or (symbols.pop() if len(symbols) == 1 else None)
    changes = [each for each in balances if value.decimal(each.get("bc"))]
    if symbol is None or len(changes) != 1:
        return []
    received = value.decimal(changes[0]["bc"])
    assert received is not None, "it is none of zero"
    update = value.told(
        exec_type="funding",
        trade_type="funding",
        symbol=symbol,
        position_side=value.word(binance_words.POSITION_SIDES, positions[0].get("ps")) if len(positions) == 1 else None,
        commission=plain(EXACT.minus(received)),
        commission_currency=value.text(changes[0].get("a")),
        exchange_ns=value.time_ns(event.get("T") or event.get("E")),
    )
    return [value.finished(update)]


class BinanceAdapter(StreamAdapter):
    """Takes messages of a user data stream of Binance."""

    def updates(self, message: Any) -> list[Update]:
        """See `updates` of this module."""
        return updates(message)


def _order(event: Mapping[str, Any], order_types: Mapping[str, str]) -> Update:
    """What spot and futures tell alike: the order, and its fill if there is one."""
    update = _names(event) | value.told(
        exec_type=value.word(EXEC_TYPES, event.get("x")),
        order_status=value.word(binance_words.STATUSES, event.get("X")),
        order_type=value.word(order_types, event.get("o")),
        time_in_force=value.word(binance_words.TIMES_IN_FORCE, event.get("f")),
        price=value.nonzero(event.get("p")),
        quantity=event.get("q"),
        cumulative_quantity=event.get("z"),
    )
    if update.get("exec_type") != "fill":
        return update
    if value.decimal(event.get("l")) == 0:
        update["exec_type"] = "order_status"  # a trade that traded nothing
        return update
    if update.get("order_status") == "new":  # said of one that the insurance fund or a counterparty takes over
        is_whole = value.decimal(event.get("z")) == value.decimal(event.get("q"))
        update["order_status"] = "filled" if is_whole else "partially_filled"
    update |= _fill(event) | value.told(
        commission=event.get("n") if event.get("N") else value.nonzero(event.get("n")),
        commission_currency=value.text(event.get("N")),
    )
    return update


def _names(event: Mapping[str, Any]) -> Update:
    return value.names_of(event, binance_words.SIDES, symbol="s", side="S", order_id="i", client_order_id="c")


def _fill(event: Mapping[str, Any]) -> Update:
    return value.told(
        trade_id=binance_words.trade_id(event.get("t"), event.get("a")),
        last_price=event.get("L"),
        last_quantity=event.get("l"),
        liquidity=value.liquidity(event.get("m")),
        exchange_seq=value.sequence(event.get("t")),
    )


def _finished(update: Update, event: Mapping[str, Any]) -> Update:
    words = {"exec_type": "x", "order_status": "X", "order_type": "o", "time_in_force": "f", "side": "S"}
    return value.finished(update, **{name: event.get(key) for name, key in words.items()})


def _reason(given: object, none: set[str]) -> str | None:
    found = value.text(given)
    return None if found in none else found
