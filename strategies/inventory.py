"""What a strategy holds and has in the market, known in its own process with no delay.

An order and its inventory are one state: `apply` takes a record, which carries both the fill and the order after it,
and replaces position and open quantities together. Where a venue reports them apart, what an order is known to have
executed stays in the open quantity until the fill itself has arrived. So `quantity + open_buy` cannot dip in between,
and a strategy that buys while it is below a target does not buy twice.
"""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np

from ringbuf.errors import RecordError
from ringbuf.execution import ExecType, OrderStatus, Side

from .words import look_up

ZERO: Final = Decimal(0)
CLOSED: Final = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED})


class Instrument(NamedTuple):
    """What a position is kept for."""

    exchange: str
    account: str
    symbol: str


class Position(NamedTuple):
    """Of one instrument: the signed quantity held, and the unsigned ones by which open orders may still change it."""

    quantity: Decimal = ZERO
    open_buy: Decimal = ZERO
    open_sell: Decimal = ZERO


class Inventory:
    """Positions, open quantities and commissions of one strategy process, in exact decimals.

    Numbers are those that records store: each f64 counts as its shortest decimal text. A fill that comes again changes
    nothing: same exchange, account, symbol, order, trade id, side, price and quantity; without a trade id the same
    cumulative quantity and exchange time besides; without those too, each is a fill of its own. A closed order stays
    closed, and what it executed never goes back. Any thread may read while another one applies.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._positions: dict[Instrument, Position] = {}
        self._commissions: dict[str, Decimal] = {}
        self._orders: dict[tuple[Instrument, str, str], _Order] = {}
        self._fills: set[tuple[object, ...]] = set()

    def apply(self, record: np.void | Mapping[str, Any]) -> Position:
        """Take one record, or the fields given to the recorder together with `exchange`, `account` and `symbol`.

        Returns:
            The instrument's position after it.

        Raises:
            RecordError: it names no instrument or no order, or is a fill without side, price or quantity; then nothing
                has changed.
        """
        new = _Record(record)
        with self._lock:
            held, open_buy, open_sell = self._positions.get(new.instrument, Position())
            order, open_before = self._order(new)
            if new.fill is not None and new.fill not in self._fills:
                self._fills.add(new.fill)
                order.booked += new.last_quantity
                held += new.last_quantity if new.side is Side.BUY else -new.last_quantity
                if new.commission is not None:
                    self._commissions[new.currency] = self._commissions.get(new.currency, ZERO) + new.commission
            order.advance(new)
            opened = order.open - open_before
            open_buy += opened if order.side is Side.BUY else ZERO
            open_sell += opened if order.side is Side.SELL else ZERO
            position = self._positions[new.instrument] = Position(held, open_buy, open_sell)
        return position

    def position(self, exchange: str, account: str, symbol: str) -> Position:
        """The position of one instrument now; all zero if nothing is known of it."""
        return self._positions.get(Instrument(exchange, account, symbol), Position())

    def positions(self) -> dict[Instrument, Position]:
        """All positions now."""
        return dict(self._positions)

    def commissions(self) -> dict[str, Decimal]:
        """Commission by currency; positive is paid, negative a rebate."""
        return dict(self._commissions)

    def _order(self, record: "_Record") -> "tuple[_Order, Decimal]":
        """The order a record is about, under all its ids, and what was open of it so far."""
        names = [(record.instrument, name, value) for name, value in record.ids.items() if value]
        known = list({id(order): order for name in names if (order := self._orders.get(name))}.values())
        # A client order id may be given to a new order once the old one is closed.
        if not known or (known[0].closed and record.exec_type is ExecType.PENDING_NEW):
            known = [_Order(record.side)]
        open_before = sum((order.open for order in known), ZERO)
        for other in known[1:]:
            known[0].absorb(other)
        self._orders.update(dict.fromkeys(names, known[0]))
        return known[0], open_before


@dataclass
class _Order:
    side: Side
    quantity: Decimal = ZERO
    executed: Decimal = ZERO  # as far as any record told, by its cumulative quantity or its fill
    booked: Decimal = ZERO  # by fills that are in the position
    closed: bool = False

    @property
    def open(self) -> Decimal:
        """Working in the market, or executed and its fill yet to come."""
        working = ZERO if self.closed else max(self.quantity - self.executed, ZERO)
        return working + self.executed - self.booked if self.side else ZERO

    def advance(self, record: "_Record") -> None:
        """Take what is news in a record's order state; its fill is booked already."""
        cumulative = record.cumulative
        self.side = self.side or record.side
        if record.quantity is not None and (cumulative is None or cumulative >= self.executed):
            self.quantity = record.quantity
        if cumulative is None and record.status is OrderStatus.FILLED:
            cumulative = self.quantity
        self.executed = max(self.executed, self.booked, cumulative or ZERO)
        self.closed |= record.status in CLOSED

    def absorb(self, other: "_Order") -> None:
        """Take what came under another id of the same order."""
        self.quantity = max(self.quantity, other.quantity)
        self.executed = max(self.executed, other.executed)
        self.booked += other.booked
        self.closed |= other.closed


class _Record:
    """The values of one record that matter here."""

    def __init__(self, record: np.void | Mapping[str, Any]) -> None:
        self.instrument = Instrument(*(_text(record, name) for name in Instrument._fields))
        self.ids = {name: _text(record, name) for name in ("order_id", "client_order_id")}
        self.exec_type = ExecType(_word(record, "exec_type"))
        self.status = OrderStatus(_word(record, "order_status"))
        self.side = Side(_word(record, "side"))
        self.quantity = _number(record, "quantity")
        self.cumulative = _number(record, "cumulative_quantity")
        self.last_quantity = _number(record, "last_quantity") or ZERO
        self.commission = _number(record, "commission")
        self.currency = _text(record, "commission_currency")
        if not (all(self.instrument) and any(self.ids.values())):
            raise RecordError(f"a record of {self.instrument} and {self.ids} belongs to no order", "name what is empty")
        self.fill = self._fill(record) if self.exec_type is ExecType.FILL else None

    def _fill(self, record: np.void | Mapping[str, Any]) -> tuple[object, ...]:
        price = _number(record, "last_price")
        if not self.side or price is None or not self.last_quantity:
            raise RecordError(f"a fill of {self.ids} lacks side, price or quantity", "get it from the venue's history")
        order_id, trade_id = self.ids["order_id"] or self.ids["client_order_id"], _text(record, "trade_id")
        identity = (self.instrument, order_id, trade_id, self.side, price, self.last_quantity)
        if trade_id:
            return identity
        exchange_ns = _value(record, "exchange_ns")
        return (*identity, self.cumulative, exchange_ns) if self.cumulative is not None or exchange_ns else (object(),)


def _value(record: np.void | Mapping[str, Any], name: str) -> Any:
    return record[name].item() if isinstance(record, np.void) else record.get(name)


def _text(record: np.void | Mapping[str, Any], name: str) -> str:
    value = _value(record, name)
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value or "")


def _word(record: np.void | Mapping[str, Any], name: str) -> int:
    return look_up(name, _value(record, name)) or 0


def _number(record: np.void | Mapping[str, Any], name: str) -> Decimal | None:
    value = _value(record, name)
    try:
        number = math.nan if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        raise RecordError(f"field {name!r} takes a number, not {value!r}") from None
    return Decimal(repr(number)) if math.isfinite(number) else None
