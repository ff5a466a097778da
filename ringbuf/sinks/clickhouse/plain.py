"""Rows of orders and fills from records that are as most venues send them: derived by one lean pass over the records.

What is *plain* follows the same rules as everything (`ringbuf.trading`), but needs few of them: an order whose records
have one client id of their own, neither replace nor correction, and numbers of usual size. All other orders come out
marked `is_hard` and without a state; the rules themselves derive those. A fill that names its order, its trade, side,
price and quantity is plain whatever its order is.

`records` is what stands behind FROM: a table with FINAL and a condition. All records that have an order in common must
be among them: what is not counts as not there.
"""

from collections.abc import Mapping
from typing import Final

from ringbuf.record.execution import EXECUTION
from ringbuf.sinks.clickhouse.keys import NONE
from ringbuf.sinks.clickhouse.unique import FILL_COLUMNS, MINUTE, ORDER_COLUMNS
from ringbuf.sinks.clickhouse.views.expression import EPOCH, INSTRUMENT, ZERO, absent, is_absent, replaced
from ringbuf.sinks.clickhouse.views.orders import OTHERS as OF_ORDER
from ringbuf.sinks.clickhouse.views.placed import NOT_SIDES
from ringbuf.sinks.clickhouse.views.reports import FUNDING, words
from ringbuf.sinks.clickhouse.views.trades import OF_RECORD
from ringbuf.trading.number import DECIMALS, MOST_QUOTE, PRODUCT_DECIMALS
from ringbuf.trading.order import ITS_REQUEST, PENDING
from ringbuf.trading.states import STATUS_OF

_LEAST: Final = 1e-9
_MOST: Final = 1e12
"""Numbers of usual size: zero, or between these. Each has few enough decimals to be summed and multiplied."""
_TYPES: Final = (
    "'unknown', 'new', 'fill', 'canceled', 'expired', 'rejected', 'pending_new', 'pending_cancel', 'order_status'"
)
_STATES: Final = (
    "'unknown', 'pending_new', 'new', 'partially_filled', 'filled', 'canceled', 'expired', 'rejected', 'pending_cancel'"
)
_OVER: Final = "'filled', 'canceled', 'expired', 'rejected'"
_FINAL: Final = "'canceled', 'expired'"
_SIZES: Final = ("quantity", "cumulative_quantity", "leaves_quantity", "last_quantity")
_AMOUNTS: Final = ("price", "last_price", "commission", "other_commission")
_INSTRUMENT: Final = ("exchange", "account", "symbol")
_NO_ORDER: Final = "SELECT '', '', '', false, ''"
_SAME: Final = (
    "exec_type", "status", "side", "oid", "client_order_id", "trade_id", "report_id", "exchange_ns", "exchange_seq",
    "price", *_SIZES, "last_price",
)  # fmt: skip
"""What copies of a report have in common; more may have it, then the order is not plain."""


def _usual(name: str) -> str:
    return f"(isNaN({name}) OR {name} = 0 OR (abs({name}) >= {_LEAST} AND abs({name}) < {_MOST}))"


def _records(records: str) -> str:
    """The records, with what each says, and whether it is unusual."""
    statuses = {key.name.lower(): value.name.lower() for key, value in STATUS_OF.items()}
    sizes = " AND ".join(f"{_usual(name)} AND NOT {name} < 0" for name in _SIZES)
    amounts = " AND ".join(_usual(name) for name in _AMOUNTS)
    return f"""
SELECT
    *,
    NOT (
        (oid != '' OR is_request) AND exec_type IN ({_TYPES}) AND status IN ({_STATES}) AND is_usual
        AND orig_client_order_id = '' AND ref_id = '' AND quantity_unit != 'quote' AND trade_type != 'inferred'
        AND (oid != '' OR order_id = '')
        AND (exec_type != 'fill' OR is_good_fill OR last_quantity = 0)
        AND NOT (NOT isNaN(leaves_quantity) AND isNaN(cumulative_quantity))
        AND NOT (status = 'filled' AND isNaN(cumulative_quantity) AND isNaN(quantity))
    ) AS is_odd
FROM (
    SELECT
        *,
        CAST(origin = 'simulated', 'Bool') AS simulated,
        if(order_id IN ({NONE}), '', order_id) AS oid,
        exec_type = 'fill' AND last_quantity > 0 AND isFinite(last_quantity) AS is_trade,
        exact = '' AND {sizes} AND {amounts} AS is_usual,
        is_trade AND is_usual AND oid != '' AND trade_id NOT IN ({NONE}) AND side IN ('buy', 'sell')
            AND NOT isNaN(last_price) AND abs(last_price) * last_quantity < {MOST_QUOTE} AS is_good_fill,
        multiIf(
            exec_type = 'cancel_rejected' AND order_status = 'rejected', 'unknown',
            order_status != 'unknown' OR is_trade, toString(order_status),
            {replaced("exec_type", statuses, "'unknown'")}
        ) AS status,
        oid = '' AND status = 'pending_new' AND exec_type NOT IN ('pending_cancel', 'pending_replace') AS is_request
    FROM {records}
    AND NOT {FUNDING}
)"""


_CAPTURED: Final = "toUInt256(greatest(0, toUnixTimestamp64Nano(captured_ns)))"
_FIRST: Final = f"bitShiftLeft({_CAPTURED}, 128) + bitShiftLeft(toUInt256(session), 64) + toUInt256(seq)"
"""The order of arrival as a number below 2^191."""
_ARRIVAL: Final = f"bitShiftLeft(toUInt256(origin != 'live'), 255) + {_FIRST}"
"""Of the copies of a fill; live ones come first."""


def plain_fills(records: str, new: str = "true", hard: str = _NO_ORDER) -> str:
    """The columns of `unique_fills` of each fill that is plain.

    Args:
        new: true of records that were not derived before; a fill of which no record is new is left out, unless other
            records of its order tell of it.
        hard: a SELECT of orders, by instrument and order id, whose fills are left out.
    """
    key = ("side", "last_price", "last_quantity", "trade_id")
    of_order = ("position_side", "position_id")
    told = [
        name
        for name in EXECUTION.names
        if name not in (*key, *of_order, *OF_RECORD, *_INSTRUMENT, "exec_type", "flags")
    ]
    order_side, order_id = "ifNull(order_side, '')", "ifNull(order_position_id, '')"
    side_told = f"position_side NOT IN {NOT_SIDES}"
    columns = {
        "position_side": f"multiIf(own_side != '', own_side, {order_side} != '', {order_side}, 'unknown')",
        "position_id": f"if(own_id != '', own_id, {order_id})",
        "corrected": "false",
        "counted": "true",
        "priced": "true",
        "traded_price": _exact("last_price"),
        "traded_quantity": _exact("last_quantity"),
        "traded_quote": " * ".join(
            f"toDecimal256(toString({name}), {decimals})"
            for name, decimals in zip(("last_price", "last_quantity"), PRODUCT_DECIMALS[0], strict=True)
        ),
        **{f"{name}_paid": f"if(isNaN({name}), NULL, {_exact(name)})" for name in ("commission", "other_commission")},
        "order_key": "concat('id:', oid)",
        "minute": MINUTE,
    }
    return f"""
SELECT {_listed(FILL_COLUMNS, columns)}
FROM (
    SELECT
        {INSTRUMENT}, oid, {", ".join(key)},
        {", ".join(f"argMin({name}, arrival) AS {name}" for name in OF_RECORD)},
        {", ".join(_told(name, "argMin", "arrival") for name in told)},
        argMinIf(toString(position_side), arrival, {side_told}) AS own_side,
        argMinIf(position_id, arrival, position_id != '') AS own_id,
        groupBitOr(flags) AS flags,
        count() AS copies,
        max({new}) AS is_new
    FROM (SELECT *, {_ARRIVAL} AS arrival FROM ({_records(records)}))
    WHERE is_good_fill AND ({INSTRUMENT}, oid) NOT IN ({hard})
    GROUP BY {INSTRUMENT}, oid, {", ".join(key)}
) AS fill
ALL LEFT JOIN (
    SELECT
        {INSTRUMENT}, oid,
        argMinIf(toString(position_side), {_FIRST}, {side_told}) AS order_side,
        argMinIf(position_id, {_FIRST}, position_id != '') AS order_position_id
    FROM ({_records(records)})
    WHERE oid != '' AND ({side_told} OR position_id != '')
    GROUP BY {INSTRUMENT}, oid
) AS of_order USING ({INSTRUMENT}, oid)
WHERE is_new OR (own_side = '' AND {order_side} != '') OR (own_id = '' AND {order_id} != '')"""


def plain_copies(records: str, new: str, hard: str) -> str:
    """Keys under which a plain fill may be known: that of any of its records, in the minute of any of them.

    Args:
        new, hard: as in `plain_fills`; only of fills of which a record is new.
    """
    key = f"{INSTRUMENT}, oid, side, last_price, last_quantity, trade_id"
    return f"""
SELECT {INSTRUMENT}, place.1 AS minute, place.2 AS session, place.3 AS seq
FROM (
    SELECT
        {INSTRUMENT}, groupArray((session, seq)) AS copies, groupUniqArray({MINUTE}) AS minutes
    FROM ({_records(records)})
    WHERE is_good_fill AND ({INSTRUMENT}, oid) NOT IN ({hard})
    GROUP BY {key}
    HAVING count() > 1 AND max({new})
)
ARRAY JOIN arrayFlatten(arrayMap(copy -> arrayMap(one -> (one, copy.1, copy.2), minutes), copies)) AS place"""


def plain_orders(records: str) -> str:
    """The columns of `unique_orders` of each order, and is_hard: whether it is not plain; then only ids are right."""
    granted = "exec_type != 'pending_cancel'"
    is_state = f"status IN ({_STATES}) AND status != 'unknown'"
    word = f"{is_state} AND NOT is_request"
    first = f"bitShiftLeft(toUInt256(oid = ''), 255) + {_FIRST}"
    named = f"client_order_id != '' AND exec_type NOT IN ({words(ITS_REQUEST)})"
    misprinted = "leaves_quantity = 0 AND ifNull(cumulative_quantity < quantity, 0)"
    leaves = f"NOT isNaN(leaves_quantity) AND status NOT IN ({_OVER}) AND NOT ({misprinted})"
    total = "if(isNaN(cumulative_quantity), quantity, cumulative_quantity)"
    live = "origin NOT IN ('lookback', 'reconciliation')"
    own = (*_INSTRUMENT, *OF_RECORD, "exec_type", "price", "quantity")
    columns = {
        "order_id": "oid",
        "client_order_id": "if(own_name = '' AND oid = '', name, own_name)",
        "order_status": "multiIf(is_over, word.1, working = '', 'unknown', working)",
        "executed_quantity": "executed",
        "awaited_quantity": "executed - booked",
        "open_quantity": (
            f"if(is_over OR size IS NULL, {ZERO}, greatest(assumeNotNull(size) - executed, {ZERO})) + executed - booked"
        ),
        "chain_key": "''",
        "record_ids": "arrayMap(each -> (each.1, each.2), arrived)",
    }
    return f"""
SELECT {_listed(ORDER_COLUMNS, columns)}, is_odd OR is_unclear AS is_hard
FROM (
    SELECT
        *,
        if(NOT has_final OR strongest.2 OR (strongest.3 > final.2 AND strongest.1 NOT IN ({words(PENDING)})),
            (strongest.1, strongest.2), (final.1, true)) AS word,
        has_word AND word.2 AS is_over,
        arraySum(each -> {_exact("each.4")}, traded) AS booked,
        greatest(if(has_total, {_exact("total")}, {ZERO}), booked) AS executed,
        multiIf(
            has_leaves AND NOT (has_quantity AND ordered_at > remaining_at),
            {_exact("remaining")} + {_exact("remaining_total")},
            has_quantity, {_exact("ordered")},
            NULL
        ) AS size,
        length(arrayDistinct(marks)) < length(marks) OR arrayExists(
            (one, next) -> one.1 = next.1 AND one.3 > next.3, arrayPopBack(arrived), arrayPopFront(arrived)
        ) OR (
            arrived[1].1 != arrived[-1].1
            AND length(arrayDistinct(arrayMap(each -> each.3, arrived))) < length(arrived)
        ) AS is_unclear
    FROM (
        SELECT
            {INSTRUMENT}, order_key, max(oid) AS oid, max(name) AS name, max(is_odd) AS is_odd,
            ifNull(argMinIf(toString(side), {first}, side != 'unknown'), '') AS told_side,
            if(told_side = '', 'unknown', told_side) AS side,
            argMinIf(toString(position_side), {first}, position_side NOT IN {NOT_SIDES}) AS told_position_side,
            if(told_position_side = '', 'unknown', told_position_side) AS position_side,
            argMinIf(position_id, {first}, position_id != '') AS position_id,
            {", ".join(f"argMax({name}, rank) AS {name}" for name in (*OF_RECORD, "exec_type"))},
            argMaxIf(client_order_id, rank, {named}) AS own_name,
            {", ".join(_told(name, "argMax", "rank", f" AND {granted}") for name in ("price", "quantity"))},
            {", ".join(_told(name, "argMax", "rank") for name in OF_ORDER if name not in own)},
            groupBitOr(flags) AS flags,
            count() AS records,
            min(captured_ns) AS first_captured_ns,
            ifNull(minIf(captured_ns, is_request AND {live}), {EPOCH}) AS requested_ns,
            ifNull(minIf(captured_ns, NOT is_request AND {live}), {EPOCH}) AS acknowledged_ns,
            argMaxIf((status, status IN ({_OVER}), venue_ns), strength, {word}) AS strongest,
            argMaxIf(
                (status, venue_ns), bitShiftLeft(toUInt256(venue_ns), 191) + {_FIRST}, status IN ({_FINAL})
            ) AS final,
            countIf({word}) > 0 AS has_word,
            countIf(status IN ({_FINAL})) > 0 AS has_final,
            argMaxIf(status, rank, {is_state} AND status NOT IN ({_OVER})) AS working,
            argMaxIf({total}, rank, {_TELLS_TOTAL}) AS total, countIf({_TELLS_TOTAL}) > 0 AS has_total,
            argMaxIf(quantity, rank, NOT isNaN(quantity) AND {granted}) AS ordered,
            maxIf(rank, NOT isNaN(quantity) AND {granted}) AS ordered_at,
            countIf(NOT isNaN(quantity) AND {granted}) > 0 AS has_quantity,
            argMaxIf(leaves_quantity, rank, {leaves}) AS remaining,
            argMaxIf(cumulative_quantity, rank, {leaves}) AS remaining_total,
            maxIf(rank, {leaves}) AS remaining_at, countIf({leaves}) > 0 AS has_leaves,
            groupUniqArrayIf((trade_id, side, last_price, last_quantity), is_good_fill) AS traded,
            groupArray(cityHash64({", ".join(_SAME)})) AS marks,
            arraySort(groupArray((session, seq, captured_ns))) AS arrived,
            groupUniqArrayIf(client_order_id, client_order_id != '') AS client_ids
        FROM ({_ranked(records)})
        GROUP BY {INSTRUMENT}, order_key
    )
)"""


def _ranked(records: str) -> str:
    """The records with their orders, and how late each is among those of its order.

    Windows are computed of few columns: they sort rows, and whole rows are long.
    """
    so_far = "OVER (PARTITION BY order_hash ORDER BY captured_ns, session, seq ROWS UNBOUNDED PRECEDING)"
    at = f"bitShiftLeft({_CAPTURED}, 64) + toUInt256(seq)"
    return f"""
SELECT
    *,
    multiIf(
        status IN ({_FINAL}), 3, status = 'filled' AND ifNull(cumulative_quantity < quantity, 0), 2, 1
    ) AS force,
    bitShiftLeft(toUInt256(venue_ns), 192) + bitShiftLeft(toUInt256(reinterpretAsUInt64(reached)), 129) AS late,
    if(is_request, {at}, late + {at}) AS rank,
    late + bitShiftLeft(toUInt256(force), 127) + {at} AS strength
FROM ({_placed(records)}) AS placed
ALL INNER JOIN (
    SELECT
        session, seq,
        toUInt64(1 + greatest(0, if(venue_time != 0, venue_time, max(venue_time) {so_far}))) AS venue_ns,
        if(isNaN(cumulative_quantity), max(if(isNaN({_SAID}) OR is_request, 0., {_SAID})) {so_far}, cumulative_quantity)
            AS reached
    FROM ({_placed(records)})
) AS of_record USING (session, seq)"""


_SAID: Final = "if(isNaN(cumulative_quantity) AND status = 'filled', quantity, cumulative_quantity)"
_TELLS_TOTAL: Final = "(NOT isNaN(cumulative_quantity) OR status = 'filled')"


def _placed(records: str) -> str:
    """The records that name an order, with the key of it."""
    return f"""
SELECT
    * EXCEPT (is_odd),
    {", ".join(f"ifNull(its.{name}, 0) AS {name}" for name in ("orders", "requests", "odd"))},
    client_order_id AS name,
    toUnixTimestamp64Nano(exchange_ns) AS venue_time,
    multiIf(
        oid != '', concat('id:', oid),
        orders = 1, concat('id:', its.only),
        concat('client:1:', if(orig_client_order_id != '', orig_client_order_id, client_order_id))
    ) AS order_key,
    is_odd OR (requests + odd > 0 AND (orders > 1 OR requests > 1 OR odd > 0)) AS is_odd,
    sipHash128({INSTRUMENT}, order_key) AS order_hash
FROM ({_records(records)}) AS record
ALL LEFT JOIN (
    SELECT
        {INSTRUMENT}, name AS client_order_id,
        uniqExactIf(oid, oid != '') AS orders, anyIf(oid, oid != '') AS only,
        countIf(is_request) AS requests, countIf(oid = '' AND NOT is_request) AS odd
    FROM (
        SELECT {INSTRUMENT}, oid, is_request, arrayJoin(arrayDistinct([client_order_id, orig_client_order_id])) AS name
        FROM ({_records(records)})
    )
    WHERE name != ''
    GROUP BY {INSTRUMENT}, name
) AS its USING ({INSTRUMENT}, client_order_id)
WHERE oid != '' OR client_order_id != '' OR orig_client_order_id != ''"""


def _told(name: str, pick: str, rank: str, condition: str = "") -> str:
    """Of a column the value that the first or the last record tells; absent if none does."""
    told_by = name.removesuffix("_currency")
    told = f"NOT ({is_absent(told_by, told_by)}){condition}"
    if absent(name) == "nan" or absent(name) == "'unknown'":
        return f"ifNull({pick}OrNullIf({name}, {rank}, {told}), {absent(name)}) AS {name}"
    return f"{pick}If({name}, {rank}, {told}) AS {name}"  # what nobody tells is empty


def _exact(name: str) -> str:
    return f"toDecimal256OrZero(toString({name}), {DECIMALS})"


def _listed(columns: Mapping[str, str], expressions: Mapping[str, str]) -> str:
    return ", ".join(f"{expressions[name]} AS {name}" if name in expressions else name for name in columns)
