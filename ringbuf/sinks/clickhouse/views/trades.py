"""The view `fills`: one row per fill, from all its copies, as it counts now (`ringbuf.trading.trade`)."""

from typing import Final

from ringbuf.record.execution import EXECUTION
from ringbuf.sinks.clickhouse.views.expression import ZERO, absent, is_absent, number_of, text_of
from ringbuf.sinks.clickhouse.views.placed import NOT_SIDES, placed
from ringbuf.sinks.clickhouse.views.reports import RECORD

OF_RECORD: Final = ("session", "seq", "captured_ns", "received_ns", "origin")
"""What a fill or an order has from one record, even if it is absent there."""
KEY: Final = ("exchange", "account", "symbol")
COMMISSIONS: Final = ("commission", "other_commission")
"""What may be paid for a fill, each with its currency."""

_OWN: Final = (
    *OF_RECORD,
    *KEY,
    "side",
    "last_price",
    "last_quantity",
    "position_side",
    "position_id",
    "exec_type",
    "flags",
)
_PAID: Final = tuple(each for name in COMMISSIONS for each in (name, f"{name}_currency"))
_OTHERS: Final = tuple(name for name in EXECUTION.names if name not in (*_OWN, *_PAID))
_RANK: Final = "(fill.origin != 'live', fill.arrival)"
_LATEST_FIRST: Final = (
    "(fill.is_fill, NOT fill.correction_rank.1, -fill.correction_rank.2.1, -fill.correction_rank.2.2,"
    " fill.origin != 'live', fill.arrival)"
)
"""Corrections before the fill itself, the latest first, and of copies of one as of those of a fill."""


def trades(table: str) -> str:
    """One row per fill: the columns of EXECUTION, and these.

    - order_key: its order, empty if it names none
    - traded_price, traded_quantity: as they count now; NULL if they are not countable
    - price_text, quantity_text: the whole decimal texts
    - commission_paid, other_commission_paid: exact; NULL if they are not countable
    - corrected, copies: whether the venue corrected it, and how many records told of it
    """
    rank = _RANK
    own = "fill.is_fill"
    first = f"argMinIf(({', '.join(f'record.{name}' for name in OF_RECORD)}), {rank}, {own})"
    of_first = ", ".join(f"first.{place} AS {name}" for place, name in enumerate(OF_RECORD, 1))
    inferred = "inferred_quantity IS NOT NULL"
    return f"""
SELECT
    * EXCEPT (
        first, identity, inferred_quantity, told_quantity, told_quantity_text, told_last_quantity,
        order_position_side, order_position_id, own_position_side, own_position_id
    ),
    {of_first},
    if({inferred}, toFloat64(toString(inferred_quantity)), told_last_quantity) AS last_quantity,
    if({inferred}, inferred_quantity, told_quantity) AS traded_quantity,
    if({inferred}, toString(inferred_quantity), told_quantity_text) AS quantity_text,
    multiIf(own_position_side != '', own_position_side, order_position_side != '', order_position_side, 'unknown')
        AS position_side,
    if(own_position_id != '', own_position_id, order_position_id) AS position_id
FROM (
    SELECT
        {", ".join(KEY)}, fill.simulated AS simulated, fill.identity AS identity,
        identity.2 AS order_key, identity.3 AS side, identity.4 AS price_text,
        identity.5 AS told_quantity_text, anyIf(fill.last_quantity_now, {own}) AS told_last_quantity,
        anyIf(tuple(fill.quantity_now), {own}).1 AS told_quantity, max(fill.inferred_quantity) AS inferred_quantity,
        ifNull(argMinOrNullIf(
            fill.last_price_now, {rank}, {own} AND fill.is_kept AND NOT isNaN(fill.last_price_now)
        ), nan) AS last_price,
        anyIf(tuple(fill.price_now), {own} AND fill.is_kept).1 AS traded_price,
        max(fill.is_corrected OR (NOT {own} AND ({" OR ".join(f"NOT isNaN(record.{name})" for name in COMMISSIONS)})))
            AS corrected,
        {", ".join(map(_commission, COMMISSIONS))},
        maxIf(fill.order_position_side, {own}) AS order_position_side,
        maxIf(fill.order_position_id, {own}) AS order_position_id,
        ifNull(argMinIf(toString(fill.position_side), {rank}, {own} AND fill.position_side NOT IN {NOT_SIDES}), '')
            AS own_position_side,
        ifNull(argMinIf(fill.position_id, {rank}, {own} AND fill.position_id != ''), '') AS own_position_id,
        {first} AS first,
        {", ".join(first_told(name, "argMin", rank, f" AND {own}") for name in _OTHERS)},
        groupBitOrIf(record.flags, {own}) AS flags,
        countIf({own}) AS copies
    FROM {table} AS record FINAL
    ALL INNER JOIN (SELECT * FROM ({placed(table)}) WHERE is_of_fill AND NOT is_canceled) AS fill USING ({RECORD})
    GROUP BY {", ".join(KEY)}, fill.simulated, fill.identity
)
WHERE ifNull(inferred_quantity != {ZERO}, 1)"""


def _commission(name: str) -> str:
    """A commission, its currency and its exact decimal, which is NULL if it is not countable."""
    number = number_of(f"record.{name}", text_of(name, "record."))
    told = (first_told(each, "argMin", _LATEST_FIRST) for each in (name, f"{name}_currency"))
    paid = f"argMinOrNullIf(tuple({number}), {_LATEST_FIRST}, NOT isNaN(record.{name})).1 AS {name}_paid"
    return ", ".join((*told, paid))


def first_told(name: str, pick: str, rank: str, condition: str = "") -> str:
    """Of a column the value that the first or the last record tells (`argMin`, `argMax`); absent if none does."""
    told_by = name.removesuffix("_currency")  # a currency is that of the commission it came with
    told = f"NOT ({is_absent(f'record.{told_by}', told_by)}){condition}"
    return f"ifNull({pick}OrNullIf(record.{name}, {rank}, {told}), {absent(name)}) AS {name}"
