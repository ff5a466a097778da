"""The enumerations of EXECUTION and the flags of a record.

Persisted: never change or remove a value; add new ones behind. The words are the members' names in lower case.
"""

from enum import IntEnum, IntFlag


class ExecType(IntEnum):
    """What this record reports (FIX tag 150)."""

    UNKNOWN = 0
    NEW = 1
    FILL = 2
    CANCELED = 3
    REPLACED = 4
    REJECTED = 5
    EXPIRED = 6
    PENDING_NEW = 7
    PENDING_CANCEL = 8
    PENDING_REPLACE = 9
    ORDER_STATUS = 10
    TRADE_CORRECT = 11
    TRADE_CANCEL = 12
    FUNDING = 13
    DONE_FOR_DAY = 14
    STOPPED = 15
    SUSPENDED = 16
    CALCULATED = 17
    RESTATED = 18
    TRIGGERED = 19
    CANCEL_REJECTED = 20  # FIX message 9: a cancel or replace request is refused, the order is what it was before
    DENIED = 21  # refused by the strategy's own check, and never sent


class OrderStatus(IntEnum):
    """State of the order after this record (FIX tag 39)."""

    UNKNOWN = 0
    PENDING_NEW = 1
    NEW = 2
    PARTIALLY_FILLED = 3
    FILLED = 4
    PENDING_CANCEL = 5
    PENDING_REPLACE = 6
    CANCELED = 7
    REJECTED = 8
    EXPIRED = 9
    DONE_FOR_DAY = 10
    STOPPED = 11
    SUSPENDED = 12
    CALCULATED = 13
    REPLACED = 14
    DENIED = 15  # refused by the strategy's own check, and never sent
    TRIGGERED = 16


class Side(IntEnum):
    """Side of the order (FIX tag 54)."""

    UNKNOWN = 0
    BUY = 1
    SELL = 2


class OrderType(IntEnum):
    """Kind of order (FIX tag 40)."""

    UNKNOWN = 0
    MARKET = 1
    LIMIT = 2
    STOP = 3
    STOP_LIMIT = 4
    TRAILING_STOP = 5
    TAKE_PROFIT = 6
    TAKE_PROFIT_LIMIT = 7


class TimeInForce(IntEnum):
    """How long the order stays (FIX tag 59; `post_only` is the venues' GTX)."""

    UNKNOWN = 0
    GOOD_TILL_CANCEL = 1
    IMMEDIATE_OR_CANCEL = 2
    FILL_OR_KILL = 3
    DAY = 4
    GOOD_TILL_DATE = 5
    POST_ONLY = 6


class Liquidity(IntEnum):
    """Whether the fill added or removed liquidity (FIX tag 851)."""

    UNKNOWN = 0
    MAKER = 1
    TAKER = 2


class PositionEffect(IntEnum):
    """Whether the order opens or closes a position (FIX tag 77)."""

    UNKNOWN = 0
    OPEN = 1
    CLOSE = 2
    REDUCE_ONLY = 3


class MarginMode(IntEnum):
    """How the position is margined."""

    UNKNOWN = 0
    CASH = 1
    CROSS = 2
    ISOLATED = 3


class Origin(IntEnum):
    """Where the record came from: the live stream, a look back at a venue's history, a reconciliation, a simulation."""

    UNKNOWN = 0
    LIVE = 1
    LOOKBACK = 2
    RECONCILIATION = 3
    SIMULATED = 4


class PositionSide(IntEnum):
    """Which position of the symbol: in hedge mode long and short are two, else there is one (`both`)."""

    UNKNOWN = 0
    BOTH = 1
    LONG = 2
    SHORT = 3


class TradeType(IntEnum):
    """What kind of trade the fill is (FIX tag 828)."""

    UNKNOWN = 0
    REGULAR = 1
    BLOCK = 2
    LIQUIDATION = 3
    ADL = 4  # automatic deleveraging
    DELIVERY = 5
    SETTLEMENT = 6
    FUNDING = 7
    COMBO_LEG = 8
    INFERRED = 9  # told by nobody: concluded from the venue's total or position


class QuantityUnit(IntEnum):
    """What the quantities of the record count (FIX tag 854)."""

    UNKNOWN = 0
    BASE = 1
    QUOTE = 2
    CONTRACTS = 3


class ContractKind(IntEnum):
    """How price and quantity of an instrument make a value.

    Spot, linear, quanto and option: price x quantity x multiplier. Inverse: quantity x multiplier / price. An option's
    price is its premium, in the currency it settles in.
    """

    SPOT = 1
    LINEAR = 2
    INVERSE = 3
    QUANTO = 4
    OPTION = 5


class Flag(IntFlag):
    """What the recorder could not store as it was given, or had to assume. 0: everything is stored as given."""

    TEXT_SHORTENED = 1  # too long: prefix + "#" + hash of the whole
    TEXT_INVALID = 2  # no text, or not storable as such: NUL characters, lone surrogates
    NUMBER_INVALID = 4  # no number, left out
    NUMBER_INEXACT = 8  # neither f64 nor `exact` holds it: the nearest f64 is stored
    WORD_UNKNOWN = 16  # a word or value that the enumeration does not have: `unknown` is stored
    REQUIRED_MISSING = 32  # a fill without side, price or quantity
    TIME_INVALID = 64  # no time, left out
    TIME_RESCALED = 128  # an int that can only be s, ms or us: stored in ns
    TIME_ZONE_ASSUMED = 256  # a datetime without a time zone: taken as UTC
