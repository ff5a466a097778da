"""A unified order of ccxt as updates: the state of the order, and the trades that are in it.

- Its time is the latest that it tells: of its last update, last trade, creation.
- `closed` is filled only if nothing is left; else the rest was canceled, whatever the exchange calls it.
- An order without a status has none, but for one that has executed all of it.
- `remaining` 0 of an order that works is left out: some say so of one that waits for its trigger.
- What a market buy spends may be told in the quote currency. Then `quantity_unit` is `quote`; and where ccxt divided it
  by a price, quantities that are in no raw message are left out.
- A market order's price is no limit where it is the average, or in no raw message.
- Its fees are in the text: they are those of all its fills, or on some exchanges of the last one.
- Numbers that cannot all be right are kept as they are told, and noted in the text.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ringbuf.errors import RecordError
from ringbuf.record.execution import OrderStatus, OrderType
from ringbuf.record.value import shown
from ringbuf.record.words import look_up
from ringbuf.strategies.adapters.adapter import Refused, Update
from ringbuf.strategies.adapters.ccxt_fee import fees_of, fees_text
from ringbuf.strategies.adapters.ccxt_quantities import EQUAL, Quantities, read_quantities
from ringbuf.strategies.adapters.ccxt_raw_order import TRIGGERS, RawOrder
from ringbuf.strategies.adapters.ccxt_trade import put_side, quantity_of, read_trade
from ringbuf.strategies.adapters.message import CONTRADICTION, Message
from ringbuf.trading.states import NO_ID

STATUSES: Final = {
    "canceling": "pending_cancel",
    "failed": "rejected",
    "pending": "pending_new",
    "best_effort_opened": "new",  # dYdX
    "scheduledcancel": "canceled",  # Hyperliquid
}
"""Words of ccxt, and of exchanges that it passes on; the others are looked up among those of venues."""
MARKETS: Final = ("spot", "swap")
"""Types of markets, which ccxt gives as the type of an order of XT."""
WORKS: Final = ("open", "_update")
"""Gate's contracts say `finish_as` `_update` of an order that goes on, and ccxt passes it on:
https://www.gate.com/docs/developers/futures/ws/en/"""
ORDER_TYPES: Final = {
    "post_only": ("limit", "post_only"),
    "fok": ("limit", "fok"),
    "ioc": ("limit", "ioc"),
    "optimal_limit_ioc": ("market", "ioc"),
    "formula_price": ("trailing_stop", None),
    **{
        f"{kind}{end}": (ours, end[1:] or None)
        for kind, ours in (("lightning", "market"), *((f"optimal_{each}", "limit") for each in (5, 10, 20)))
        for end in ("", "_ioc", "_fok")
    },
    **{f"opponent{end}": ("limit", end[1:] or None) for end in ("", "_ioc", "_fok")},
}
"""Types that ccxt passes on and that say how long an order stays: of HTX, WOO, OKX. HTX's contracts say with them which
price of the book it has: `opponent` the best one, `optimal_5` the fifth."""
ATTACHED: Final = ("conditional", "oco")
"""Types of OKX of which the price that is set tells whether it is to stop a loss or to take a profit."""
TIMES_IN_FORCE: Final = {
    "good_til_cancel": "gtc",
    "gtt": "gtd",
    "good_til_time": "gtd",
    "good_till_time": "gtd",
    "good_til_date": "gtd",
    "alo": "post_only",
}
"""Words of exchanges that ccxt passes on, and that are none of ours."""
_CANCELED: Final = re.compile("cancell?ed", re.IGNORECASE)
_WITHOUT_TRIGGER: Final = (None, 0, OrderType.MARKET, OrderType.LIMIT)
NAMELESS: Final = "a trade in an order has no id: it counts in the order's total, and as a fill when it comes with one"
TIMES: Final = ("timestamp", "lastTradeTimestamp", "lastUpdateTimestamp")


def read_order(order: Any) -> list[Update | Refused]:
    """What one order says: its state, and then the trades in it that have an id.

    Raises:
        RecordError: it is no mapping, or names no order.
    """
    if not isinstance(order, Mapping):
        raise RecordError(f"{shown(order)} is no order", "give what ccxt returned")
    raw = RawOrder(order.get("info"))
    message = Message(_without_guesses(order, raw))
    ids = {"order_id": message.text("id"), "client_order_id": message.text("clientOrderId")}
    if all(each is None or each in NO_ID for each in ids.values()):
        raise RecordError("an order has no id and no clientOrderId", "without one nobody can tell which order it is")
    message.put(symbol=message.text("symbol"), **ids, position_side=raw.position_side, exchange_ns=_time(message))
    message.put(exec_type=raw.exec_type)
    put_side(message, raw.side or message.get("side"))
    trades = list(_trades(order, message))
    traded = [each for each in map(quantity_of, trades) if each is not None]
    quantities = read_quantities(message, raw, traded)
    told, status = _statuses(message, raw, quantities)
    _put_type(message, raw, quantities)
    for each in quantities.contradictions(message.get("status"), told, traded):
        message.note(f"{CONTRADICTION}{each}")
    if _is_beyond_limit(message, quantities):
        message.note(f"{CONTRADICTION}average {message.get('average')}, limit {message.get('price')}")
    quantities.put(message, status)
    reason = raw.reason if status in ("rejected", "canceled", "expired") else None
    return [message.finished(reason, fees_text(fees_of(message, raw))), *trades]


def _without_guesses(order: Mapping[str, Any], raw: RawOrder) -> Mapping[str, Any]:
    """The order without what ccxt concludes of one whose place another took, or of its ids."""
    told = {"status": "replaced", "filled": None, "remaining": None} if raw.was_replaced else {}
    own_ids = raw.own_ids
    return {**order, **told, **own_ids} if told or own_ids else order


def _time(message: Message) -> Any:
    told = [each for each in map(message.time, TIMES) if isinstance(each, int)]
    return max(told) if told else message.time("datetime")


def _statuses(message: Message, raw: RawOrder, quantities: Quantities) -> tuple[str | None, str | None]:
    """The status that is told, in our word, and the one that the order has."""
    told = _told(message, raw, quantities)
    if told is None:
        status = "filled" if quantities.is_all else None
        message.put(order_status=status)
        return status, status
    if told == "open" and raw.is_match and quantities.is_all:
        told = "filled"
    elif told in WORKS:
        told = "partially_filled" if quantities.filled else "new"
    number = look_up("order_status", _status_word(told, raw, quantities) if isinstance(told, str) else told)
    if not number:
        message.put_aside("status", told)
        return None, None
    told = OrderStatus(number).name.lower()
    is_canceled = told == "filled" and quantities.is_short and not (raw.is_filled and not quantities.filled)
    status = "canceled" if is_canceled else told
    message.put(order_status=status)
    return told, status


def _told(message: Message, raw: RawOrder, quantities: Quantities) -> Any:
    """The status as ccxt tells it, or the exchange where it knows better.

    It is refused only if nothing was filled: what is left of an order may be, too.
    """
    told, word = message.get("status"), raw.word
    if raw.is_cancel_rejected:
        return None
    if raw.is_whole and quantities.is_all:
        return "filled"
    if raw.is_cut and not quantities.is_all:
        return "canceled"
    if raw.is_live or word == "partial_fill":  # WEEX
        return "open"
    if word == "expired" and told in ("canceled", "failed", "rejected"):
        return "expired"  # of the latter two HitBTC and Derive
    is_rest = bool(quantities.filled) and not quantities.is_all and raw.tells(quantities.filled)
    if told == "rejected" and (word.startswith("cancel") or is_rest):  # Lighter
        return "canceled"
    return told


def _status_word(told: str, raw: RawOrder, quantities: Quantities) -> str:
    """A word that is looked up; some say how an order ended (Gate's `finish_as`, Bitfinex's `POSTONLY CANCELED`)."""
    word = "rejected" if raw.is_invalid else STATUSES.get(told.lower(), told)
    if look_up("order_status", word) or not (told == raw.get("finish_as") or _CANCELED.search(told)):
        return word
    return "filled" if quantities.is_all else "canceled"


def _put_type(message: Message, raw: RawOrder, quantities: Quantities) -> None:
    kind, price = message.get("type"), message.number("price")
    if kind in MARKETS and (own := raw.get("tp", "orderType")):
        kind = str(own).lower()
    if raw.limit is not None:
        price = message.number_of("price", raw.limit)
    if raw.is_for_the_market:
        price = None
    kind, stays = ORDER_TYPES.get(kind, (kind, None)) if isinstance(kind, str) else (kind, None)
    trigger = _above_zero(message, "triggerPrice", "stopPrice")
    if trigger is None and kind == "trigger":  # BloFin
        trigger = message.number_of("triggerPrice", raw.get("triggerPrice"))
    conditional = raw.conditional_type
    if conditional is None and kind in ATTACHED:
        conditional = ("stop" if _above_zero(message, "stopLossPrice") else "take_profit") + ("_limit" if price else "")
    if conditional is None and trigger is not None and look_up("order_type", kind) in _WITHOUT_TRIGGER:
        is_limit = look_up("order_type", kind) == OrderType.LIMIT or (kind != "market" and bool(price))
        conditional = "stop_limit" if is_limit else "stop"
    message.put_word("order_type", conditional or kind)
    if trigger is None and conditional is not None:  # else they are orders of their own that follow this one
        trigger = _above_zero(message, "stopLossPrice", "takeProfitPrice")
        trigger = trigger or message.number_of("triggerPrice", raw.get(*TRIGGERS)) or None
    if kind == "market" and price is not None and (price == message.number("average") or not raw.tells(price)):
        price = None
    message.put(price=price or None, stop_price=trigger)
    word = "post_only" if message.get("postOnly") is True else message.get("timeInForce") or stays
    message.put_word(
        "time_in_force", TIMES_IN_FORCE.get(word.lower().replace("-", "_"), word) if isinstance(word, str) else word
    )
    message.put(position_effect="reduce_only" if message.get("reduceOnly") is True else None)


def _is_beyond_limit(message: Message, quantities: Quantities) -> bool:
    """Whether a limit order was filled at a worse price than its limit."""
    price, average = message.number("price"), quantities.average
    if message.get("type") != "limit" or not price or average is None:
        return False
    beyond = average - price if message.update.get("side") == "buy" else price - average
    return beyond > EQUAL * price


def _above_zero(message: Message, *keys: str) -> Any:
    numbers = [message.number(key) for key in keys]
    return next((each for each in numbers if each is not None and each > 0), None)


def _trades(order: Mapping[str, Any], message: Message) -> Iterator[Update | Refused]:
    trades = message.get("trades")
    # Some parsers give a trade in it another symbol's form, and leave out the rest.
    own = {"symbol": order.get("symbol"), "side": order.get("side"), "order": order.get("id")}
    own = {key: value for key, value in own.items() if value is not None}
    for trade in trades if isinstance(trades, list | tuple) else ():
        if not isinstance(trade, Mapping) or (trade.get("amount") is None and trade.get("price") is None):
            continue  # the bare id of a trade that is told elsewhere
        if trade.get("id") in (None, ""):
            yield Refused(trade, NAMELESS, NAMELESS)
            continue
        yield from read_trade({**trade, **own})
