"""A report: one record as the rules see it."""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from ringbuf.errors import RecordError
from ringbuf.record.enumerations import ExecType, OrderStatus, Origin, PositionSide, QuantityUnit, TradeType
from ringbuf.trading.number import EXACT, KEPT, ZERO, is_countable
from ringbuf.trading.reading import Reading, RowReading
from ringbuf.trading.states import ENDS, NO_ID, REOPENING, REQUESTS, STATUS_OF, End, Force

CHANGES: Final = frozenset({ExecType.TRADE_CANCEL, ExecType.TRADE_CORRECT})
TRADES: Final = frozenset({ExecType.FILL, ExecType.CALCULATED})
"""Reports of a trade, if their last quantity is above zero: `calculated` is some venues' word for a liquidation."""
Shared: TypeAlias = Any
"""An int that several tuples have, which are kept. Where the type says so, compiled code makes one for each of them."""

_new: Final = tuple.__new__
_BOTH: Final = PositionSide.BOTH  # an attribute of an enumeration is slow to ask for
_FILLED: Final = OrderStatus.FILLED
_QUOTE: Final = QuantityUnit.QUOTE
_NEVER_WAS: Final = (OrderStatus.REJECTED, OrderStatus.DENIED)
_LIVE: Final = (Origin.LIVE, None)
_LATER: Final = 1 << 62  # what is no live record ranks behind all that are
_INSTRUMENTS: Final[dict[tuple[str, str, str], "Instrument"]] = {}
"""By texts that a record has as they are; they come again and again."""


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


class ReportKind(NamedTuple):
    """What kind of report it is, as far as words and the presence of ids and quantity say; see `Report`."""

    status: OrderStatus
    is_change: bool
    is_funding: bool
    is_trade: bool
    is_inferred: bool
    is_new_request: bool
    is_request: bool
    end: End | None


class Report:
    """What one record says.

    Args:
        record: a record of EXECUTION of any version, or fields as given to `BoundRecorder.order` together with
            `exchange`, `account` and `symbol`; or a row of the database, of which everything is taken, even what a
            strategy would refuse.

    Attributes:
        instrument: exchange, account and symbol; its position is told by `position_side` and `position_id`.
        status: the state of the order after it; `UNKNOWN` if it does not tell.
        says_over: whether that is the order's end.
        quantity, leaves: of the order, as far as they are countable; None for an amount of money.
        total: the cumulative quantity, likewise. Where only the two others are told, it follows from them.
        is_funding: whether it reports a payment of funding, which is neither of a trade nor of an order.
        is_trade: whether it reports a trade; a fill of zero is a status.
        is_inferred: whether nobody told that trade: it was concluded from the venue's total or position.
        is_change: whether it cancels or corrects a trade that it names.
        is_new_request: whether it is our own request for a new order, from before the venue has answered: what the
            venue says has its order id.
        is_request: whether it is that, or our own request to cancel or replace one.
        names_order: whether it is about an order.
        mark: the same for mere copies.
        captured_ns: when it was recorded, ns since the epoch. Given by the ledger, if it does not tell.
        arrival: its place in the order of arrival. Given by the ledger.
        venue_ns: its venue time, ns since the epoch; without one, the latest seen of its order when it arrived. Given
            by the book.
        heard_ns: when it was heard, by the venues' clocks; ns since the epoch. Given by the ledger.

    Raises:
        RecordError: it names no instrument; it is no fill and names no order; it changes a trade and names none; a
            quantity is negative; or a value is none that its field can have.
    """

    __slots__ = (
        "arrival", "captured_ns", "client_order_id", "commissions", "exchange_ns", "exchange_seq", "exec_type",
        "heard_ns", "instrument", "is_change", "is_funding", "is_inferred", "is_live", "is_new_request", "is_request",
        "is_trade", "last_price", "last_quantity", "leaves", "link_id", "mark", "names_order", "order_id",
        "orig_client_order_id", "position_id", "position_side", "price", "quantity", "ref_id", "report_id", "says_over",
        "side", "status", "total", "trade_id", "venue_ns",
    )  # fmt: skip

    def __init__(self, record: np.void | Mapping[str, Any] | RowReading) -> None:
        if isinstance(record, RowReading):
            self._read(record)
            return
        try:
            self._read(Reading(record))
        except RecordError:
            raise
        except Exception as error:
            kind = type(error).__name__
            raise RecordError(
                f"a record of {type(record).__name__} cannot be read: {kind}", "give usual values"
            ) from error
        self._check()

    @property
    def is_own_end(self) -> bool:
        """Whether it may be our own word that the order is no more, as after a time-out."""
        return not self.order_id and self.status in _NEVER_WAS

    @property
    def force(self) -> Force:
        """How strongly it says that its order is over, or that it works."""
        if not self.says_over:
            return Force.FINAL if self.exec_type in REOPENING else Force.WEAK
        is_short = self.total is not None and self.quantity is not None and self.total < self.quantity
        return Force.STRONG if is_short and self.status is _FILLED else ENDS[self.status].force

    @property
    def is_misprinted(self) -> bool:
        """Whether nothing is left of a working order that has not executed everything: some say so before a trigger."""
        return self.leaves == 0 and self.quantity is not None and (self.total or ZERO) < self.quantity

    @property
    def rank(self) -> Shared:
        """Its rank among copies: the lowest counts, that of the first live one."""
        return self.arrival if self.is_live else self.arrival + _LATER

    def _read(self, reading: Reading) -> None:
        self.instrument = _instrument_of(reading)
        self.client_order_id = reading.text("client_order_id")
        self.orig_client_order_id = reading.text("orig_client_order_id")
        self.order_id = _told_id(reading, "order_id")
        self.trade_id = _told_id(reading, "trade_id")
        self.report_id = _told_id(reading, "report_id")
        self.ref_id = _told_id(reading, "ref_id")
        self.position_id = reading.text("position_id")
        self.link_id = reading.text("link_id")
        self.names_order = bool(self.order_id or self.client_order_id or self.orig_client_order_id)
        self.exec_type = reading.word("exec_type")
        status, self.side = reading.word("order_status"), reading.word("side")
        position_side = reading.word("position_side")
        trade_type, unit = reading.word("trade_type"), reading.word("quantity_unit")
        self.position_side = position_side.name.lower() if position_side > _BOTH else ""
        self.is_live = reading.origin in _LIVE  # what the recorder says where it is not told
        self._read_numbers(reading, is_money=unit is _QUOTE)
        self._conclude(status, trade_type)
        self.mark = self._mark(reading)
        self.arrival: Shared = 0
        self.venue_ns: Shared = 0
        self.heard_ns = 0

    def _read_numbers(self, reading: Reading, *, is_money: bool) -> None:
        self.price, self.last_price = reading.number("price"), reading.number("last_price")
        self.last_quantity = reading.number("last_quantity")
        total = _countable(reading.number("cumulative_quantity"))
        quantity = None if is_money else _countable(reading.number("quantity"))
        leaves = None if is_money else _countable(reading.number("leaves_quantity"))
        if total is None and quantity is not None and leaves is not None and 0 < leaves <= quantity:
            total = EXACT.subtract(quantity, leaves)
        self.quantity, self.leaves, self.total = quantity, leaves, total
        self.commissions = (
            _commission(reading, "commission", "commission_currency"),
            _commission(reading, "other_commission", "other_commission_currency"),
        )
        self.exchange_ns: Shared = reading.time("exchange_ns")
        self.captured_ns: Shared = reading.time("captured_ns")
        self.exchange_seq = reading.integer("exchange_seq")

    def _conclude(self, status: OrderStatus, trade_type: TradeType) -> None:
        """Say what kind of report it is."""
        quantity = self.last_quantity
        (
            self.status, self.is_change, self.is_funding, self.is_trade, self.is_inferred,
            self.is_new_request, self.is_request, end,
        ) = _kind_of(
            self.exec_type, status, trade_type, bool(self.order_id), bool(self.trade_id or self.ref_id),
            quantity is not None and quantity > ZERO,
        )  # fmt: skip
        self.says_over = end is not None and not (end.unless_leaves and bool(self.leaves))

    def _mark(self, reading: Reading) -> int:
        told = (
            self.exec_type, self.status, self.side, self.order_id, self.client_order_id, self.orig_client_order_id,
            self.trade_id, self.report_id, self.ref_id, self.exchange_ns, self.exchange_seq,
            _signed(self.price), self.quantity, self.total, self.leaves, _signed(self.last_price), self.last_quantity,
        )  # fmt: skip
        if not self.is_new_request:
            return hash(told)
        return hash((told, reading.time("received_ns"), reading.time("market_ns")))  # which event it answers

    def _check(self) -> None:
        instrument = self.instrument
        if not (instrument.exchange and instrument.account and instrument.symbol):
            raise RecordError(f"a record of {instrument[:3]} names no instrument", "name what is empty")
        if self.exec_type in CHANGES and not self.is_change:
            word = self.exec_type.name.lower()
            raise RecordError(
                f"a {word} ({self._ids}) names no trade", "give trade_id, or ref_id: the report it is about"
            )
        if not (self.names_order or self.is_trade or self.is_change or self.is_funding):
            raise RecordError(f"a record ({self._ids}) belongs to no order", "give order_id or client_order_id")
        for number in (self.quantity, self.total, self.leaves, self.last_quantity):
            if number is not None and number < ZERO:
                raise RecordError(f"a record ({self._ids}) has the quantity {number}", "the side has the sign")

    @property
    def _ids(self) -> str:
        return f"order_id {self.order_id!r}, client_order_id {self.client_order_id!r}, trade_id {self.trade_id!r}"


@lru_cache(KEPT)
def instrument_named(
    exchange: str, account: str, symbol: str, position_side: str = "", position_id: str = ""
) -> Instrument:
    """The instrument or position of these names, as reports have it: a text too long for a record is shortened.

    Raises:
        RecordError: the position side is no word for one.
    """
    names = Reading({"exchange": exchange, "account": account, "symbol": symbol, "position_id": position_id})
    key = Instrument(names.text("exchange"), names.text("account"), names.text("symbol"))
    return key.position(position_side_of(position_side), names.text("position_id"))


def position_side_of(word: str) -> str:
    """The position side of an `Instrument`: `long`, `short` or empty, from any word that a record takes for it.

    Raises:
        RecordError: it is none.
    """
    found = Reading({"position_side": word or None}).word("position_side")
    return found.name.lower() if found > _BOTH else ""


def arrival_of(rank: int) -> int:
    """The place in the order of arrival of the copy with this rank."""
    return rank % _LATER


@lru_cache(KEPT)
def _kind_of(
    exec_type: ExecType, status: OrderStatus, trade_type: TradeType, is_named: bool, names_trade: bool, has_traded: bool
) -> ReportKind:
    """What kind of report it is.

    Args:
        is_named: whether it has the venue's order id.
        names_trade: whether it has the id of a trade, or of what it refers to.
        has_traded: whether its last quantity is above zero.
    """
    is_change, is_request = exec_type in CHANGES, exec_type in REQUESTS
    is_funding = not is_change and (exec_type is ExecType.FUNDING or trade_type is TradeType.FUNDING)
    is_trade = exec_type in TRADES and has_traded and not is_funding
    if exec_type is ExecType.CANCEL_REJECTED and status is OrderStatus.REJECTED:
        status = OrderStatus.UNKNOWN  # FIX: the venue does not know that order
    elif status is OrderStatus.UNKNOWN and not is_trade:
        status = STATUS_OF.get(exec_type, status)
    is_new_request = not is_named and not is_request and status is OrderStatus.PENDING_NEW
    return ReportKind(
        status,
        is_change=is_change and names_trade,
        is_funding=is_funding,
        is_trade=is_trade,
        is_inferred=is_trade and trade_type is TradeType.INFERRED,
        is_new_request=is_new_request,
        is_request=is_new_request or (not is_named and is_request),
        end=ENDS.get(status),
    )


def _told_id(reading: Reading, name: str) -> str:
    value = reading.text(name)
    return "" if not value or value in NO_ID else value


def _commission(reading: Reading, name: str, currency: str) -> Commission | None:
    amount = reading.amount(name)
    return None if amount is None else _new(Commission, (amount, reading.text(currency)))


def _signed(number: Decimal | None) -> Decimal | str | None:
    """A number as it can be hashed: -1 and -2 have the same hash in Python."""
    return number if number is None or number >= ZERO else str(number)


def _countable(number: Decimal | None) -> Decimal | None:
    return number if number is not None and is_countable(number) else None


def _instrument_of(reading: Reading) -> Instrument:
    one, two, three = reading.given("exchange"), reading.given("account"), reading.given("symbol")
    are_texts = type(one) is str and type(two) is str and type(three) is str
    known = _INSTRUMENTS.get((one, two, three)) if are_texts else None
    if known is not None:
        return known
    found = Instrument(reading.text("exchange"), reading.text("account"), reading.text("symbol"))
    if are_texts and found[:3] == (one, two, three) and type(reading) is Reading:  # a row may have longer texts
        if len(_INSTRUMENTS) >= KEPT:
            _INSTRUMENTS.clear()
        _INSTRUMENTS[one, two, three] = found
    return found
