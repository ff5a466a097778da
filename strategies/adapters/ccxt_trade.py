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
from ringbuf.strategies.adapters.adapter import Refused, Update
from ringbuf.strategies.adapters.ccxt_fee import put_fees
from ringbuf.strategies.adapters.ccxt_raw import PROFITS, SEQUENCES, SIZES, Raw
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
    message, raw = Message(trade), Raw(trade.get("info"))
    message.put(
        symbol=message.text("symbol"),
        trade_id=message.text("id"),
        exchange_ns=message.time("timestamp") or message.time("datetime"),
        position_side=raw.position_side,
    )
    message.put_sequence("exchange_seq", raw.get(*SEQUENCES))
    trade_type = raw.trade_type
    message.put(trade_type=trade_type)
    if trade_type == "funding":
        message.put(exec_type="funding")
    else:
        _read_fill(message, raw)
    put_fees(message)
    return [message.finished()]


def _read_fill(message: Message, raw: Raw) -> None:
    amount, side, order_id = message.number("amount"), message.text("side"), message.text("order")
    if amount is None:
        amount = message.number_of("amount", raw.get(*SIZES))
    if amount is None and order_id is None:
        raise RecordError("a trade has no amount and no order", "without one nobody can tell what was traded")
    if amount is not None and amount < 0:
        if side is not None and side.lower() != "sell":
            message.note(f"{CONTRADICTION}{side} of amount {plain(amount)}")
        amount, side = EXACT.minus(amount), side or "sell"
    message.put(
        exec_type="fill",
        order_id=order_id,
        client_order_id=message.text("clientOrderId"),
        last_price=message.number("price"),
        last_quantity=amount,
        realized_pnl=message.number_of("realized_pnl", raw.get(*PROFITS)),
        quantity_unit=unit_of(message.text("symbol")),
    )
    put_side(message, side)
    message.put_word("liquidity", message.get("takerOrMaker"))
    if look_up("order_type", kind := message.get("type")):
        message.put(order_type=kind)
    message.put_aside("trade_type", raw.adjusted)


def put_side(message: Message, side: Any) -> None:
    """Set the side, which some exchanges call by its side of the book."""
    message.put_word("side", SIDES.get(side.lower(), side) if isinstance(side, str) else side)


def unit_of(symbol: str | None) -> str | None:
    """What ccxt counts in: contracts of a derivative (`BASE/QUOTE:SETTLE`), else the base currency.

    A symbol that is none of ccxt's tells neither.
    """
    if symbol is None or "/" not in symbol:
        return None
    return "contracts" if ":" in symbol else "base"


def quantity_of(update: Update | Refused) -> Decimal | None:
    """What a fill that was read traded; None if it is no fill, or does not tell it."""
    found = update.get("last_quantity") if isinstance(update, dict) else None
    return None if found is None else Decimal(found)
