"""The view `funding_payments`: one row per payment of funding, from all its copies (`ringbuf.trading.funding`)."""

from typing import Final

from ringbuf.sinks.clickhouse.views.columns import COUNT, EXACT, of_execution
from ringbuf.sinks.clickhouse.views.expression import EPOCH, NO_TIME, listed, number_of, text_of
from ringbuf.sinks.clickhouse.views.placed import NOT_SIDES
from ringbuf.sinks.clickhouse.views.reports import FUNDING
from ringbuf.trading.states import NO_ID

_INSTRUMENT: Final = ("exchange", "account", "symbol")
_FIRST: Final = ("session", "seq", "captured_ns", "position_side", "position_id")
_BEST: Final = ("strategy", "exchange_ns", "trade_id", "report_id")
_AMOUNTS: Final = ("commission", "other_commission")

PAYMENTS: Final = {
    **of_execution((*_INSTRUMENT, *_FIRST, *_BEST)),
    "simulated": "Bool",
    **{
        name: type_
        for each in _AMOUNTS
        for name, type_ in ((each, f"Nullable({EXACT})"), (f"{each}_currency", "String"))
    },
    "copies": COUNT,
}
"""The columns of `funding_payments`, with their types."""


def funding(table: str) -> str:
    """One row per payment: whose it is, its ids and times, its exact amounts (NULL if not countable), and

    - copies: how many records told of it
    """
    arrival = "(captured_ns, session, seq)"
    rank = "(origin != 'live', captured_ns, session, seq)"
    amounts = {each: number_of(each, text_of(each)) for each in _AMOUNTS}
    known = " OR ".join(f"{each}_paid IS NOT NULL" for each in _AMOUNTS)
    told = ", ".join(f"{each}_paid, toString({each}_currency)" for each in _AMOUNTS)
    of_amounts = ", ".join(
        f"told.{2 * place + 1} AS {each}, told.{2 * place + 2} AS {each}_currency"
        for place, each in enumerate(_AMOUNTS)
    )
    same = ", ".join(f"ifNull(toString({each}_paid), {text_of(each)}), toString({each}_currency)" for each in _AMOUNTS)
    own = [f"if({name} IN ({listed(sorted(NO_ID))}), '', {name})" for name in ("trade_id", "report_id")]
    return f"""
SELECT
    {", ".join(_INSTRUMENT)},
    {", ".join(f"first.{place} AS {name}" for place, name in enumerate(_FIRST, 1))},
    {", ".join(f"best.{place} AS {name}" for place, name in enumerate(_BEST, 1))},
    simulated, {of_amounts}, copies
FROM (
    SELECT
        {", ".join(_INSTRUMENT)}, simulated, identity,
        argMin(({", ".join(_FIRST)}), {arrival}) AS first,
        argMin(({", ".join(_BEST)}), {rank}) AS best,
        argMinIf(({told}), {rank}, {known}) AS told,
        count() AS copies
    FROM (
        SELECT
            * EXCEPT (position_side),
            if(position_side IN {NOT_SIDES}, 'unknown', toString(position_side)) AS position_side,
            {", ".join(f"{amount} AS {each}_paid" for each, amount in amounts.items())},
            CAST(origin = 'simulated', 'Bool') AS simulated,
            multiIf(
                tid != '' OR rid != '', (if(tid != '', tid, rid), {EPOCH}, '', '', '', '', toUInt64(0), toUInt64(0)),
                exchange_ns != {NO_TIME}, (
                    '', exchange_ns, {same},
                    toUInt64(0), toUInt64(0)
                ),
                ('', {EPOCH}, '', '', '', '', session, seq + 1)
            ) AS identity
        FROM (
            SELECT *, {own[0]} AS tid, {own[1]} AS rid
            FROM {table} FINAL
            WHERE {FUNDING}
        )
    )
    GROUP BY {", ".join(_INSTRUMENT)}, simulated, identity
)"""
