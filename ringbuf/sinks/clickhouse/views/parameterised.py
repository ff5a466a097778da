"""Views with parameters, for everyday questions: `SELECT … FROM fees(since = '2026-07-01', until = '')`.

They are made of the views `fills` and `orders` alone, and leave out what is simulated. A fill, or the last report of an
order, counts at its venue time, or where the venue gave none, at the time of capture.

A moment is text of a time (ISO 8601; without a zone it is UTC), or ns since the epoch. `since` is included, `until` is
not; where it is empty, there is no such limit.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from ringbuf.sinks.clickhouse.views.expression import EPOCH, ZERO
from ringbuf.sinks.clickhouse.views.positions import KEY, POSITIONS, is_ignored, sums_of_fills

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


def _in_period() -> str:
    return f"{_limited('since', from_on)} AND {_limited('until', before)}"


def _limited(parameter: str, condition: Callable[[str], str]) -> str:
    """A condition on the time, unless the parameter is empty."""
    given = f"{{{parameter}:String}}"
    moment = f"parseDateTime64BestEffort(if({given} = '', '1970-01-01', {given}), 9, 'UTC')"
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
    "fees": Parameterised(fees, "fills", ("since", "until"), "commissions of a period by day and currency"),
}
"""The views with parameters by name."""
