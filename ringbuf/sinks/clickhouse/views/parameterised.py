"""Views with parameters, for everyday questions: `SELECT … FROM fees(since = '2026-07-01', until = '')`.

They are made of the views `fills` and `orders` alone, and leave out what is simulated. A fill, or the last report of an
order, counts at its venue time, or where the venue gave none, at the time of capture.

A moment is text of a time (ISO 8601; without a zone it is UTC), or ns since the epoch. `since` is included, `until` is
not; where it is empty, there is no such limit.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from ringbuf.sinks.clickhouse.views.expression import EPOCH, ZERO, number_of, own_text_of
from ringbuf.sinks.clickhouse.views.positions import KEY, POSITIONS, is_ignored, sums_of_fills

PLACE: Final = ("exchange_seq", "captured_ns", "session", "seq")
"""What orders fills of one moment."""
_MOMENT: Final = "^([0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?|[0-9]{10,19})$"
"""Texts that the server reads in one way only: ISO 8601, and numbers that can only be s, ms, us or ns."""
_NAMES: Final = "exchange, account, symbol, strategy"
_PERIOD: Final = ("since", "until")
POSITIONS_AT: Final = {name: type_ for name, type_ in POSITIONS.items() if not name.startswith(("open_", "awaited_"))}
"""The columns of `positions_at`, with their types."""


def time_of(source: str = "") -> str:
    """When a fill, or the last report of an order, counts."""
    return f"if({source}exchange_ns = {EPOCH}, {source}captured_ns, {source}exchange_ns)"


def from_on(moment: str) -> str:
    """That a fill counts at or after a moment; a comparison that finds the venue time in the tables' order."""
    return f"(exchange_ns >= {moment} OR (exchange_ns = {EPOCH} AND captured_ns >= {moment}))"


def before(moment: str) -> str:
    """That it counts before a moment."""
    return (
        f"((exchange_ns < {moment} AND exchange_ns != {EPOCH}) OR (exchange_ns = {EPOCH} AND captured_ns < {moment}))"
    )


def up_to(moment: str) -> str:
    """That it counts at or before a moment."""
    return (
        f"((exchange_ns <= {moment} AND exchange_ns != {EPOCH}) OR (exchange_ns = {EPOCH} AND captured_ns <= {moment}))"
    )


def positions_at(fills: str) -> str:
    """Positions as they were at a moment, with what is known now: sums over the fills up to it, and at it."""
    key = ", ".join(KEY)
    sums = ", ".join(name for name in POSITIONS_AT if name not in (*KEY, "quantity"))
    return f"""
SELECT {key}, bought_quantity - sold_quantity AS quantity, {sums}
FROM (
    SELECT {key}, {sums_of_fills()}
    FROM {fills}
    WHERE NOT simulated AND {_limited("at", up_to)}
    GROUP BY {key}
)"""


def fees(fills: str) -> str:
    """Commissions paid, by day (UTC), exchange, account, symbol, strategy and currency.

    - amount: exact; a rebate is negative
    - fills: how many fills have such a commission
    - ignored: of how many it cannot be summed
    """
    key = "day, exchange, account, symbol, strategy, currency"
    paid = ", ".join(
        f"({name}_currency, {name}_paid, {is_ignored(name)})" for name in ("commission", "other_commission")
    )
    return f"""
SELECT
    toDate({time_of()}, 'UTC') AS day, exchange, account, symbol, strategy, paid.1 AS currency,
    ifNull(sum(paid.2), {ZERO}) AS amount, countIf(paid.2 IS NOT NULL) AS fills, countIf(paid.3) AS ignored
FROM {fills}
ARRAY JOIN [{paid}] AS paid
WHERE NOT simulated AND counted AND {_in_period()} AND (paid.2 IS NOT NULL OR paid.3)
GROUP BY {key}"""


def candles(fills: str) -> str:
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
FROM {fills}
WHERE NOT simulated AND counted AND priced AND {_in_period()}
GROUP BY exchange, symbol, begin_ns"""


def maker_share(fills: str) -> str:
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
FROM {fills}
WHERE NOT simulated AND counted AND {_in_period()}
GROUP BY {_NAMES}"""


def fill_ratio(orders: str) -> str:
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
    FROM {orders}
    WHERE NOT simulated AND order_status != 'denied' AND {_in_period_of("first_captured_ns")}
)
GROUP BY {_NAMES}"""


def latency(orders: str) -> str:
    """From an order's first captured request to the venue's first report, by exchange, account and strategy.

    Orders that were requested in the period and acknowledged, both captured live.

    - orders: how many
    - least_ns, p50_ns, p90_ns, p99_ns, most_ns: percentiles, each that of an order (`quantileExact`)
    """
    percentiles = ", ".join(f"quantileExact(0.{level})(ns) AS p{level}_ns" for level in ("50", "90", "99"))
    ns = "toUnixTimestamp64Nano(acknowledged_ns) - toUnixTimestamp64Nano(requested_ns)"
    is_known = f"requested_ns != {EPOCH} AND acknowledged_ns >= requested_ns"
    return f"""
SELECT exchange, account, strategy, count() AS orders, min(ns) AS least_ns, {percentiles}, max(ns) AS most_ns
FROM (
    SELECT exchange, account, strategy, {ns} AS ns
    FROM {orders}
    WHERE NOT simulated AND {is_known} AND {_in_period_of("requested_ns")}
)
GROUP BY exchange, account, strategy"""


def _share(part: str, whole: str) -> str:
    return f"toFloat64({part}) / nullIf(toFloat64({whole}), 0)"


def _in_period_of(column: str) -> str:
    """That a time which is always given is in the period."""
    since = _limited("since", lambda moment: f"{column} >= {moment}")
    return f"{since} AND {_limited('until', lambda moment: f'{column} < {moment}')}"


def _in_period() -> str:
    return f"{_limited('since', from_on)} AND {_limited('until', before)}"


def _limited(parameter: str, condition: Callable[[str], str]) -> str:
    """A condition on the time, unless the parameter is empty."""
    given = f"{{{parameter}:String}}"
    text = f"multiIf({given} = '', '1970-01-01', match({given}, '{_MOMENT}'), {given}, 'no time in ISO 8601')"
    moment = f"parseDateTime64BestEffort({text}, 9, 'UTC')"
    return f"({given} = '' OR {condition(moment)})"


class Parameterised(NamedTuple):
    """A view with parameters.

    Attributes:
        query: gives its query from the name of the view it reads.
        source: that view.
        parameters: what must be given, each as text.
        about: what a row of it is.
    """

    query: Callable[[str], str]
    source: str
    parameters: tuple[str, ...]
    about: str


PARAMETERISED: Final = {
    "positions_at": Parameterised(positions_at, "fills", ("at",), "positions as they were at a moment"),
    "fees": Parameterised(fees, "fills", _PERIOD, "commissions of a period by day and currency"),
    "candles": Parameterised(candles, "fills", ("seconds", *_PERIOD), "candles of our own fills"),
    "maker_share": Parameterised(maker_share, "fills", _PERIOD, "how much was traded as maker"),
    "fill_ratio": Parameterised(fill_ratio, "orders", _PERIOD, "how much of what was ordered was executed"),
    "latency": Parameterised(latency, "orders", _PERIOD, "from request to acknowledgement"),
}
"""The views with parameters by name."""
