"""The fields of EXECUTION, one object each: where it is, what it holds, who gives it, what it means.

Everything that is said of a field elsewhere is asked here: the schema, the recorder, the views, the tool, the document.
Persisted: never change `offset`, `kind` or `width`; new fields go into free bytes or behind, with the next version.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from typing import Final

from ringbuf.record import enumerations as words


class Kind(StrEnum):
    """What a field holds; the value is its numpy format, without the width of a text."""

    INTEGER = "<u8"
    TIME = "<i8"  # ns since the epoch; 0 is absent
    FLAGS = "<u2"
    WORD = "|u1"  # value of an enumeration; 0 is absent
    NUMBER = "<f8"  # NaN is absent
    TEXT = "|S"  # UTF-8, padded with NUL; empty is absent


class Given(Enum):
    """Who gives a field its value."""

    RING = "the producer"
    RECORDER = "the recorder"
    BIND = "Recorder.bind, once"
    CALL = "order and fill, each time"


@dataclass(frozen=True)
class Field:
    """One field of EXECUTION.

    Attributes:
        name: also the column's.
        kind: what it holds.
        offset: byte of the record at which it begins.
        meaning: for the document.
        width: bytes.
        given: who gives it.
        version: of EXECUTION in which it came.
        words: the enumeration of a word.
        code: of a number, its letter in `exact`.
        of_fill: whether it tells of the one fill, and not of the order after it.
    """

    name: str
    kind: Kind
    offset: int
    meaning: str
    width: int = 8
    given: Given = Given.CALL
    version: int = 1
    words: type[IntEnum] | None = None
    code: str = ""
    of_fill: bool = False

    @property
    def format(self) -> str:
        """Its numpy format."""
        return f"{self.kind}{self.width}" if self.kind is Kind.TEXT else str(self.kind)


def _word(
    name: str, offset: int, words: type[IntEnum], meaning: str, version: int = 1, *, of_fill: bool = False
) -> Field:
    return Field(name, Kind.WORD, offset, meaning, 1, version=version, words=words, of_fill=of_fill)


def _number(name: str, offset: int, code: str, meaning: str, version: int = 1, *, of_fill: bool = False) -> Field:
    return Field(name, Kind.NUMBER, offset, meaning, version=version, code=code, of_fill=of_fill)


def _text(
    name: str,
    offset: int,
    width: int,
    meaning: str,
    version: int = 1,
    given: Given = Given.CALL,
    *,
    of_fill: bool = False,
) -> Field:
    return Field(name, Kind.TEXT, offset, meaning, width, given, version, of_fill=of_fill)


FIELDS: Final[tuple[Field, ...]] = (
    Field("session", Kind.INTEGER, 0, "identity of the ring, random, never 0", given=Given.RING),
    Field("seq", Kind.INTEGER, 8, "position in the session, from 0", given=Given.RING),
    Field("captured_ns", Kind.TIME, 16, "when it was appended", given=Given.RING),
    Field("received_ns", Kind.TIME, 24, "when the strategy got the event"),
    Field("exchange_ns", Kind.TIME, 32, "the venue's transaction time"),
    Field("exchange_seq", Kind.INTEGER, 40, "the venue's sequence number"),
    Field("flags", Kind.FLAGS, 48, "what could not be stored as given, see below", 2, Given.RECORDER),
    _word("exec_type", 50, words.ExecType, "what is reported (FIX 150)"),
    _word("order_status", 51, words.OrderStatus, "state of the order after it (FIX 39)"),
    _word("side", 52, words.Side, "FIX 54"),
    _word("order_type", 53, words.OrderType, "FIX 40"),
    _word("time_in_force", 54, words.TimeInForce, "FIX 59"),
    _word("liquidity", 55, words.Liquidity, "FIX 851", of_fill=True),
    _word("position_effect", 56, words.PositionEffect, "FIX 77"),
    _word("margin_mode", 57, words.MarginMode, "how it is margined"),
    _word("origin", 58, words.Origin, "where the record came from"),
    _word("position_side", 59, words.PositionSide, "which position of the symbol, in hedge mode", 2),
    _word("trade_type", 60, words.TradeType, "kind of trade (FIX 828)", 2, of_fill=True),
    _word("quantity_unit", 61, words.QuantityUnit, "what the quantities count (FIX 854)", 2),
    _number("price", 64, "P", "limit price of the order (FIX 44)"),
    _number("stop_price", 72, "S", "trigger price (FIX 99)"),
    _number("quantity", 80, "Q", "ordered (FIX 38)"),
    _number("last_price", 88, "p", "price of this fill (FIX 31)", of_fill=True),
    _number("last_quantity", 96, "q", "quantity of this fill (FIX 32)", of_fill=True),
    _number("cumulative_quantity", 104, "C", "filled so far (FIX 14)"),
    _number("leaves_quantity", 112, "L", "still open (FIX 151)"),
    _number("average_price", 120, "A", "over all fills (FIX 6)"),
    _number("commission", 128, "f", "positive is paid, negative a rebate (FIX 12)", of_fill=True),
    _number("quote_quantity", 136, "t", "price x quantity as the venue says it (FIX 381)", of_fill=True),
    _number("realized_pnl", 144, "r", "as the venue says it", of_fill=True),
    _text("exchange", 152, 16, "venue", given=Given.BIND),
    _text("account", 168, 32, "account at the venue (FIX 1)", given=Given.BIND),
    _text("strategy", 200, 32, "strategy", given=Given.BIND),
    _text("symbol", 232, 64, "as the venue spells it (FIX 55)", given=Given.BIND),
    _text("client_order_id", 296, 64, "FIX 11"),
    _text("order_id", 360, 72, "the venue's (FIX 37)"),
    _text("trade_id", 432, 72, "the venue's (FIX 1003)", of_fill=True),
    _text("link_id", 504, 64, "the order that this one hedges"),
    _text("commission_currency", 568, 16, "FIX 479", of_fill=True),
    _text("text", 584, 64, "reject reason or the like (FIX 58)"),
    Field("market_ns", Kind.TIME, 648, "time of the market event that the order answers", version=2),
    _number("arrival_price", 656, "M", "mid price at that time", 2),
    _number("other_commission", 664, "g", "a second commission, as a tax or a rebate of its own", 2, of_fill=True),
    _number("venue_position", 672, "V", "the venue's own position after the fill, signed", 2, of_fill=True),
    _text("other_commission_currency", 680, 16, "currency of `other_commission`", 2, of_fill=True),
    _number("hedge_ratio", 696, "R", "quantity to hedge for a quantity of 1 of the order in `link_id`", 2),
    _text("orig_client_order_id", 704, 64, "the order that a cancel or replace request is about (FIX 41)", 2),
    _text("report_id", 768, 72, "of this report, where it is not the trade's (FIX 17)", 2, of_fill=True),
    _text("ref_id", 840, 72, "the report or trade that this one corrects or cancels (FIX 19)", 2, of_fill=True),
    _text("position_id", 912, 48, "where several positions of a symbol are kept apart (FIX 2618)", 2),
    _text("user", 960, 32, "for whom the strategy trades", 2),
    _text("last_market", 992, 16, "where a routed order was filled (FIX 30)", 2, of_fill=True),
    _text("exact", 1008, 208, "numbers that no f64 holds, see below", 2, Given.RECORDER),
)

BY_NAME: Final[Mapping[str, Field]] = {each.name: each for each in FIELDS}
"""The fields by name, in the order of the record."""


def names(kind: Kind | None = None, given: Given | None = None) -> tuple[str, ...]:
    """Names of the fields in the order of the record: of all, or those of a kind, or those that one gives."""
    return tuple(each.name for each in FIELDS if kind in (None, each.kind) and given in (None, each.given))


ENUMERATIONS: Final[Mapping[str, type[IntEnum]]] = {each.name: each.words for each in FIELDS if each.words is not None}
"""The enumeration of each field that is a word."""
