"""A report: one record as the rules see it."""

from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Any, Final, NamedTuple

import numpy as np

from ringbuf.errors import RecordError
from ringbuf.record.enumerations import ExecType, OrderStatus, Origin, PositionSide, QuantityUnit, Side
from ringbuf.record.fields import BY_NAME, ENUMERATIONS
from ringbuf.record.number import exact_number
from ringbuf.record.salvage import text
from ringbuf.record.timestamp import time_ns
from ringbuf.record.words import look_up
from ringbuf.trading.states import NO_ID, REQUESTS, STATUS_OF

EXACT: Final = Context(prec=1_000, traps=[])
"""Digits enough for any sum of countable numbers; the caller's own context is not touched."""
LEAST: Final = 1e-21
MOST: Final = 1e21
"""A number that is summed is zero or from `LEAST` to below `MOST`, whatever its sign."""
DECIMALS: Final = 38
"""So many decimals it has at most. The database's sums hold every such number to the last digit."""
CHANGES: Final = frozenset({ExecType.TRADE_CANCEL, ExecType.TRADE_CORRECT})
TRADES: Final = frozenset({ExecType.FILL, ExecType.CALCULATED})
"""Reports of a trade, if their last quantity is above zero: `calculated` is some venues' word for a liquidation."""

_COMMISSIONS: Final = (("commission", "commission_currency"), ("other_commission", "other_commission_currency"))


class Instrument(NamedTuple):
    """What a position is kept for.

    Attributes:
        position_side: `long` or `short` where a venue keeps both of a symbol (hedge mode), else empty.
        position_id: where a venue keeps several positions on one side, else empty.
    """

    exchange: str
    account: str
    symbol: str
    position_side: str = ""
    position_id: str = ""

    def position(self, side: str, position_id: str) -> "Instrument":
        """One of the positions that are kept of it."""
        return Instrument(self.exchange, self.account, self.symbol, side, position_id) if side or position_id else self


class Commission(NamedTuple):
    """What one fill costs: positive is paid, negative a rebate."""

    amount: Decimal
    currency: str


class Report:
    """What one record says.

    Args:
        record: a record of EXECUTION of any version, or fields as given to `BoundRecorder.order` together with
            `exchange`, `account` and `symbol`.

    Attributes:
        instrument: exchange, account and symbol; its position is told by `position_side` and `position_id`.
        status: the state of the order after it; `UNKNOWN` if it does not tell.
        quantity, leaves: of the order, as far as they are countable; None for an amount of money.
        total: the cumulative quantity, likewise.
        commissions: the two that a fill can have, None for one it has not.
        fingerprint: the same for mere copies.
        arrival: its place in the order of arrival. Given by the ledger.
        venue_ns: its venue time, ns since the epoch; without one, the latest seen of its instrument when it arrived.
            Given by the ledger.

    Raises:
        RecordError: it names no instrument; it is no fill and names no order; it changes a trade and names none; a
            quantity is negative; or a value is none that its field can have.
    """

    __slots__ = (
        "arrival", "client_order_id", "commissions", "exchange_ns", "exec_type", "fingerprint", "instrument", "is_live",
        "last_price", "last_quantity", "leaves", "order_id", "orig_client_order_id", "position_id", "position_side",
        "price", "quantity", "ref_id", "report_id", "side", "status", "total", "trade_id", "venue_ns",
    )  # fmt: skip

    def __init__(self, record: np.void | Mapping[str, Any]) -> None:
        self.instrument = Instrument(*(_text(record, name) for name in ("exchange", "account", "symbol")))
        self.exec_type = ExecType(_word(record, "exec_type"))
        self.side = Side(_word(record, "side"))
        self.order_id = _id(record, "order_id")
        self.client_order_id = _text(record, "client_order_id")
        self.orig_client_order_id = _text(record, "orig_client_order_id")
        self.trade_id = _id(record, "trade_id")
        self.report_id = _id(record, "report_id")
        self.ref_id = _id(record, "ref_id")
        side = PositionSide(_word(record, "position_side"))
        self.position_side = "" if side in (PositionSide.UNKNOWN, PositionSide.BOTH) else side.name.lower()
        self.position_id = _text(record, "position_id")
        self.price = exact_number(record, "price")
        is_money = _word(record, "quantity_unit") == QuantityUnit.QUOTE
        self.quantity = None if is_money else _countable(record, "quantity")
        self.total = _countable(record, "cumulative_quantity")
        self.leaves = _countable(record, "leaves_quantity")
        self.last_price = exact_number(record, "last_price")
        self.last_quantity = exact_number(record, "last_quantity")
        self.commissions = tuple(
            None if (amount := exact_number(record, name)) is None else Commission(amount, _text(record, currency))
            for name, currency in _COMMISSIONS
        )
        self.exchange_ns = time_ns(record, "exchange_ns")
        is_told = isinstance(record, np.void) or record.get("origin") is not None  # else the recorder says live
        self.is_live = not is_told or _word(record, "origin") == Origin.LIVE
        self.status = self._status(OrderStatus(_word(record, "order_status")))
        self.arrival = self.venue_ns = 0
        self.fingerprint = (
            self.exec_type, self.status, self.side, self.order_id, self.client_order_id, self.orig_client_order_id,
            self.trade_id, self.report_id, self.ref_id, self.exchange_ns, _integer(record, "exchange_seq"), self.price,
            self.quantity, self.total, self.leaves, self.last_price, self.last_quantity,
        )  # fmt: skip
        self._check()

    @property
    def is_trade(self) -> bool:
        """Whether it reports a trade; a fill of zero is a status."""
        return self.exec_type in TRADES and self.last_quantity is not None and self.last_quantity > 0

    @property
    def is_change(self) -> bool:
        """Whether it cancels or corrects a trade."""
        return self.exec_type in CHANGES

    @property
    def is_request(self) -> bool:
        """Whether it is our own, from before the venue has answered: what the venue says has its order id."""
        return not self.order_id and (self.exec_type in REQUESTS or self.is_new_request)

    @property
    def is_new_request(self) -> bool:
        """Whether it is our own request for a new order."""
        return not self.order_id and self.status is OrderStatus.PENDING_NEW and self.exec_type not in REQUESTS

    @property
    def is_own_end(self) -> bool:
        """Whether it may be our own word that the order is no more, as after a time-out."""
        return not self.order_id and self.status in (OrderStatus.REJECTED, OrderStatus.DENIED)

    @property
    def names_order(self) -> bool:
        """Whether it is about an order."""
        return bool(self.order_id or self.client_order_id or self.orig_client_order_id)

    def _status(self, told: OrderStatus) -> OrderStatus:
        if self.exec_type is ExecType.CANCEL_REJECTED and told is OrderStatus.REJECTED:
            return OrderStatus.UNKNOWN  # FIX: the venue does not know that order
        if told is OrderStatus.UNKNOWN and not self.is_trade:
            return STATUS_OF.get(self.exec_type, told)
        return told

    def _check(self) -> None:
        ids = f"order_id {self.order_id!r}, client_order_id {self.client_order_id!r}, trade_id {self.trade_id!r}"
        if not all(self.instrument[:3]):
            raise RecordError(f"a record of {self.instrument[:3]} names no instrument", "name what is empty")
        if self.is_change and not (self.trade_id or self.ref_id):
            word = self.exec_type.name.lower()
            raise RecordError(f"a {word} ({ids}) names no trade", "give trade_id, or ref_id: the report it is about")
        if not (self.names_order or self.is_trade or self.is_change or self.exec_type is ExecType.FUNDING):
            raise RecordError(f"a record ({ids}) belongs to no order", "give order_id or client_order_id")
        for name in ("quantity", "total", "leaves", "last_quantity"):
            number = getattr(self, name)
            if number is not None and number < 0:
                raise RecordError(f"a record ({ids}) has the {name} {number}", "the side has the sign")


def decimals_of(number: Decimal) -> int:
    """How many decimals a number has; zeros at its end do not count."""
    exponent = number.normalize(EXACT).as_tuple().exponent
    return -min(exponent, 0) if isinstance(exponent, int) else DECIMALS + 1


def is_countable(number: Decimal) -> bool:
    """Whether a number is summed."""
    size = abs(float(number))
    return (size == 0 or LEAST <= size < MOST) and decimals_of(number) <= DECIMALS


def _countable(record: np.void | Mapping[str, Any], name: str) -> Decimal | None:
    number = exact_number(record, name)
    return number if number is not None and is_countable(number) else None


def _value(record: np.void | Mapping[str, Any], name: str) -> Any:
    if isinstance(record, np.void):
        return record[name].item() if name in (record.dtype.names or ()) else None
    return record.get(name)


def _text(record: np.void | Mapping[str, Any], name: str) -> str:
    value = _value(record, name)
    if type(value) is not bytes:
        value, _ = text(value, BY_NAME[name].width)
    return str(value.decode(errors="backslashreplace"))


def _id(record: np.void | Mapping[str, Any], name: str) -> str:
    value = _text(record, name)
    return "" if value in NO_ID else value


def _word(record: np.void | Mapping[str, Any], name: str) -> int:
    value = _value(record, name)
    try:
        found = look_up(name, value)
    except Exception as error:
        raise RecordError(f"field {name!r}: a value of {type(value).__name__} cannot be read: {error}") from error
    if found is None:
        words = ", ".join(each.name.lower() for each in ENUMERATIONS[name])
        raise RecordError(f"field {name!r} has no word {value!r}", f"its words are {words}")
    return found


def _integer(record: np.void | Mapping[str, Any], name: str) -> int:
    value = _value(record, name)
    return value if type(value) is int else 0
