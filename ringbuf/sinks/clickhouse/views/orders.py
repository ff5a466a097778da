"""The view `orders`: one row per order, its state now and what may still trade (`ringbuf.trading.order`)."""

from typing import Final

from ringbuf.record.execution import EXECUTION
from ringbuf.record.fields import BY_NAME
from ringbuf.sinks.clickhouse.views.columns import COUNT, EXACT, TIME, of_execution
from ringbuf.sinks.clickhouse.views.expression import EPOCH, INSTRUMENT, SO_FAR, ZERO, listed
from ringbuf.sinks.clickhouse.views.placed import placed
from ringbuf.sinks.clickhouse.views.reports import RECORD, words
from ringbuf.sinks.clickhouse.views.trades import KEY, OF_RECORD, first_told
from ringbuf.trading.order import ITS_REQUEST, LAST, PENDING
from ringbuf.trading.states import ENDS, REOPENING, REQUESTS, Force

_OWN: Final = (
    *OF_RECORD,
    *KEY,
    "price",
    "quantity",
    "order_id",
    "client_order_id",
    "order_status",
    "side",
    "exec_type",
    "flags",
)
_OF_ORDER: Final = ("position_side", "position_id")
OTHERS: Final = tuple(name for name in EXECUTION.names if name not in (*_OWN, *_OF_ORDER) and not BY_NAME[name].of_fill)

ORDERS: Final = {
    **of_execution(KEY),
    "simulated": "Bool",
    **of_execution(("side", *_OF_ORDER, *OF_RECORD, "exec_type", "order_id", "client_order_id", "price", "quantity")),
    **of_execution((*OTHERS, "flags", "order_status")),
    **dict.fromkeys(("executed_quantity", "awaited_quantity", "open_quantity"), EXACT),
    "records": COUNT,
    **dict.fromkeys(("first_captured_ns", "requested_ns", "acknowledged_ns"), TIME),
}
"""The columns of `orders`, with their types."""


def orders(table: str) -> str:
    """One row per order: the columns of EXECUTION that tell of the order, and these.

    - executed_quantity: by its totals or by its fills, whichever is more
    - awaited_quantity: executed by its totals, its fill yet to come
    - open_quantity: what may still trade, with what is awaited
    - records, first_captured_ns: how many records tell of it, and when the first was captured
    - requested_ns, acknowledged_ns: when its first request, and the venue's first report of it, were captured live;
      the epoch if they were not
    """
    name_in_key = "substring(order_key, position(order_key, ':', 8) + 1)"  # client:NUMBER:NAME
    shown = (
        "simulated",
        "order_side AS side",
        "order_position_side AS position_side",
        "order_position_id AS position_id",
    )
    of_last = ", ".join(f"last.{place} AS {name}" for place, name in enumerate((*OF_RECORD, "exec_type"), 1))
    opened = f"strongest.4 > final.4 AND strongest.1 NOT IN ({words(PENDING)})"  # and not by a mere request
    is_older = "(NOT has_quantity OR ordered.2 < total.3) AND (NOT has_leaves OR remaining.3 < total.3)"
    known_then = f"if({is_older}, ifNull(size, {ZERO}), {ZERO})"  # filled, and not said of how much
    return f"""
SELECT
    {", ".join((*KEY, *shown))}, {of_last}, if(startsWith(order_key, 'id:'), substring(order_key, 4), '') AS order_id,
    if(own_client_order_id = '' AND order_id = '', {name_in_key}, own_client_order_id) AS client_order_id,
    price, quantity, {", ".join(OTHERS)}, flags,
    {_status()} AS order_status,
    executed AS executed_quantity,
    executed - booked AS awaited_quantity,
    if(is_over OR size IS NULL, {ZERO}, greatest(assumeNotNull(size) - executed - unfilled, {ZERO})) + awaited_quantity
        AS open_quantity,
    records, first_captured_ns, requested_ns, acknowledged_ns
FROM (
    SELECT
        *,
        greatest(
            if(has_total, ifNull(total.1, {known_then}) - {_removed_since("total.2")}, {ZERO}) - unfilled,
            booked
        ) AS executed,
        has_word AND word.2 AND NOT is_reopened AS is_over
    FROM (
        SELECT
            *,
            {opened} AS is_open_again,
            strongest.2 AND strongest.1 = 'filled' AND {_removed_since("strongest.3")} > {ZERO} AS was_taken_back,
            if(NOT final.2 OR if(strongest.2, NOT was_taken_back, is_open_again), strongest, final) AS word,
            carried + {_split()} AS unfilled,
            arraySum(fill -> fill.3, fills) AS booked,
            has_word AND word.2 AND word.1 = 'filled' AND {_removed_since("word.3")} > {ZERO} AS is_reopened,
            multiIf(
                has_leaves AND NOT (has_quantity AND ordered.2 > remaining.3),
                assumeNotNull(remaining.1) + ifNull(remaining.2, {_booked_at("(remaining.3.1, remaining.3.4)")}),
                has_quantity, assumeNotNull(ordered.1),
                NULL
            ) AS size
        FROM ({_pages(table)})
    )
)"""


def _pages(table: str) -> str:
    """For each order the latest of each thing that its reports tell."""
    told, own = "report.is_told", "report.is_granted"
    named = f"record.client_order_id != '' AND report.is_state AND report.exec_type NOT IN ({words(ITS_REQUEST)})"
    given_up = "record.client_order_id != '' AND report.role = 'report' AND report.is_own_end AND NOT report.is_copy"
    working = "report.is_state AND report.status != 'unknown' AND NOT report.says_over"
    moment = "(report.rank.1, report.rank.4)"
    since = "(report.strength.1, report.strength.2)"
    word = f"(report.word, report.says_over, (report.venue_ns, report.arrival), {since})"
    last = ", ".join(f"record.{name}" for name in (*OF_RECORD, "exec_type"))
    return f"""
SELECT
    {", ".join(KEY)}, report.simulated AS simulated, report.order_key AS order_key,
    any(if(report.order_side = '', 'unknown', report.order_side)) AS order_side,
    any(if(report.order_position_side = '', 'unknown', report.order_position_side)) AS order_position_side,
    any(report.order_position_id) AS order_position_id,
    argMaxIf(({last}), (report.is_state, report.rank), report.role = 'report') AS last,
    coalesce(
        nullIf(argMaxIf(record.client_order_id, report.rank, {named}), ''),
        argMinIf(record.client_order_id, report.arrival, {given_up}), ''
    ) AS own_client_order_id,
    {", ".join(_latest(name, own) for name in ("price", "quantity"))},
    {", ".join(_latest(name, told) for name in OTHERS)},
    groupBitOrIf(record.flags, report.role = 'report') AS flags,
    countIf(report.role = 'report') AS records,
    minIf(record.captured_ns, report.role = 'report') AS first_captured_ns,
    {_first_live("report.is_new_request")} AS requested_ns,
    {_first_live("NOT report.is_request AND report.status != 'denied'")} AS acknowledged_ns,
    argMaxIf({word}, report.strength, report.is_word) AS strongest,
    argMaxIf(
        {word}, ({since}, report.strength.5), report.is_word AND report.strength.4 = {int(Force.FINAL)}
    ) AS final,
    countIf(report.is_word) > 0 AS has_word,
    argMaxIf((report.status, report.rank), report.rank, {working}) AS working,
    ifNull(argMaxIf(report.status, report.rank, {working} AND report.status NOT IN ({words(PENDING)})), '') AS settled,
    maxIf(report.rank, report.is_state AND report.exec_type = 'cancel_rejected' AND report.status = 'unknown')
        AS refused,
    argMaxIf((ifNull(report.total, report.quantity_told), {moment}, report.rank), report.rank, report.tells_total)
        AS total,
    countIf(report.tells_total) > 0 AS has_total,
    argMaxIf((report.quantity_told, report.rank), report.rank, report.tells_quantity) AS ordered,
    countIf(report.tells_quantity) > 0 AS has_quantity,
    argMaxIf((report.leaves, report.total, report.rank), report.rank, report.tells_leaves) AS remaining,
    countIf(report.tells_leaves) > 0 AS has_leaves,
    ifNull(sumIf(ifNull(report.total, {ZERO}), report.role = 'carried'), {ZERO}) AS carried,
    groupArrayIf(
        (
            report.exec_type = 'restated' AND report.total IS NOT NULL, report.rank, report.tells_total,
            ifNull(report.total, report.quantity_told) AS known,
            if(isNaN(record.cumulative_quantity), toFloat64(known), record.cumulative_quantity),
            report.tells_quantity, record.quantity
        ),
        report.was_restated AND report.is_state
    ) AS restatements,
    groupArrayIf(
        ((report.venue_ns, report.arrival), report.reported, report.counted, report.changed_at), report.is_first_fill
    ) AS fills
FROM {table} AS record FINAL
ALL INNER JOIN ({_ranked(table)}) AS report USING ({RECORD})
GROUP BY {", ".join(KEY)}, report.simulated, report.order_key"""


def _first_live(condition: str) -> str:
    """When the first such report was captured, leaving out those that were asked for later."""
    is_live = "report.role = 'report' AND report.origin NOT IN ('lookback', 'reconciliation')"
    return f"ifNull(minIf(record.captured_ns, {is_live} AND {condition}), {EPOCH})"


def _latest(name: str, condition: str) -> str:
    return first_told(name, "argMax", "report.rank", f" AND {condition}")


def _ranked(table: str) -> str:
    """The reports of orders, each with what it tells and how late it is among those of its order."""
    key = f"PARTITION BY {INSTRUMENT}, order_key"
    ends = {status.name.lower(): int(end.force) for status, end in ENDS.items()}
    unless = words(status for status, end in ENDS.items() if end.unless_leaves)
    is_misprinted = f"leaves = {ZERO} AND quantity_told IS NOT NULL AND ifNull(total, {ZERO}) < quantity_told"
    return f"""
SELECT
    *,
    if(role = 'replaced', 'replaced', status) AS word,
    multiIf(
        role = 'replaced',
        (venue_ns, toUInt64({LAST}), {ZERO}, toUInt8({int(Force.FINAL)}), arrival),
        (rank.1, rank.2, if(is_own_end, reached, rank.3), toUInt8(multiIf(
            status = 'filled' AND ifNull(total < quantity_told, 0), {int(Force.STRONG)},
            says_over, transform(status, [{listed(ends)}], {list(ends.values())}, {int(Force.WEAK)}),
            exec_type IN ({words(REOPENING)}), {int(Force.FINAL)},
            {int(Force.WEAK)}
        )), arrival)
    ) AS strength,
    role = 'replaced' OR (is_state AND NOT is_request AND status != 'unknown')
        OR (role = 'report' AND is_own_end AND NOT is_copy AND NOT is_named) AS is_word,
    is_told AND (total IS NOT NULL OR status = 'filled') AS tells_total,
    is_granted AND quantity_told IS NOT NULL AS tells_quantity,
    is_told AND leaves IS NOT NULL AND NOT says_over AND NOT ({is_misprinted}) AS tells_leaves
FROM (
    SELECT
        *,
        is_state AND NOT (is_request AND NOT is_new_request) AS is_told,
        is_state AND exec_type NOT IN ({words(REQUESTS)}) AS is_granted,
        role = 'replaced' OR (status IN ({listed(ends)}) AND NOT (status IN ({unless}) AND ifNull(leaves > {ZERO}, 0)))
            AS says_over,
        if(is_new_request, (toInt64(-1), toUInt64(0), {ZERO}, arrival), (
            venue_ns, toUInt64(trade_changes), if(is_request OR total IS NULL, reached, assumeNotNull(total)), arrival
        )) AS rank
    FROM (
        SELECT
            *,
            if(
                is_apart,
                max(total_said) OVER ({key}, trade_changes, joined_at > 0 ORDER BY arrival {SO_FAR}),
                max(total_said) OVER ({key}, trade_changes ORDER BY arrival {SO_FAR})
            ) AS reached,
            multiIf(
                venue_time != 0, venue_time,
                is_apart, max(its_time) OVER ({key}, joined_at > 0 ORDER BY arrival {SO_FAR}),
                max(its_time) OVER ({key} ORDER BY arrival {SO_FAR})
            ) AS venue_ns
        FROM (
            SELECT
                *,
                multiIf(
                    NOT is_state OR is_request, {ZERO},
                    total IS NOT NULL, assumeNotNull(total),
                    status = 'filled', ifNull(quantity_told, {ZERO}),
                    {ZERO}
                ) AS total_said,
                multiIf(
                    is_fill, arrayConcat(
                        arrayFilter(each -> each > arrival, change_arrivals),
                        if(is_first_of_order AND arrayExists(each -> each < arrival, change_arrivals), [arrival], [])
                    ),
                    is_change, arrayFilter(each -> each = arrival, change_arrivals),
                    []
                ) AS changes_said,
                if(role = 'report', venue_time, 0) AS its_time,
                arrival < max(joined_at) OVER ({key}) AS is_apart,
                arrayCount(each -> each <= arrival, if(
                    is_apart,
                    groupUniqArrayArray(changes_said) OVER ({key}, joined_at > 0),
                    groupUniqArrayArray(changes_said) OVER ({key})
                )) AS trade_changes,
                max(exec_type = 'restated') OVER ({key}) AS was_restated
            FROM (
                SELECT
                    *,
                    oid = '' AND status IN ('rejected', 'denied') AS is_own_end,
                    role = 'report' AND NOT is_copy AND NOT is_own_end AND NOT (
                        is_trade AND venue_time = 0 AND arrayExists(each -> each < arrival, change_arrivals)
                    ) AS is_state,
                    is_trade AND row_number() OVER (
                        PARTITION BY {INSTRUMENT}, order_key, trade_key, is_trade AND role = 'report' ORDER BY arrival
                    ) = 1 AS is_first_of_order,
                    is_canceled OR inferred_quantity IS NULL AS is_as_reported,
                    if(is_as_reported, ifNull(traded_quantity, {ZERO}), assumeNotNull(inferred_quantity)) AS reported,
                    multiIf(
                        is_canceled, {ZERO}, is_as_reported, ifNull(quantity_now, {ZERO}),
                        assumeNotNull(inferred_quantity)
                    ) AS counted,
                    if(counted = reported, (toInt64(0), toUInt64(0)), latest_change) AS changed_at
                FROM ({placed(table)})
                WHERE order_key != ''
            )
        )
    )
)"""


def _status() -> str:
    """The state of an order, from its page."""
    return f"""multiIf(
        is_over, ifNull(word.1, ''),
        is_reopened, if(booked != {ZERO}, 'partially_filled', 'new'),
        working.1 IN ({words(PENDING)}) AND refused > working.2, if(settled = '', 'unknown', settled),
        if(ifNull(working.1, '') = '', 'unknown', assumeNotNull(working.1))
    )"""


def _is_changed_since(moment: str) -> str:
    """Whether a fill was; if the change has no venue time, its arrival tells."""
    return f"fill.4.2 != 0 AND if(fill.4.1 = 0, fill.4.2 > ({moment}).2, fill.4 > {moment})"


def _removed_since(moment: str) -> str:
    """What the venue took back of an order's fills after a moment."""
    return f"arraySum(fill -> if({_is_changed_since(moment)}, fill.2 - fill.3, {ZERO}), fills)"


def _booked_at(moment: str) -> str:
    """What an order's fills summed up to at a moment."""
    amount = f"multiIf(fill.1 > {moment}, {ZERO}, {_is_changed_since(moment)}, fill.2, fill.3)"
    return f"arraySum(fill -> {amount}, fills)"


def _split() -> str:
    """What splits of the stock added to an order's totals: ordered and executed quantity grew alike."""
    before = "arraySort(each -> each.2, arrayFilter(each -> each.2.4 < now.2.4 AND {}, restatements))[-1]"
    total, ordered = before.format("each.3"), before.format("each.6")
    return f"""arraySum(now -> if(
                ifNull(({total}).4, {ZERO}) != {ZERO} AND ({ordered}).6
                    AND now.7 * ({total}).5 = now.5 * ({ordered}).7
                    AND ({total}).2 < now.2 AND ({ordered}).2 < now.2,
                assumeNotNull(now.4) - assumeNotNull(({total}).4), {ZERO}
            ), arrayFilter(each -> each.1 AND each.6, restatements))"""
