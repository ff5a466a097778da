"""The views `fills`, `orders` and `positions` over the table of EXECUTION.

fills
    One row per fill of a venue. A fill is identified by exchange, account, symbol, order id, trade id, side, price and
    quantity; without a trade id by cumulative quantity and exchange time besides; without those too, each record is a
    fill of its own. Copies of it (live stream, look-back, a second strategy) are one row: that of the earliest live
    record, else of the earliest one, and what that leaves absent comes from the others. A `trade_cancel` takes away the
    fills of its trade id, a `trade_correct` gives them another price and quantity.
orders
    One row per order, its last state. An order is identified by its client order id, if need be by the one known for
    its order id, else by its order id. A terminal state is last, whatever comes in late; else the larger cumulative
    quantity, then the later record. What that record leaves absent comes from those before it.
positions
    Sums over the fills that are not simulated, per exchange, account, symbol and strategy. They are exact: a float
    stands for the shortest decimal text that gives it. A fill is summed if it has a side, and if price and quantity are
    from 1e-21 to below 1e21 and their product is below 1e18 and has no more than 52 decimals. Any other is in `fills`
    with `counted = false`, and in the number `ignored` here.

Simulated records are never merged with real ones. All views read with FINAL, so a record stored twice counts once. No
value in a record makes a view fail. Filters on exchange, account and symbol reach the table.
"""

import zlib
from collections.abc import Iterable
from typing import Final, NamedTuple

from ringbuf.record.execution import EXECUTION
from ringbuf.record.fields import FIELDS
from ringbuf.record.number import EXACT
from ringbuf.sinks.clickhouse.table import literal, quoted, table_name

MARK: Final = "ringbuf: "
"""What the comment of each view begins with."""

_OF_RECORD = ("session", "seq", "captured_ns", "received_ns", "origin")
_FILL_KEY = ("exchange", "account", "symbol", "order_id", "trade_id", "side", "last_price", "last_quantity")
_ORDER_KEY = ("exchange", "account", "symbol", "client_order_id")
_ONLY_OF_FILLS = (*(each.name for each in FIELDS if each.of_fill), EXACT)
_EPOCH = "toDateTime64(0, 9, 'UTC')"
_WHOLE = "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"

_SCALE = 38  # exact for every f64 from 1e-21 on
_PRODUCT_SCALES = ((26, 26), (38, 14), (14, 38))  # of price and quantity; each product has 52


class View(NamedTuple):
    """A view as it should be; the comment changes with the query.

    Attributes:
        comment: what `system.tables` shows.
        statement: creates or replaces it.
    """

    comment: str
    statement: str


def create_views(database: str) -> dict[str, View]:
    """The views by name, in the order in which they can be created."""
    table = table_name(EXECUTION, database)
    queries = {
        "fills": (_fills(table), "one row per fill of a venue"),
        "orders": (_orders(table), "one row per order, its last state"),
        "positions": (_positions(f"{quoted(database)}.{quoted('fills')}"), "exact sums of fills"),
    }
    return {name: _view(database, name, query, about) for name, (query, about) in queries.items()}


def _view(database: str, name: str, query: str, about: str) -> View:
    comment = f"{MARK}{about} [{zlib.crc32(query.encode()):08x}]"
    name = f"{quoted(database)}.{quoted(name)}"
    return View(comment, f"CREATE OR REPLACE VIEW {name} AS {query}\nCOMMENT {literal(comment)}")


def _fills(table: str) -> str:
    names = [name for name in EXECUTION.names if name != "exec_type"]
    reasonable = f"{_within('last_price')} AND {_within('last_quantity')} AND last_price * last_quantity < 1e18"
    exact = " OR ".join(_is_exact(*scales) for scales in _PRODUCT_SCALES)
    return f"""
SELECT {", ".join(names)}, simulated, corrected, copies, CAST(reasonable AND ({exact}), 'Bool') AS counted
FROM (
    SELECT
        *,
        toString(if(reasonable, last_price, 1)) AS price_text,
        toString(if(reasonable, last_quantity, 1)) AS quantity_text
    FROM (SELECT *, side IN ('buy', 'sell') AND {reasonable} AS reasonable FROM ({_merged(table)}))
)"""


def _merged(table: str) -> str:
    """One row per fill, from all its copies."""
    others = [name for name in EXECUTION.names if name not in (*_OF_RECORD, *_FILL_KEY, "exec_type", "flags")]
    key = (*_FILL_KEY, "simulated", "key_quantity", "key_ns", "key_session", "key_seq")
    return f"""
SELECT *
FROM (
    SELECT
        {_listed("fill", (*_OF_RECORD, *_FILL_KEY, "simulated", "corrected"))},
        {_first_present("fill", "copy", others)},
        groupBitOr(fill.flags) OVER copy AS flags,
        count() OVER copy AS copies,
        row_number() OVER copy AS position
    FROM (
        SELECT
            *,
            trade_id = '' AND isNaN(cumulative_quantity) AND exchange_ns = {_EPOCH} AS alone,
            if(trade_id = '', cumulative_quantity, nan) AS key_quantity,
            if(trade_id = '', exchange_ns, {_EPOCH}) AS key_ns,
            if(alone, session, 0) AS key_session,
            if(alone, seq, 0) AS key_seq
        FROM ({_amended(table)})
    ) AS fill
    WINDOW copy AS (
        PARTITION BY {", ".join(f"fill.{name}" for name in key)}
        ORDER BY fill.origin != 'live', fill.captured_ns, fill.session, fill.seq
        {_WHOLE}
    )
)
WHERE position = 1"""


def _amended(table: str) -> str:
    """The records of fills without those a venue took back, and with price and quantity as it corrected them."""
    kept = [name for name in EXECUTION.names if name not in ("last_price", "last_quantity")]
    key = ("exchange", "account", "symbol", "trade_id", "simulated")
    corrected = {name: f"exec_type = 'trade_correct' AND NOT isNaN({name})" for name in ("last_price", "last_quantity")}
    return f"""
    SELECT
        {_listed("record", (*kept, "simulated"))},
        if(ifNull(change.prices, 0) > 0, assumeNotNull(change.price), record.last_price) AS last_price,
        if(ifNull(change.quantities, 0) > 0, assumeNotNull(change.quantity), record.last_quantity) AS last_quantity,
        CAST(ifNull(change.prices + change.quantities, 0) > 0, 'Bool') AS corrected
    FROM ({_records(table, "exec_type = 'fill'")}) AS record
    LEFT JOIN (
        SELECT
            {", ".join(key)},
            countIf(exec_type = 'trade_cancel') AS cancels,
            countIf({corrected["last_price"]}) AS prices,
            countIf({corrected["last_quantity"]}) AS quantities,
            argMaxIf(last_price, moment, {corrected["last_price"]}) AS price,
            argMaxIf(last_quantity, moment, {corrected["last_quantity"]}) AS quantity
        FROM (
            SELECT *, (exchange_ns, captured_ns, session, seq) AS moment
            FROM ({_records(table, "exec_type IN ('trade_cancel', 'trade_correct') AND trade_id != ''")})
        )
        GROUP BY {", ".join(key)}
    ) AS change ON {" AND ".join(f"record.{name} = change.{name}" for name in key)}
    WHERE ifNull(change.cancels, 0) = 0"""


def _orders(table: str) -> str:
    names = [name for name in EXECUTION.names if name not in _ONLY_OF_FILLS]
    others = [name for name in names if name not in (*_OF_RECORD, *_ORDER_KEY, "exec_type", "flags")]
    return f"""
SELECT {", ".join(names)}, simulated, records, first_captured_ns
FROM (
    SELECT
        {_listed("state", (*_OF_RECORD, "exec_type", "exchange", "account", "symbol", "simulated"))},
        state.known_client_order_id AS client_order_id,
        {_first_present("state", "history", others)},
        groupBitOr(state.flags) OVER history AS flags,
        count() OVER history AS records,
        min(state.captured_ns) OVER history AS first_captured_ns,
        row_number() OVER history AS position
    FROM (
        SELECT
            *,
            multiIf(client_order_id != '', client_order_id, order_id != '', latest_client_order_id, '')
                AS known_client_order_id,
            if(known_client_order_id = '', order_id, '') AS key_order_id,
            order_status IN ('filled', 'canceled', 'rejected', 'expired') AS terminal,
            if(isNaN(cumulative_quantity), 0, cumulative_quantity) AS reached
        FROM (
            SELECT
                *,
                ifNull(
                    argMaxIf(client_order_id, captured_ns, client_order_id != '')
                        OVER (PARTITION BY exchange, account, symbol, simulated, order_id), ''
                ) AS latest_client_order_id
            FROM ({_records(table, "exec_type != 'funding' AND (client_order_id != '' OR order_id != '')")})
        )
    ) AS state
    WINDOW history AS (
        PARTITION BY state.exchange, state.account, state.symbol, state.simulated,
            state.known_client_order_id, state.key_order_id
        ORDER BY state.terminal DESC, state.reached DESC, state.captured_ns DESC, state.session DESC, state.seq DESC
        {_WHOLE}
    )
)
WHERE position = 1"""


def _positions(fills: str) -> str:
    key = "exchange, account, symbol, strategy"
    products = ", ".join(
        f"{_is_exact(*scales)}, {_decimal('price_text', scales[0])} * {_decimal('quantity_text', scales[1])}"
        for scales in _PRODUCT_SCALES
    )
    commission = _within("abs(commission)")
    return f"""
WITH
    {_decimal("quantity_text", _SCALE)} AS amount,
    multiIf({products}, toDecimal256(0, 52)) AS quote
SELECT
    {key},
    bought_quantity - sold_quantity AS quantity,
    sum(if(counted AND side = 'buy', amount, 0)) AS bought_quantity,
    sum(if(counted AND side = 'sell', amount, 0)) AS sold_quantity,
    sum(if(counted AND side = 'buy', quote, 0)) AS bought_quote,
    sum(if(counted AND side = 'sell', quote, 0)) AS sold_quote,
    sumMapIf(
        map(commission_currency, {_decimal(f"toString(if({commission}, commission, 0))", _SCALE)}),
        counted AND {commission}
    ) AS commissions,
    countIf(counted) AS fills,
    countIf(NOT counted) AS ignored,
    countIf(counted AND NOT ({commission}) AND commission != 0 AND NOT isNaN(commission)) AS ignored_commissions,
    max(exchange_ns) AS last_exchange_ns,
    max(captured_ns) AS last_captured_ns
FROM (
    SELECT
        {key}, side, commission, commission_currency, exchange_ns, captured_ns, counted,
        toString(if(counted, last_price, 1)) AS price_text,
        toString(if(counted, last_quantity, 1)) AS quantity_text
    FROM {fills}
    WHERE NOT simulated
)
GROUP BY {key}"""


def _records(table: str, condition: str) -> str:
    return f"SELECT *, CAST(origin = 'simulated', 'Bool') AS simulated FROM {table} FINAL WHERE {condition}"


def _listed(source: str, names: Iterable[str]) -> str:
    return ", ".join(f"{source}.{name} AS {name}" for name in names)


def _first_present(source: str, window: str, names: Iterable[str]) -> str:
    """Of each column the first value in the window that is not absent."""
    listed = []
    for name in names:
        value, absent = f"{source}.{name}", _absent(name)
        # a currency is that of the commission it came with
        told_by = f"{source}.commission" if name == "commission_currency" else value
        is_absent = f"isNaN({told_by})" if told_by != value or absent == "nan" else f"{value} = {absent}"
        listed.append(f"ifNull(first_value(if({is_absent}, NULL, {value})) OVER {window}, {absent}) AS {name}")
    return ",\n        ".join(listed)


def _absent(name: str) -> str:
    if name in EXECUTION.words:
        return "'unknown'"
    if EXECUTION.is_time(name):
        return _EPOCH
    return {"S": "''", "f": "nan"}.get(EXECUTION.dtype[name].kind, "0")


def _within(value: str) -> str:
    """Where every f64 has at most 37 decimals and sums of decimals cannot overflow; false for NaN."""
    return f"{value} >= 1e-21 AND {value} < 1e21"


def _decimal(text: str, scale: int) -> str:
    return f"toDecimal256OrZero({text}, {scale})"


def _is_exact(price_scale: int, quantity_scale: int) -> str:
    """Whether price and quantity have no more decimals than that."""
    return " AND ".join(
        f"{_decimal(text, scale)} = {_decimal(text, _SCALE)}"
        for text, scale in (("price_text", price_scale), ("quantity_text", quantity_scale))
    )
