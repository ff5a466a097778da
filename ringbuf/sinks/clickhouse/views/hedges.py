"""The view `hedges`: what maker orders executed, and what was hedged for them.

A hedge order names its maker order by `link_id`: one of the maker's client order ids, or its order id. Of several
orders of that name it is the one that was captured last before the hedge order.

Orders that took each other's place are one order here, a *chain* (`ringbuf.trading.derivation`): so what took the place
of a hedge order hedges what that one did, and what took the place of a maker order is hedged as that one is.
"""

from typing import Final

from ringbuf.sinks.clickhouse.table import quoted
from ringbuf.sinks.clickhouse.unique import ORDER_KEY
from ringbuf.sinks.clickhouse.views.expression import number_of, own_text_of
from ringbuf.trading.number import DECIMALS

_KEY: Final = ("exchange", "account", "symbol", "chain")
_CHAIN: Final = "if(chain_key IN (''), order_key, chain_key)"
_BEGINS: Final = "(chain_key = '' OR chain_key = order_key)"
"""Whether a chain begins with an order."""
_SIGN: Final = "multiIf(side IN ('buy'), 1, side IN ('sell'), -1, 0)"
_RATIO_DECIMALS: Final = 18
"""A ratio with more decimals has no exact product with a quantity."""
_MOST: Final = 1e18
"""Nor has one whose product is not below that."""
_IS_EXACT: Final = (
    f"(max(ratio) = toDecimal256(max(ratio), {_RATIO_DECIMALS})"
    f" AND abs(toFloat64(any(maker_net)) * toFloat64(max(ratio))) < {_MOST})"
)
_RESIDUAL_SIZE: Final = f"toFloat64(toDecimal256(residual_quantity, {DECIMALS}))"
"""As a f64: of more decimals the server does not find the nearest one."""
_OWED: Final = (
    f"if({_IS_EXACT}, -any(maker_net), NULL) * toDecimal256(if({_IS_EXACT}, max(ratio), NULL), {_RATIO_DECIMALS})"
)


def hedges(database: str, in_period: str, since: str, captured_since: str) -> str:
    """One row per maker order and hedge instrument.

    - client_order_id, order_id, side: of the maker order; of a chain, those of the order that was captured last
    - quantity, price: of the maker order: what it executed, and the average price of its fills
    - hedge_orders, hedged_quantity, working_quantity, hedge_price: of its hedge orders; sales are below zero
    - residual_quantity: what is left to be hedged or carried, with what works: owed - hedged; exact, NULL if the ratio
      is not known or has too many decimals
    - residual_value: times the hedge price; before there is one, times the arrival price, or the maker's price
    - slippage: what the hedges cost more than at the arrival price; where that was not told, than at the maker's price
    - request_delay_ns, fill_delay_ns: from the capture of the maker's last fill before it to the hedge order's request,
      and to its first fill; the longest of its hedge orders, NULL if not known

    Args:
        in_period: a condition on `first_captured_ns` of orders with which chains of makers begin.
        since: one on that of any order: only that the period had begun.
        captured_since: likewise on `captured_ns` of fills.
    """
    table, key, ns = quoted(database), ", ".join(_KEY), "toUnixTimestamp64Nano"
    ratio = number_of("hedge_ratio", own_text_of("hedge_ratio"))
    instrument, orders = key.removesuffix(", chain"), f"{table}.unique_orders FINAL WHERE NOT is_hard AND NOT simulated"
    named = f"""SELECT {ORDER_KEY} FROM {table}.known_ids WHERE id IN (
                    SELECT arrayJoin([link_id, concat('id:', link_id)]) FROM {table}.unique_orders
                    WHERE link_id NOT IN ('')
                )"""
    hedge = f"""
            SELECT {key}, first.1 AS of_strategy, first.2 AS link, first.3 AS at, first, executed, working
            FROM (
                SELECT
                    {key}, max(begins) AS has_first,
                    argMin((strategy, link_id, first_captured_ns, sign, ratio, arrival_price), NOT begins) AS first,
                    sum(sign * executed_quantity) AS executed,
                    sum(sign * (open_quantity - awaited_quantity)) AS working
                FROM (
                    SELECT
                        {instrument}, {_CHAIN} AS chain, {_BEGINS} AS begins, strategy, link_id, first_captured_ns,
                        {_SIGN} AS sign, {ratio} AS ratio, arrival_price, executed_quantity, open_quantity,
                        awaited_quantity
                    FROM {orders} AND (link_id NOT IN ('') OR chain_key NOT IN ('')) AND {since}
                )
                GROUP BY {key}
            )
            WHERE has_first AND link NOT IN ('')"""
    maker = f"""
            SELECT {key}, of_strategy, last, executed, net, name.1 AS id, name.2 AS at
            FROM (
                SELECT
                    {instrument}, {_CHAIN} AS chain, argMin(strategy, NOT ({_BEGINS} AS begins)) AS of_strategy,
                    argMax((order_id, client_order_id, side), (first_captured_ns, order_key)) AS last,
                    sum(executed_quantity) AS executed, sum({_SIGN} * executed_quantity) AS net,
                    groupArrayArray(arrayMap(
                        id -> (id, first_captured_ns), arrayDistinct(arrayPushBack(client_ids, order_id))
                    )) AS names
                FROM {orders} AND (chain_key NOT IN ('') OR ({ORDER_KEY}) IN ({named})) AND {since}
                GROUP BY {key}
                HAVING max(begins AND {in_period})
            )
            ARRAY JOIN names AS name
            WHERE id NOT IN ('')"""
    pair = f"""
        SELECT
            arrayJoin([true, false]) AS is_maker,
            {", ".join(f"if(is_maker, m.{each}, h.{each}) AS of_{each}" for each in _KEY)},
            ({_of("h")}) AS hedge_key, ({_of("m")}) AS maker_key, m.of_strategy AS strategy, m.last AS last,
            m.executed AS maker_executed, m.net AS maker_net, {ns}(h.at) AS at_ns, h.executed AS executed,
            h.working AS working, h.first.4 AS sign, h.first.5 AS ratio, h.first.6 AS arrived_at
        FROM ({hedge}
        ) AS h
        ASOF INNER JOIN ({maker}
        ) AS m ON h.of_strategy = m.of_strategy AND h.link = m.id AND h.at >= m.at"""
    fill = f"""
        SELECT
            {instrument}, ifNull(nullIf(of_chain.chain, ''), order_key) AS chain,
            if(priced, last_quantity, 0.) AS size, if(priced, last_price * last_quantity, 0.) AS quote,
            {ns}(captured_ns) AS captured_ns
        FROM (
            SELECT {instrument}, order_key, priced, last_price, last_quantity, captured_ns
            FROM {table}.unique_fills FINAL
            WHERE version != 0 AND NOT simulated AND counted AND {captured_since}
        ) AS of_order
        ALL LEFT JOIN (
            SELECT {instrument}, order_key, chain_key AS chain FROM {orders} AND NOT {_BEGINS}
        ) AS of_chain USING ({instrument}, order_key)"""
    return f"""
SELECT
    maker_key.1 AS exchange, maker_key.2 AS account, maker_key.3 AS symbol, strategy, last.2 AS client_order_id,
    last.1 AS order_id, last.3 AS side, any(maker_executed) AS quantity, any(maker_price) AS price,
    hedge_key.1 AS hedge_exchange, hedge_key.2 AS hedge_account, hedge_key.3 AS hedge_symbol,
    max(ratio) AS hedge_ratio, count() AS hedge_orders, sum(executed) AS hedged_quantity,
    sum(working) AS working_quantity, sum(hedge_quote) / nullIf(sum(hedge_size), 0) AS hedge_price,
    {_OWED} - hedged_quantity AS residual_quantity,
    {_RESIDUAL_SIZE} * ifNull(hedge_price, avg(reference)) AS residual_value, sum(cost) AS slippage,
    max(request_ns) AS request_delay_ns, max(fill_ns) AS fill_delay_ns
FROM (
    SELECT
        maker_key, hedge_key, strategy, last, maker_executed, maker_net, executed, working, ratio,
        sumIf(quote, is_maker) / nullIf(sumIf(size, is_maker), 0) AS maker_price,
        if(isNaN(arrived_at), maker_price, arrived_at) AS reference,
        sumIf(size, NOT is_maker) AS hedge_size, sumIf(quote, NOT is_maker) AS hedge_quote,
        sign * (hedge_quote - reference * hedge_size) AS cost,
        maxIf(captured_ns, is_maker AND captured_ns <= at_ns) AS seen_ns,
        minIf(captured_ns, NOT is_maker AND captured_ns != 0) AS filled_ns,
        if(seen_ns = 0, NULL, at_ns - seen_ns) AS request_ns,
        if(seen_ns = 0 OR filled_ns = 0, NULL, filled_ns - seen_ns) AS fill_ns
    FROM (
        SELECT pair.*, ifNull(fill.size, 0.) AS size, ifNull(fill.quote, 0.) AS quote,
            ifNull(fill.captured_ns, 0) AS captured_ns
        FROM ({fill}
        ) AS fill
        ALL RIGHT JOIN ({pair}
        ) AS pair ON {" AND ".join(f"fill.{each} = pair.of_{each}" for each in _KEY)}
    )
    GROUP BY maker_key, hedge_key, strategy, last, maker_executed, maker_net, at_ns, sign, executed, working, ratio,
        arrived_at
)
GROUP BY maker_key, strategy, last, hedge_exchange, hedge_account, hedge_symbol"""


def _of(source: str) -> str:
    return ", ".join(f"{source}.{column}" for column in _KEY)
