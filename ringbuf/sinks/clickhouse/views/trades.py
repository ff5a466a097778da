"""The view `fills`: one row per fill, from all its copies, as it counts now (`ringbuf.trading.trade`)."""

from typing import Final

from ringbuf.record.execution import EXECUTION
from ringbuf.sinks.clickhouse.views.expression import ZERO, absent, is_absent, number_of, text_of
from ringbuf.sinks.clickhouse.views.placed import NOT_SIDES, placed
from ringbuf.sinks.clickhouse.views.reports import RECORD

OF_RECORD: Final = ("session", "seq", "captured_ns", "received_ns", "origin")
"""What a fill or an order has from one record, even if it is absent there."""
KEY: Final = ("exchange", "account", "symbol")

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
_OTHERS: Final = tuple(name for name in EXECUTION.names if name not in _OWN)
_RANK: Final = "(fill.origin != 'live', fill.arrival)"


def trades(table: str) -> str:
    """One row per fill: the columns of EXECUTION, and these.

    - order_key: its order, empty if it names none
    - traded_price, traded_quantity: as they count now; NULL if they are not countable
    - price_text, quantity_text: the whole decimal texts
    - commission_paid, other_commission_paid: exact; NULL if they are not countable
    - corrected, copies: whether the venue corrected it, and how many records told of it
    """
    rank = _RANK
    first = f"argMin(({', '.join(f'record.{name}' for name in OF_RECORD)}), {rank})"
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
        identity.5 AS told_quantity_text, any(fill.last_quantity_now) AS told_last_quantity,
        any(tuple(fill.quantity_now)).1 AS told_quantity, max(fill.inferred_quantity) AS inferred_quantity,
        ifNull(argMinOrNullIf(fill.last_price_now, {rank}, fill.is_kept AND NOT isNaN(fill.last_price_now)), nan)
            AS last_price,
        anyIf(tuple(fill.price_now), fill.is_kept).1 AS traded_price,
        any(fill.is_corrected) AS corrected,
        {", ".join(_commission(name) for name in ("commission", "other_commission"))},
        max(fill.order_position_side) AS order_position_side, max(fill.order_position_id) AS order_position_id,
        ifNull(argMinIf(toString(fill.position_side), {rank}, fill.position_side NOT IN {NOT_SIDES}), '')
            AS own_position_side,
        ifNull(argMinIf(fill.position_id, {rank}, fill.position_id != ''), '') AS own_position_id,
        {first} AS first,
        {", ".join(first_told(name, "argMin", rank) for name in _OTHERS)},
        groupBitOr(record.flags) AS flags,
        count() AS copies
    FROM {table} AS record FINAL
    INNER JOIN (SELECT * FROM ({placed(table)}) WHERE is_fill AND NOT is_canceled) AS fill USING ({RECORD})
    GROUP BY {", ".join(KEY)}, fill.simulated, fill.identity
)
WHERE ifNull(inferred_quantity != {ZERO}, 1)"""


def _commission(name: str) -> str:
    """The exact decimal of a commission, from the first record that tells it; NULL if it is not countable."""
    number = number_of(f"record.{name}", text_of(name, "record."))
    return f"argMinOrNullIf(tuple({number}), {_RANK}, NOT isNaN(record.{name})).1 AS {name}_paid"


def first_told(name: str, pick: str, rank: str, condition: str = "") -> str:
    """Of a column the value that the first or the last record tells (`argMin`, `argMax`); absent if none does."""
    told_by = name.removesuffix("_currency")  # a currency is that of the commission it came with
    told = f"NOT ({is_absent(f'record.{told_by}', told_by)}){condition}"
    return f"ifNull({pick}OrNullIf(record.{name}, {rank}, {told}), {absent(name)}) AS {name}"
