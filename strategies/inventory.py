"""What a strategy holds and has in the market, known in its own process with no delay.

An order and its inventory are one state: `apply` takes a record, which carries both the fill and the order after it,
and replaces position and open quantities together. Where a venue reports them apart, what an order is known to have
executed stays in the open quantity until the fill itself has arrived. So `quantity + open_buy` cannot dip in between,
and a strategy that buys while it is below a target does not buy twice.
"""

import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal, localcontext
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from ringbuf.errors import RecordError
from ringbuf.record.execution import ExecType, OrderStatus, Side
from ringbuf.record.words import look_up

ZERO: Final = Decimal(0)
EXACT: Final = Context(prec=1_000, traps=[])
"""Digits enough for any sum of f64, whose texts reach from 1e-324 to 1e308; the caller's own context is not touched."""
CHANGES: Final = frozenset({ExecType.TRADE_CANCEL, ExecType.TRADE_CORRECT})
CLOSED: Final = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED})


class Instrument(NamedTuple):
    """What a position is kept for."""

    exchange: str
    account: str
    symbol: str


_Name: TypeAlias = tuple[Instrument, str, str]
"""One of the two ids of an order: which one, and its value."""


class Position(NamedTuple):
    """Of one instrument: the signed quantity held, and the unsigned ones by which open orders may still change it."""

    quantity: Decimal = ZERO
    open_buy: Decimal = ZERO
    open_sell: Decimal = ZERO


class Inventory:
    """Positions, open quantities and commissions of one strategy process, in exact decimals.

    Numbers are those that records store: each f64 counts as its shortest decimal text. A fill that comes again changes
    nothing: same exchange, account, symbol, order, trade id, side, price and quantity; without a trade id the same
    cumulative quantity and exchange time besides; without those too, each is a fill of its own. A `trade_cancel` takes
    away the fills of its trade id, a `trade_correct` gives them another price and quantity, whichever comes first. A
    closed order stays closed, and what it executed never goes back unless its trade was changed. These are the rules of
    the view `positions`, but for one: simulated records count here like any others, so keep them in an inventory of
    their own. Any thread may read while another one applies.

    A client order id may be given to a new order once the old one is closed: the order ids tell them apart, or a record
    `pending_new` that begins the new one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._positions: dict[Instrument, Position] = {}
        self._commissions: dict[str, Decimal] = {}
        self._orders: dict[_Name, _Order] = {}
        self._trades: dict[tuple[object, ...], _Trade] = {}

    def apply(self, record: np.void | Mapping[str, Any]) -> Position:
        """Take one record, or the fields given to `BoundRecorder.order` together with `exchange`, `account`, `symbol`.

        Returns:
            The instrument's position after it.

        Raises:
            RecordError: it names no instrument or no order, is a fill without side, price or quantity, or changes a
                trade without its id; then nothing has changed.
        """
        new = _Record(record)
        with self._lock, localcontext(EXACT):
            trade = self._trades.setdefault(new.trade, _Trade()) if new.trade else _Trade()
            known = self._known(new)
            affected = [*known, *(fill.order for fill in trade.fills)]
            open_before = _open(affected)
            order = self._joined(new, known)
            paid: dict[str, Decimal] = {}
            held = _book(new, trade.counted(), -1, paid)
            trade.take(new, order)
            held += _book(new, trade.counted(), 1, paid)
            if new.names:
                order.advance(new, reported_before_change=new.exec_type is ExecType.FILL and trade.is_changed)
            opened = [after - before for after, before in zip(_open([*affected, order]), open_before, strict=True)]
            old = self._positions.get(new.instrument, Position())
            position = Position(old.quantity + held, old.open_buy + opened[0], old.open_sell + opened[1])
            self._positions[new.instrument] = position
            for currency, amount in paid.items():
                self._commissions[currency] = self._commissions.get(currency, ZERO) + amount
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

    def _known(self, record: "_Record") -> "list[_Order]":
        """The order a record is about: none if it is new, or two that turn out to be the same."""
        by_id, by_client_id = self._named(record.id_name), self._named(record.client_id_name)
        if by_id is None:
            return [] if by_client_id is None or by_client_id.leaves_its_client_id_to(record) else [by_client_id]
        if by_client_id is None or by_client_id is by_id or by_client_id.has_id or record.client_id_name in by_id.names:
            return [by_id]
        return [by_id, by_client_id]

    def _named(self, name: "_Name | None") -> "_Order | None":
        found = self._orders.get(name) if name else None
        return found.current if found else None

    def _joined(self, record: "_Record", known: "list[_Order]") -> "_Order":
        """The one order a record is about, from now on under all its ids."""
        order = known[0] if known else _Order(record.side)
        for other in known[1:]:
            order.absorb(other)
        for name in record.names:
            owner = self._named(name)
            if owner is None or owner is order or not known:  # else another order has this client id by now
                self._orders[name] = order
                order.names.add(name)
        return order


@dataclass(slots=True)
class _Order:
    side: Side
    quantity: Decimal = ZERO
    executed: Decimal = ZERO  # as far as any record told, by its cumulative quantity or its fill
    booked: Decimal = ZERO  # by fills that are in the position
    closed: bool = False
    names: "set[_Name]" = field(default_factory=set)
    absorbed_by: "_Order | None" = None

    @property
    def current(self) -> "_Order":
        """This order, or the one that it turned out to be."""
        order = self
        while order.absorbed_by is not None:
            order = order.absorbed_by
        return order

    @property
    def has_id(self) -> bool:
        """Whether the venue's id of it is known."""
        return any(kind == "order_id" for _, kind, _ in self.names)

    def leaves_its_client_id_to(self, record: "_Record") -> bool:
        """Whether a record with its client order id, and no order id that is known, begins another order."""
        if record.id_name and self.has_id:
            return self.closed or record.exec_type in (ExecType.PENDING_NEW, ExecType.NEW)
        return self.closed and record.exec_type is ExecType.PENDING_NEW

    @property
    def open(self) -> Decimal:
        """Working in the market, or executed and its fill yet to come."""
        working = ZERO if self.closed else max(self.quantity - self.executed, ZERO)
        return working + self.executed - self.booked if self.side else ZERO

    def advance(self, record: "_Record", *, reported_before_change: bool) -> None:
        """Take what is news in a record's order state; its fill is booked already."""
        cumulative = None if reported_before_change else record.cumulative
        self.side = self.side or record.side
        if record.quantity is not None and (cumulative is None or cumulative >= self.executed):
            self.quantity = record.quantity
        if cumulative is None and record.status is OrderStatus.FILLED and not reported_before_change:
            cumulative = self.quantity
        self.executed = max(self.executed, self.booked, cumulative or ZERO)
        self.closed |= record.status in CLOSED

    def absorb(self, other: "_Order") -> None:
        """Take what came under another id of the same order."""
        self.side = self.side or other.side
        self.quantity = max(self.quantity, other.quantity)
        self.executed = max(self.executed, other.executed)
        self.booked += other.booked
        self.closed |= other.closed
        self.names |= other.names
        other.absorbed_by = self


def _open(orders: "Iterable[_Order]") -> tuple[Decimal, Decimal]:
    """What is open of some orders to buy and to sell."""
    buy = sell = ZERO
    for each in {id(order.current): order.current for order in orders}.values():
        if each.side is Side.BUY:
            buy += each.open
        elif each.side is Side.SELL:
            sell += each.open
    return buy, sell


def _book(record: "_Record", fills: "list[_Fill]", sign: int, paid: dict[str, Decimal]) -> Decimal:
    """Add fills of a trade to their orders and to what is paid, or take them out; returns what the position gains."""
    held = ZERO
    for fill in fills:
        amount = sign * fill.quantity
        held += amount if fill.side is Side.BUY else -amount
        order = fill.order.current
        order.booked += amount
        if record.exec_type in CHANGES:
            order.executed += amount
        if fill.commission is not None:
            paid[fill.currency] = paid.get(fill.currency, ZERO) + sign * fill.commission
    return held


@dataclass(slots=True)
class _Fill:
    order: _Order
    order_id: str
    side: Side
    price: Decimal
    quantity: Decimal
    commission: Decimal | None
    currency: str

    @property
    def identity(self) -> tuple[object, ...]:
        """What tells it from other fills of its trade."""
        return self.order_id, self.side, self.price, self.quantity

    def complete(self, copy: "_Fill") -> None:
        """Take from a copy what this one lacks."""
        if self.commission is None:
            self.commission, self.currency = copy.commission, copy.currency


@dataclass(slots=True)
class _Trade:
    """The fills under one trade id as they were reported, and what the venue changed about them."""

    fills: list[_Fill] = field(default_factory=list)
    canceled: bool = False
    price: Decimal | None = None
    price_ns: int = 0
    quantity: Decimal | None = None
    quantity_ns: int = 0

    @property
    def is_changed(self) -> bool:
        """Whether its fills are no longer, or not quite, what was reported."""
        return self.canceled or self.price is not None or self.quantity is not None

    def take(self, record: "_Record", order: _Order) -> None:
        """Take a fill, or a change; the latest correction by the venue's clock is the one that counts."""
        if record.exec_type is ExecType.TRADE_CANCEL:
            self.canceled = True
        elif record.exec_type is ExecType.TRADE_CORRECT:
            if record.price is not None and record.exchange_ns >= self.price_ns:
                self.price, self.price_ns = record.price, record.exchange_ns
            if record.last_quantity is not None and record.exchange_ns >= self.quantity_ns:
                self.quantity, self.quantity_ns = record.last_quantity, record.exchange_ns
        elif record.exec_type is ExecType.FILL:
            assert record.price is not None and record.last_quantity is not None, "checked when it was read"
            numbers = record.price, record.last_quantity, record.commission
            new = _Fill(order, record.order_id, record.side, *numbers, record.currency)
            known = next((fill for fill in self.fills if fill.identity == new.identity), None)
            if known is None:
                self.fills.append(new)
            else:
                known.complete(new)

    def counted(self) -> list[_Fill]:
        """The fills as they count now."""
        if self.canceled:
            return []
        if not self.is_changed:
            return self.fills
        found: dict[tuple[object, ...], _Fill] = {}
        for fill in self.fills:
            price = fill.price if self.price is None else self.price
            quantity = fill.quantity if self.quantity is None else self.quantity
            amended = replace(fill, price=price, quantity=quantity)
            found.setdefault(amended.identity, amended).complete(amended)
        return list(found.values())


class _Record:
    """The values of one record that matter here."""

    def __init__(self, record: np.void | Mapping[str, Any]) -> None:
        self.instrument = Instrument(*(_text(record, name) for name in Instrument._fields))
        self.exec_type = ExecType(_word(record, "exec_type"))
        self.status = OrderStatus(_word(record, "order_status"))
        self.side = Side(_word(record, "side"))
        self.quantity = _number(record, "quantity")
        self.cumulative = _number(record, "cumulative_quantity")
        self.price = _number(record, "last_price")
        self.last_quantity = _number(record, "last_quantity")
        self.commission = _number(record, "commission")
        self.currency = _text(record, "commission_currency")
        self.exchange_ns = int(_value(record, "exchange_ns") or 0)
        ids = {name: _text(record, name) for name in ("order_id", "client_order_id")}
        trade_id = _text(record, "trade_id")
        names = {name: (self.instrument, name, value) for name, value in ids.items() if value}
        self.id_name, self.client_id_name = names.get("order_id"), names.get("client_order_id")
        self.names = list(names.values())
        self.order_id = ids["order_id"] or ids["client_order_id"]
        is_change = self.exec_type in CHANGES
        if not all(self.instrument) or not (self.names or is_change):
            raise RecordError(f"a record of {self.instrument} and {ids} belongs to no order", "name what is empty")
        if is_change and not trade_id:
            raise RecordError(f"a {self.exec_type.name.lower()} of {ids} names no trade", "get its id from the venue")
        if self.last_quantity is not None and self.last_quantity < 0:
            raise RecordError(f"a record of {ids} has the quantity {self.last_quantity}", "the side has the sign")
        is_fill = self.exec_type is ExecType.FILL
        if is_fill and not (self.side and self.price is not None and self.last_quantity):
            raise RecordError(f"a fill of {ids} lacks side, price or quantity", "get it from the venue's history")
        self.trade = self._trade(trade_id) if is_fill or is_change else None

    def _trade(self, trade_id: str) -> tuple[object, ...]:
        if trade_id:
            return self.instrument, trade_id
        identity = (self.instrument, self.order_id, self.side, self.price, self.last_quantity)
        is_known_again = self.cumulative is not None or self.exchange_ns
        return (*identity, self.cumulative, self.exchange_ns) if is_known_again else (object(),)


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
