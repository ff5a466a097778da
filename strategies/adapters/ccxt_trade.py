"""A unified trade of ccxt as updates.

A payment of funding that an exchange lists among its executions is no fill: Bybit does (`execType` Funding), as does
BitMEX. Its price and quantity are those of the position it was paid for, and are left out.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from ringbuf.errors import RecordError
from ringbuf.record.value import shown
from ringbuf.record.words import look_up
from ringbuf.strategies.adapters import bybit
from ringbuf.strategies.adapters.adapter import Refused, Update
from ringbuf.strategies.adapters.ccxt_fee import put_fees
from ringbuf.strategies.adapters.ccxt_raw import Raw
from ringbuf.strategies.adapters.ccxt_raw_trade import PROFITS, SEQUENCES, SIZES, RawTrade
from ringbuf.strategies.adapters.message import CONTRADICTION, Message, plain
from ringbuf.trading.number import EXACT

SIDES: Final = {"bid": "buy", "ask": "sell"}


def read_trade(trade: Any) -> list[Update | Refused]:
    """What one trade of one's own says.

    Raises:
        RecordError: it is no mapping, or tells neither what was traded nor of which order.
    """
    if not isinstance(trade, Mapping):
        raise RecordError(f"{shown(trade)} is no trade", "give what ccxt returned")
    message, raw = Message(trade), RawTrade(trade.get("info"))
    if raw.is_state:
        return _read_state(message, raw)
    trade_id = message.text("id")
    message.put(
        symbol=message.text("symbol"),
        trade_id=raw.allocation if trade_id == "-1" else trade_id,
        exchange_ns=_time(message, raw),
        position_side=raw.position_side,
    )
    message.put_sequence("exchange_seq", raw.get(*SEQUENCES))
    trade_type = raw.trade_type
    message.put(trade_type=trade_type)
    if trade_type == "funding":
        message.put(exec_type="funding")
    elif raw.settles_session:
        message.put(**bybit.SETTLED, realized_pnl=message.number_of("realized_pnl", raw.get(*PROFITS)))
        put_side(message, message.text("side"))
    else:
        _read_fill(message, raw)
    put_fees(message, raw)
    return [message.finished()]


def _time(message: Message, raw: RawTrade) -> Any:
    if raw.is_of_poloniex:
        return Message({"timestamp": raw.get("tradeTime")}).time("timestamp")
    return message.time("timestamp") or message.time("datetime")


def _read_state(message: Message, raw: RawTrade) -> list[Update | Refused]:
    """A report that is none of a trade: of Kraken's stream, if it came together with one, and of Alpaca's, any."""
    symbol = message.text("symbol")
    message.put(
        symbol=symbol,
        exec_type="order_status",
        order_id=message.text("order"),
        exchange_ns=message.time("timestamp") or message.time("datetime"),
        cumulative_quantity=message.number_of("cum_qty", raw.get("cum_qty", "filled_qty")),
        average_price=message.number_of("avg_price", raw.get("filled_avg_price")),
        quantity_unit=unit_of(symbol, raw),
    )
    message.put_word("order_status", raw.get("order_status", "status"))
    put_side(message, message.text("side"))
    return [message.finished()]


def _read_fill(message: Message, raw: RawTrade) -> None:
    side, order_id = message.text("side"), message.text("order")
    amount, price = (message.number_of(key, each) for key, each in zip(("amount", "price"), raw.last, strict=True))
    amount = message.number("amount") if amount is None else amount
    price = message.number("price") if price is None else price
    if amount is None:
        amount = message.number_of("amount", raw.get(*SIZES))
    if amount is None and order_id is None:
        raise RecordError("a trade has no amount and no order", "without one nobody can tell what was traded")
    if amount is not None and amount < 0:
        if side is not None and side.lower() != "sell":
            message.note(f"{CONTRADICTION}{side} of amount {plain(amount)}")
        amount, side = EXACT.minus(amount), side or "sell"
    side = raw.side or side
    message.put(
        exec_type="fill",
        order_id=order_id,
        client_order_id=message.text("clientOrderId"),
        last_price=price,
        last_quantity=amount,
        realized_pnl=message.number_of("realized_pnl", raw.get(*PROFITS)),
        quantity_unit=unit_of(message.text("symbol"), raw, amount),
    )
    put_side(message, side)
    message.put_word("liquidity", message.get("takerOrMaker"))
    if look_up("order_type", kind := message.get("type")):
        message.put(order_type=kind)
    message.put_aside("trade_type", raw.adjusted)


def put_side(message: Message, side: Any) -> None:
    """Set the side, which some exchanges call by its side of the book."""
    message.put_word("side", SIDES.get(side.lower(), side) if isinstance(side, str) else side)


def unit_of(symbol: str | None, raw: Raw, *quantities: Decimal | None) -> str | None:
    """What ccxt counts in: contracts of a derivative (`BASE/QUOTE:SETTLE`), else the base currency.

    A symbol that is none of ccxt's tells neither. Quantities of a derivative of which the raw message has none were
    multiplied by the size of a contract (XT): those of a linear one are in the base currency then.
    """
    if symbol is None or "/" not in symbol:
        return None
    pair, _, settle = symbol.partition(":")
    told = [each for each in quantities if each]
    if not settle or not told or any(map(raw.tells, told)):
        return "contracts" if settle else "base"
    return "base" if pair.partition("/")[2] == settle.partition("-")[0] else None


def quantity_of(update: Update | Refused) -> Decimal | None:
    """What a fill that was read traded; None if it is no fill, or does not tell it."""
    found = update.get("last_quantity") if isinstance(update, dict) else None
    return None if found is None else Decimal(found)
