"""Views with parameters, for everyday questions: `SELECT … FROM fees(since = '2026-07-01', until = '')`.

They are made of the views `fills` and `orders` alone, and leave out what is simulated. A fill, or the last report of an
order, counts at its venue time, or where the venue gave none, at the time of capture.

A moment is text of a time (ISO 8601; without a zone it is UTC), or ns since the epoch. `since` is included, `until` is
not; where it is empty, there is no such limit.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from ringbuf.record.timestamp import LIMITS
from ringbuf.sinks.clickhouse import unique
from ringbuf.sinks.clickhouse.sums import DAY, Period, summed
from ringbuf.sinks.clickhouse.table import quoted
from ringbuf.sinks.clickhouse.unique import MINUTE_NS
from ringbuf.sinks.clickhouse.views.expression import NO_TIME, ZERO, number_of, own_text_of
from ringbuf.sinks.clickhouse.views.hedges import hedges
from ringbuf.sinks.clickhouse.views.positions import KEY, POSITIONS, SUM_COLUMNS, added, quantity
from ringbuf.sinks.clickhouse.views.profit import profit_by_day
from ringbuf.sinks.clickhouse.views.time import before, day_of, from_on, time_of

PLACE: Final = ("exchange_seq", "captured_ns", "session", "seq")
"""What orders fills of one moment."""
_TIME_OF_DAY: Final = "([01][0-9]|2[0-3])(:[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?)?"
_MOMENT: Final = (
    f"^([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ]{_TIME_OF_DAY} ?(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)?)?|[0-9]{{10,19}})$"
)
"""ISO 8601, and numbers that can only be s, ms, us or ns. The server reads much more: hour 25 as one of the next day,
and the name of a month behind a date instead of its month."""
_NAMES: Final = "exchange, account, symbol, strategy"
_PERIOD: Final = ("since", "until")
_FIRST_NS, _LAST_NS = LIMITS
_DAY: Final = day_of("begin")
POSITIONS_AT: Final = {name: type_ for name, type_ in POSITIONS.items() if not name.startswith(("open_", "awaited_"))}
"""The columns of `positions_at`, with their types."""


def positions_at(database: str) -> str:
    """Positions as they were at a moment, with what is known now: sums over the fills up to it, and at it."""
    key = ", ".join(KEY)
    return f"""
SELECT {key}, {quantity()} AS quantity, {added(name for name in POSITIONS_AT if name in SUM_COLUMNS)}
FROM ({summed(database, Period(last=_ns("at", _LAST_NS)))}
) AS part
GROUP BY {key}"""


def volumes(database: str) -> str:
    """What was traded, by day (UTC) and position: the sums of `positions` over the fills of that day."""
    key = ", ".join(KEY)
    columns = [name for name in POSITIONS if name in SUM_COLUMNS]
    return f"""
SELECT {_DAY} AS day, {key}, {added(columns)}
FROM ({_of_period(database)}
) AS part
GROUP BY day, {key}"""


def fees(database: str) -> str:
    """Commissions paid, by day (UTC), exchange, account, symbol, strategy and currency.

    - amount: exact; a rebate is negative
    - fills: how many fills have such a commission
    - ignored: of how many it is not summed, since it cannot be or the fill is not counted
    """
    key = "day, exchange, account, symbol, strategy"
    return f"""
SELECT
    {key}, currency, if(mapContains(paid, currency), paid[currency], {ZERO}) AS amount, paying[currency] AS fills,
    ignoring[currency] AS ignored
FROM (
    SELECT
        {_DAY} AS day, exchange, account, symbol, strategy, sumMap(commissions) AS paid,
        sumMap(commission_fills) AS paying, sumMap(ignored_by_currency) AS ignoring
    FROM ({_of_period(database)}
    )
    GROUP BY {key}
)
ARRAY JOIN arrayDistinct(arrayConcat(mapKeys(paying), mapKeys(ignoring))) AS currency"""


def profit_of_period(database: str) -> str:
    """What positions earned on each day that has some of the period."""
    return profit_by_day(database, _ns("since", _FIRST_NS), _ns("until", _LAST_NS, " - 1"))


def candles(database: str) -> str:
    """Candles of our own fills, by exchange, symbol and interval of so many seconds, counted from the epoch.

    - begin_ns: when the interval begins
    - open, high, low, close: prices; fills of one moment are in the order of `PLACE`
    - volume, quote: sums of quantities, and of price x quantity
    - fills: how many
    """
    size = "(toInt64({seconds:UInt32}) * 1000000000)"
    time = f"toUnixTimestamp64Nano({time_of()})"
    price, place = "assumeNotNull(traded_price)", f"({time_of()}, {', '.join(PLACE)})"
    return f"""
SELECT
    exchange, symbol, fromUnixTimestamp64Nano({time} - positiveModulo({time}, {size}), 'UTC') AS begin_ns,
    argMin({price}, {place}) AS open, max({price}) AS high, min({price}) AS low, argMax({price}, {place}) AS close,
    sum(assumeNotNull(traded_quantity)) AS volume, sum(assumeNotNull(traded_quote)) AS quote, count() AS fills
FROM {_fills(database)} AS fill
WHERE NOT simulated AND counted AND priced AND {_in_period()}
GROUP BY exchange, symbol, begin_ns"""


def maker_share(database: str) -> str:
    """How much was traded as maker, by exchange, account, symbol and strategy.

    - maker_fills, taker_fills, other_fills: how many, the last where it is not known
    - maker_quantity, taker_quantity, other_quantity: their quantities
    - maker_share: maker_quantity as a part of maker_quantity + taker_quantity; NULL without them
    """
    kinds = {
        "maker": "liquidity = 'maker'",
        "taker": "liquidity = 'taker'",
        "other": "liquidity NOT IN ('maker', 'taker')",
    }
    counts = ", ".join(f"countIf({is_kind}) AS {name}_fills" for name, is_kind in kinds.items())
    sums = ", ".join(
        f"ifNull(sumIf(assumeNotNull(traded_quantity), {is_kind}), {ZERO}) AS {name}_quantity"
        for name, is_kind in kinds.items()
    )
    return f"""
SELECT
    {_NAMES}, {counts}, {sums}, {_share("maker_quantity", "maker_quantity + taker_quantity")} AS maker_share
FROM {_fills(database)} AS fill
WHERE NOT simulated AND counted AND {_in_period()}
GROUP BY {_NAMES}"""


def fill_ratio(database: str) -> str:
    """How much of what was ordered was executed, by exchange, account, symbol and strategy.

    Orders that were first captured in the period, but those that were never sent (denied).

    - orders, filled: how many, and how many of them executed anything
    - filled_share: filled as a part of orders
    - ordered_quantity, executed_quantity: of the orders of which it is known how much was ordered
    - executed_share: executed_quantity as a part of ordered_quantity; NULL where nothing was ordered
    """
    ordered = f"if(quantity_unit = 'quote', NULL, {number_of('quantity', own_text_of('quantity'))})"
    sums = ", ".join(
        f"ifNull(sumIf({column}, size > {ZERO}), {ZERO}) AS {name}_quantity"
        for name, column in (("ordered", "assumeNotNull(size)"), ("executed", "executed"))
    )
    return f"""
SELECT
    {_NAMES}, count() AS orders, countIf(executed > {ZERO}) AS filled, {_share("filled", "orders")} AS filled_share,
    {sums}, {_share("executed_quantity", "ordered_quantity")} AS executed_share
FROM (
    SELECT {_NAMES}, executed_quantity AS executed, {ordered} AS size
    FROM {quoted(database)}.orders
    WHERE NOT simulated AND order_status != 'denied' AND {_in_period_of("first_captured_ns")}
)
GROUP BY {_NAMES}"""


def latency(database: str) -> str:
    """From an order's first captured request to the venue's first report, by exchange, account and strategy.

    Orders that were requested in the period and acknowledged, both captured live.

    - orders: how many
    - least_ns, p50_ns, p90_ns, p99_ns, most_ns: percentiles, each that of an order (`quantileExact`)
    """
    percentiles = ", ".join(f"quantileExact(0.{level})(ns) AS p{level}_ns" for level in ("50", "90", "99"))
    ns = "toUnixTimestamp64Nano(acknowledged_ns) - toUnixTimestamp64Nano(requested_ns)"
    is_known = f"requested_ns != {NO_TIME} AND acknowledged_ns >= requested_ns"
    return f"""
SELECT exchange, account, strategy, count() AS orders, min(ns) AS least_ns, {percentiles}, max(ns) AS most_ns
FROM (
    SELECT exchange, account, strategy, {ns} AS ns
    FROM {quoted(database)}.orders
    WHERE NOT simulated AND {is_known} AND {_in_period_of("requested_ns")}
)
GROUP BY exchange, account, strategy"""


def hedges_of_period(database: str) -> str:
    """What maker orders executed that were first captured in the period, and what was hedged for them."""
    of_fills = _since("captured_ns")  # each is captured when its order is, or later
    return hedges(database, _in_period_of("first_captured_ns"), _since("first_captured_ns"), of_fills)


def _share(part: str, whole: str) -> str:
    return f"toFloat64({part}) / nullIf(toFloat64({whole}), 0)"


def _in_period_of(column: str) -> str:
    """That a time which is always given is in the period."""
    return f"{_since(column)} AND {_limited('until', lambda moment: f'{column} < {moment}')}"


def _since(column: str) -> str:
    return _limited("since", lambda moment: f"{column} >= {moment}")


def _of_period(database: str) -> str:
    return summed(database, Period(_ns("since", _FIRST_NS), _ns("until", _LAST_NS, " - 1")), longest=DAY)


def _in_period() -> str:
    return f"{_limited('since', from_on)} AND {_limited('until', before)}"


def _limited(parameter: str, condition: Callable[[str], str]) -> str:
    """A condition on the time, unless the parameter is empty."""
    return f"({{{parameter}:String}} = '' OR {condition(_moment(parameter))})"


def _ns(parameter: str, otherwise: int | None = None, less: str = "") -> str:
    """A parameter as ns since the epoch, or something less; something else if it is empty."""
    ns = f"toUnixTimestamp64Nano({_moment(parameter)}){less}"
    return ns if otherwise is None else f"if({{{parameter}:String}} = '', toInt64({otherwise}), {ns})"


def _moment(parameter: str) -> str:
    given = f"{{{parameter}:String}}"
    text = f"multiIf({given} = '', '1970-01-01', match({given}, '{_MOMENT}'), {given}, 'no time in ISO 8601')"
    return f"parseDateTime64BestEffort({text}, 9, 'UTC')"


def _fills(database: str) -> str:
    """Fills of the minutes of the period."""
    first, last = (
        f"intDiv({_ns(name, otherwise)}, {MINUTE_NS})"
        for name, otherwise in (("since", _FIRST_NS), ("until", _LAST_NS))
    )
    return f"({unique.fills(unique.stored_fills(database, f'{first} - 1', f'{last} + 1'))})"


class Parameterised(NamedTuple):
    """A view with parameters.

    Attributes:
        query: gives its query in a database.
        parameters: what must be given, each as text.
        about: what a row of it is.
    """

    query: Callable[[str], str]
    parameters: tuple[str, ...]
    about: str


PARAMETERISED: Final = {
    "positions_at": Parameterised(positions_at, ("at",), "positions as they were at a moment"),
    "volumes": Parameterised(volumes, _PERIOD, "what was traded in a period by day and position"),
    "fees": Parameterised(fees, _PERIOD, "commissions of a period by day and currency"),
    "profit_by_day": Parameterised(profit_of_period, _PERIOD, "what positions earned each day"),
    "candles": Parameterised(candles, ("seconds", *_PERIOD), "candles of our own fills"),
    "maker_share": Parameterised(maker_share, _PERIOD, "how much was traded as maker"),
    "fill_ratio": Parameterised(fill_ratio, _PERIOD, "how much of what was ordered was executed"),
    "latency": Parameterised(latency, _PERIOD, "from request to acknowledgement"),
    "hedges": Parameterised(hedges_of_period, _PERIOD, "what maker orders executed and what was hedged for them"),
}
"""The views with parameters by name."""
