"""`order` and `fill`: the calls that stand in the trading code's way, so the shortest path we know.

Usual values go from the arguments into the ring with one `pack_into`. Whatever is unusual (a number that is no float,
an unknown word, a text too long) takes the slow path through `salvage`; see there for what is kept of it.
"""

import math
import struct
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from time import time_ns
from typing import Any, Final, TypedDict, Unpack

import numpy as np

from ringbuf.record.execution import REAR, RECORD_SIZE, ExecType, Flag, Origin
from ringbuf.record.fields import BY_NAME, ENUMERATIONS, FIELDS, Field, Given, Kind, names
from ringbuf.record.salvage import salvage
from ringbuf.record.timestamp import UNCLEAR
from ringbuf.record.words import TABLES
from ringbuf.ring import layout
from ringbuf.ring.producer import FULL, Producer

Number = float | int | Decimal | Fraction | str | bytes | None
Word = str | int | None
Text = str | None
Time = int | datetime | np.datetime64 | str | None


class ExecutionFields(TypedDict, total=False):
    """What `order` and `fill` take. None is the same as to leave the field out.

    Absent is also what is "", a number that is NaN, and a time, an enumeration or `exchange_seq` that is 0. A price or
    quantity of 0 is told.

    Numbers are floats, ints, Decimals or decimal text ("64000.5"), as `ringbuf.record.number` says; times are ns since
    the epoch, datetimes or text, as `ringbuf.record.timestamp` says. Enumerations take members or their words in any
    usual spelling ("buy", "SELL", "PartiallyFilled", "gtc").
    """

    exec_type: Word
    order_status: Word
    side: Word
    order_type: Word
    time_in_force: Word
    liquidity: Word
    position_effect: Word
    margin_mode: Word
    origin: Word
    position_side: Word
    """Which position of the symbol, in hedge mode."""
    trade_type: Word
    quantity_unit: Word
    """What the quantities count."""
    price: Number
    stop_price: Number
    quantity: Number
    last_price: Number
    last_quantity: Number
    cumulative_quantity: Number
    leaves_quantity: Number
    average_price: Number
    commission: Number
    """Positive is paid, negative is a rebate."""
    quote_quantity: Number
    realized_pnl: Number
    arrival_price: Number
    """Mid price at the time of the market event that the order answers."""
    other_commission: Number
    venue_position: Number
    """The venue's own position after the fill, signed."""
    hedge_ratio: Number
    """Quantity to hedge for a quantity of 1 of the order in `link_id`."""
    client_order_id: Text
    orig_client_order_id: Text
    """The order that a cancel or replace request is about."""
    order_id: Text
    trade_id: Text
    link_id: Text
    """The order that this one hedges."""
    report_id: Text
    """Of this report, where it is not the trade's."""
    ref_id: Text
    """The report or trade that this one corrects or cancels."""
    position_id: Text
    commission_currency: Text
    other_commission_currency: Text
    user: Text
    """For whom the strategy trades."""
    last_market: Text
    """Where a routed order was filled."""
    text: Text
    """Reject reason or the like."""
    exchange_ns: Time
    """The venue's transaction time."""
    received_ns: Time
    """When the strategy got the event."""
    market_ns: Time
    """Time of the market event that the order answers."""
    exchange_seq: int | str | None


class Unusual(Exception):
    """A value the fast path does not store."""


BOUND: Final = names(Kind.TEXT, Given.BIND)
"""The texts that `Recorder.bind` encodes, one behind the other in the record."""

_WITH_DEFAULT: Final = ("exec_type", "origin")
_PACKED: Final = tuple(name for name in BY_NAME if name not in (*names(given=Given.RING), *BOUND[1:]))
_INDEX: Final = {name: index for index, name in enumerate(_PACKED)}
_FLAGS: Final = _INDEX["flags"]
_EXEC_TYPE: Final = _INDEX["exec_type"]
_SIDE: Final = _INDEX["side"]
_LAST_PRICE: Final = _INDEX["last_price"]
_LAST_QUANTITY: Final = _INDEX["last_quantity"]
_FRONT: Final = sum(BY_NAME[name].offset < REAR for name in _PACKED)
_REAR_ABSENT: Final = [b""] * (len(_PACKED) - _FRONT)
_ZEROS: Final = bytes(RECORD_SIZE - REAR)
_HEAD: Final = layout.HEAD // 8

_NO_ROOM: Final = ("the ring is full", "records are dropped until a writer has taken some")
_INTERRUPTED: Final = ("a signal handler recorded while this thread was recording", "that record is dropped")


def _struct(size: int) -> struct.Struct:
    """So many bytes of the record as one struct, its bound texts as one string."""
    codes = {Kind.INTEGER: "Q", Kind.TIME: "q", Kind.FLAGS: "H", Kind.WORD: "B", Kind.NUMBER: "d"}
    code, end = "@", 0  # native, which is faster than "<" and the same on the one processor there is
    for field in (each for each in FIELDS if each.offset < size):
        code += f"{field.offset - end}x" if field.offset > end else ""
        end = field.offset + field.width
        if field.name == BOUND[0]:
            code += f"{sum(BY_NAME[each].width for each in BOUND)}s"
        elif field.name not in BOUND:
            code += codes.get(field.kind, f"{field.width}s")
    return struct.Struct(f"{code}{size - end}x")


_RECORD: Final = _struct(RECORD_SIZE)
_pack: Final = _RECORD.pack_into
_pack_front: Final = _struct(REAR).pack_into


def _float(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is str:
        # Of up to 15 digits: every f64 gives back the decimal text of that length which it was made of.
        if len(value) <= 15 and value.isascii() and value.removeprefix("-").replace(".", "", 1).isdecimal():
            return float(value)
        raise Unusual
    if (type(value) is int and -(1 << 53) <= value <= 1 << 53) or type(value) is np.float64:
        return float(value)
    if value is None:
        return math.nan
    raise Unusual


def _word_of(name: str) -> Callable[[Any], int]:
    table, member = TABLES[name], ENUMERATIONS[name]

    def encode(value: Any) -> int:
        kind = type(value)
        # Not whatever compares equal: True and 1.0 would find the word of 1.
        if kind is str or kind is int or kind is member:
            return table[value]
        if value is None and name not in _WITH_DEFAULT:
            return 0
        raise Unusual

    return encode


def _integer(value: Any) -> int:
    if type(value) is int:
        return value
    if value is None:
        return 0
    raise Unusual


def _time(value: Any) -> int:
    if type(value) is int and not UNCLEAR[0] <= value < UNCLEAR[1]:
        return value
    if value is None:
        return 0
    raise Unusual


def _text_of(width: int) -> Callable[[Any], bytes]:
    def encode(value: Any) -> bytes:
        if type(value) is str:
            data = value.encode()
            if len(data) <= width and "\0" not in value:
                return data
        if value is None:
            return b""
        raise Unusual

    return encode


def _encoder(field: Field) -> Callable[[Any], Any]:
    match field.kind:
        case Kind.WORD:
            return _word_of(field.name)
        case Kind.TEXT:
            return _text_of(field.width)
        case Kind.NUMBER:
            return _float
        case Kind.TIME:
            return _time
        case _:
            return _integer


_FIELDS: Final = {name: (_INDEX[name], _encoder(BY_NAME[name])) for name in names(given=Given.CALL)}


def _template(exec_type: ExecType, bound: bytes) -> list[Any]:
    absent = {Kind.NUMBER: math.nan, Kind.TEXT: b""}
    values: list[Any] = [absent.get(BY_NAME[name].kind, 0) for name in _PACKED[:_FRONT]]
    values[_EXEC_TYPE] = int(exec_type)
    values[_INDEX["origin"]] = int(Origin.LIVE)
    values[_INDEX[BOUND[0]]] = bound
    return values


class BoundRecorder:
    """Records executions of one exchange, account, symbol and strategy. Made by `Recorder.bind`.

    `order` and `fill` return the record's seq, or `FULL` (-1) when the ring was full: counted as dropped, logged once.
    They never raise for data reasons.
    """

    def __init__(self, producer: Producer, warn: Callable[[str, str], None], bound: bytes, flags: Flag) -> None:
        self._producer = producer
        self._warn = warn
        self._memory = producer.memory
        self._cursors = producer.cursors
        self._mask = producer.capacity - 1
        self._session = producer.session
        self._flags = flags
        self._order = _template(ExecType.ORDER_STATUS, bound)
        self._fill = _template(ExecType.FILL, bound)

    def order(self, **fields: Unpack[ExecutionFields]) -> int:
        """Record a new state of an order; `exec_type` is `order_status` unless given."""
        return self._append(self._order, fields)

    def order_of(self, update: Mapping[str, Any]) -> int:
        """Record an update of an order, as `order` does; what it says of what is bound is left out."""
        fields: Any = {name: value for name, value in update.items() if name not in BOUND}
        return self._append(self._order, fields)

    def fill(self, **fields: Unpack[ExecutionFields]) -> int:
        """Record a fill together with the state of its order after it.

        Without a side, `last_price` and `last_quantity` the record is kept and flagged `REQUIRED_MISSING`.
        """
        return self._append(self._fill, fields)

    def templates(self) -> tuple[bytes, bytes]:
        """The records of `order` and of `fill` as they are before any value is given."""
        both = (self._order, self._fill)
        order, fill = (_RECORD.pack(self._session, 0, 0, *values, *_REAR_ABSENT) for values in both)
        return order, fill

    def _append(self, template: list[Any], fields: ExecutionFields) -> int:
        values = template.copy()
        try:
            for name, value in fields.items():
                index, convert = _FIELDS[name]
                values[index] = convert(value)
            # 2 is ExecType.FILL; the differences are NaN unless both numbers are finite.
            if values[_EXEC_TYPE] == 2 and not (
                values[_SIDE]
                and (price := values[_LAST_PRICE]) - price == 0.0 == (quantity := values[_LAST_QUANTITY]) - quantity
            ):
                raise Unusual
            if self._flags:
                raise Unusual
            return self._publish(values)
        except IndexError:  # of a field in the rear, which few calls have
            return self._append(template + _REAR_ABSENT, fields)
        except (Unusual, KeyError, UnicodeEncodeError, struct.error):
            return self._append_unusual(template, fields)

    def _publish(self, values: list[Any]) -> int:
        """Append a record: all its values, or those of the front alone if the others are absent."""
        producer = self._producer
        with producer.lock:
            if producer.busy:
                producer.count(layout.DROPPED)
                refused = _INTERRUPTED
            else:
                try:
                    producer.busy = True
                    seq = self._cursors[_HEAD]
                    if seq < producer.limit or producer.has_room(seq):
                        offset = layout.HEADER_SIZE + (seq & self._mask) * RECORD_SIZE
                        if len(values) > _FRONT:
                            producer.mark_dirty(seq + 1)
                            _pack(self._memory, offset, self._session, seq, time_ns(), *values)
                        else:
                            if seq < producer.clear_below:
                                self._memory[offset + REAR : offset + RECORD_SIZE] = _ZEROS
                            _pack_front(self._memory, offset, self._session, seq, time_ns(), *values)
                        self._cursors[_HEAD] = seq + 1
                        return seq
                    refused = _NO_ROOM
                finally:
                    producer.busy = False
        self._warn(*refused)
        return FULL

    def _append_unusual(self, template: list[Any], fields: ExecutionFields) -> int:
        for name in fields:
            if name not in _FIELDS:
                raise TypeError(f"order() and fill() take no {name!r}; they take {', '.join(_FIELDS)}")
        values = template[:_FRONT] + _REAR_ABSENT
        stored, flags = salvage(fields)
        for name, value in stored.items():
            values[_INDEX[name]] = value
        if not any(values[_FRONT:]):
            del values[_FRONT:]
        if values[_EXEC_TYPE] == ExecType.FILL and not (
            values[_SIDE] and math.isfinite(values[_LAST_PRICE]) and math.isfinite(values[_LAST_QUANTITY])
        ):
            flags |= Flag.REQUIRED_MISSING
        flags |= self._flags
        values[_FLAGS] = int(flags)
        seq = self._publish(values)
        if flags and seq != FULL:
            with self._producer.lock:
                self._producer.count(layout.FLAGGED)
            for flag in flags:
                self._warn(str(flag.name).lower(), f"first seen in record {seq}")
        return seq


assert _RECORD.size == RECORD_SIZE
