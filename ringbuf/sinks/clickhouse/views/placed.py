"""Reports with the order and the trade that each is about (`ringbuf.trading.directory`, `ringbuf.trading.trade`)."""

from typing import Final

from ringbuf.sinks.clickhouse.views.expression import INSTRUMENT, SO_FAR, ZERO
from ringbuf.sinks.clickhouse.views.reports import IDS, order_names, reports, trade_changes, words
from ringbuf.trading.directory import ABOUT_ITSELF

NOT_SIDES: Final = "('unknown', 'both')"


def placed(table: str) -> str:
    """All reports with these columns more:

    - role: `report`. A row more says `replaced`: its report ended the order of this key by taking its place; or
      `carried`: the totals of the order of this key go on from those of another one.
    - order_key: its order, empty if it names none; is_named: whether the venue's id of the order is known
    - joined_at: if it was known only later that the report is about that order, the arrival of who said so; else 0
    - order_side, order_position_side, order_position_id: those of its order
    - is_canceled, is_corrected, change_arrivals, latest_change: what the venue changed about its trade
    - is_fill: whether it is a fill that `fills` shows; is_of_fill: whether it is that, or a correction, whose
      commissions are those of a fill; correction_rank: how late it is among corrections, see `trade_changes`
    - identity: what tells the fill from others; is_kept: whether it tells itself all that is known of it, and is no
      copy that lacks order, side or price
    - is_first_fill: whether it is the first report of a fill that counts, or would if the venue had not taken it back
    - inferred_quantity: of the first report of an inferred fill, what it counts for (`ringbuf.trading.inferred_fill`)
    - traded_side, price_now, quantity_now, fill_price_text, fill_quantity_text, last_price_now, last_quantity_now: of
      the fill as the venue corrected it
    """
    of_order = f"PARTITION BY {INSTRUMENT}, order_key"
    accounted = (
        f"ifNull(traded_quantity, {ZERO}) * toUInt8(is_first_fill AND reach IS NULL)"
        f" + ifNull(total, {ZERO}) * toUInt8(role = 'carried')"
    )
    return f"""
SELECT
    * EXCEPT (reach, most, accounted, reached),
    if(reach IS NULL, NULL, if(is_canceled, {ZERO}, least(
        most, greatest(assumeNotNull(reach) - greatest(accounted, ifNull(reached, {ZERO})), {ZERO})
    ))) AS inferred_quantity
FROM (
    SELECT
        *,
        if(is_canceled, {ZERO}, ifNull(quantity_now, {ZERO})) AS most,
        if(is_first_fill AND trade_type = 'inferred' AND order_key != '' AND quantity_now IS NOT NULL, total, NULL)
            AS reach,
        sum({accounted}) OVER ({of_order}) AS accounted,
        max(if(most > {ZERO}, reach, NULL)) OVER (
            {of_order} ORDER BY reach ASC NULLS LAST, arrival ASC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reached
    FROM (
        SELECT
            *,
            is_fill AND is_trade AND is_kept AND row_number() OVER (
                PARTITION BY {INSTRUMENT}, identity, is_fill AND is_trade AND is_kept ORDER BY arrival
            ) = 1 AS is_first_fill
        FROM ({_told(table)})
    )
)"""


def _told(table: str) -> str:
    """All reports, each fill, and each correction of one, with what tells the fill from others."""
    first = "arraySort(each -> (each.1 != order_key, each.5), arrayFilter(each -> each.6, told_of_trade))[1]"
    return f"""
SELECT
    * EXCEPT (own),
    is_fill OR (is_correction AND arrayExists(each -> each.6, told_of_trade)) AS is_of_fill,
    if(is_correction, {first}, (own.1, own.2, own.3, own.4, arrival, is_trade)) AS told,
    arraySort(each -> (-{_TELLS.format("each")}, each.5), arrayFilter(
        other -> other.4 = told.4 AND (told.1 = '' OR told.1 = other.1)
            AND (told.2 = 'unknown' OR told.2 = other.2) AND (told.3 = 'nan' OR told.3 = other.3),
        told_of_trade
    ))[1] AS kept,
    (trade, kept.1, kept.2, kept.3, kept.4) AS identity,
    (kept.1, kept.2, kept.3) = (told.1, told.2, told.3) AS is_kept
FROM (
    SELECT
        *,
        (order_key, traded_side, fill_price_text, fill_quantity_text) AS own,
        multiIf(
            notEmpty(trade_ids), (trade_key, '', '', '', '', toInt64(0), toUInt64(0), toUInt64(0)),
            total IS NULL AND venue_time = 0, ('', '', '', '', '', toInt64(0), session, seq + 1),
            (
                '', order_key, fill_price_text, last_quantity_text, ifNull(toString(total), 'none'), venue_time,
                toUInt64(0), toUInt64(0)
            )
        ) AS trade,
        if(
            is_correction OR (is_fill AND (own.1 = '' OR own.2 = 'unknown' OR own.3 = 'nan')),
            arrayMap(
                each -> (each.1.1, each.1.2, each.1.3, each.1.4, each.2, each.3),
                groupUniqArrayIf((own, arrival, is_trade), is_fill) OVER (
                    PARTITION BY {INSTRUMENT}, trade, is_fill OR is_correction
                )
            ),
            [(own.1, own.2, own.3, own.4, arrival, is_trade)]
        ) AS told_of_trade
    FROM (
        SELECT
            * EXCEPT (change),
            change.1 AS is_canceled,
            change.3 AS change_arrivals,
            if(change.1, change.2, change.5.1.2) AS latest_change,
            arrayFirst(each -> each.1 = arrival, change.6).2 AS correction_rank,
            role = 'report' AND is_change AND exec_type = 'trade_correct' AS is_correction,
            change.4.2 != '' OR change.5.2 != '' AS is_corrected,
            if(change.4.2 != '', change.4.4, traded_price) AS price_now,
            if(change.5.2 != '' AND is_trade, change.5.4, traded_quantity) AS quantity_now,
            multiIf(change.4.2 != '', change.4.2, isFinite(last_price), last_price_text, 'nan') AS fill_price_text,
            if(change.5.2 != '' AND is_trade, change.5.2, last_quantity_text) AS fill_quantity_text,
            if(change.4.2 != '', change.4.3, last_price) AS last_price_now,
            if(change.5.2 != '' AND is_trade, change.5.3, last_quantity) AS last_quantity_now,
            if(side = 'unknown' AND order_side != '', order_side, toString(side)) AS traded_side
        FROM (
            SELECT
                {", ".join(f"owned.{name} AS {name}" for name in (*_NAMING, *_PACKED, *_OWNED))},
                if(mapContains(of_trade.trade_names, trade_ids[1]), of_trade.trade_names[trade_ids[1]], trade_ids[1])
                    AS trade_key,
                of_trade.changes[trade_key] AS change
            FROM ({_owned(table)}) AS owned
            ALL LEFT JOIN ({trade_changes(table)}) AS of_trade USING ({INSTRUMENT})
        )
    )
)"""


_TELLS: Final = "(toInt8({0}.1 != '') + toInt8({0}.2 != 'unknown') + toInt8({0}.3 != 'nan'))"
"""How much a fill tells of order, side and price."""


def _owned(table: str) -> str:
    """All reports with their orders and what never changes about those."""
    key = f"PARTITION BY {INSTRUMENT}, order_key"
    own = "order_key != '' AND role = 'report'"
    first = "(oid = '', arrival)"  # the venue knows it better than our request
    return f"""
SELECT
    *,
    startsWith(order_key, 'id:') AS is_named,
    role = 'report' AND (is_trade OR (exec_type = 'fill' AND NOT last_quantity = 0)) AS is_fill,
    ifNull(argMinIf(toString(side), {first}, {own} AND side != 'unknown') OVER ({key}), '') AS order_side,
    ifNull(argMinIf(toString(position_side), {first}, {own} AND position_side NOT IN {NOT_SIDES}) OVER ({key}), '')
        AS order_position_side,
    ifNull(argMinIf(position_id, {first}, {own} AND position_id != '') OVER ({key}), '') AS order_position_id
FROM (
    SELECT
        {", ".join(_NAMING)},
        {", ".join(f"packed.{place} AS {name}" for place, name in enumerate(_PACKED, 1))},
        key.1 AS order_key, key.2 AS role, joined_at
    FROM ({_keyed(table)})
    ARRAY JOIN keys AS key
)"""


_NEAREST: Final = (
    "if((anyLast(if({0}, oid, NULL)) OVER {1} AS last_{0}_{1}) = oid,"
    " nullIf(arrayFilter(each -> each != oid, groupArrayLastIf(2)(oid, {0}) OVER {1})[1], ''), last_{0}_{1})"
)
"""Of the orders, without the report's own, the one that was named last; backwards the one that is named next."""
_NAMING: Final = (
    *INSTRUMENT.split(", "), "session", "seq", "arrival", "oid", "client_order_id", "orig_client_order_id", "exec_type",
    "is_new_request", "is_copy", "total",
)  # fmt: skip
"""The columns of a report that say which order it is about."""
_OWNED: Final = (
    "order_key", "role", "joined_at", "is_named", "is_fill", "order_side", "order_position_side", "order_position_id",
)  # fmt: skip
_PACKED: Final = (
    "origin", "side", "position_side", "position_id", "last_price", "last_quantity", "last_price_text",
    "last_quantity_text", "cumulative_quantity_text", "status", "leaves", "quantity_told", "traded_price",
    "traded_quantity", "venue_time", "is_change", "is_trade", "is_request", "trade_type", "trade_ids",
)  # fmt: skip
"""The other columns of it. They go through the windows as one, since each column there costs time to plan."""


def _keyed(table: str) -> str:
    """All reports with the keys of the orders they are about."""
    is_link = (
        "purpose = 'successor' AND if(name_told = client_order_id, arrival = first_arrival AND former IS NOT NULL,"
        " NOT is_named_so)"
    )
    unnamed = "concat('client:', toString(number), ':', name)"
    to_place = f"(PARTITION BY {INSTRUMENT}, name_told, exact, is_first_link ORDER BY arrival)"
    is_first_to_tell = f"row_number() OVER (PARTITION BY {INSTRUMENT}, oid, tells_carried ORDER BY arrival) = 1"
    of_request = f"(PARTITION BY {INSTRUMENT}, name, if(is_first_naming, named_before, number))"
    return f"""
SELECT
    *,
    if(exact IS NOT NULL AND row_number() OVER {to_place} = 1, exact, likely) AS replaced,
    multiIf(
        purpose = 'report', [(multiIf(
            oid != '', concat('id:', oid),
            name = '', '',
            number <= named_before, concat('id:', assumeNotNull(last_named)),
            own_named IS NOT NULL, concat('id:', assumeNotNull(own_named)),
            {unnamed}
        ), 'report')],
        is_link, arrayConcat(
            if(
                NOT is_first_link OR replaced IS NULL, [], [(concat('id:', assumeNotNull(replaced)), 'replaced')]
            ),
            if(tells_carried AND {is_first_to_tell}, [(concat('id:', oid), 'carried')], [])
        ),
        []
    ) AS keys,
    if(purpose = 'report' AND oid = '' AND name != '' AND number > named_before, ifNull(own_named_at, 0), 0)
        AS joined_at
FROM (
    SELECT
        *,
        {is_link} AS is_link,
        is_link AND row_number() OVER (PARTITION BY {INSTRUMENT}, oid, is_link ORDER BY arrival) = 1 AS is_first_link,
        is_link AND exec_type = 'replaced' AND ifNull(total > {ZERO}, 0)
            AND name_told = argMinIf(name_told, arrival, is_link) OVER (PARTITION BY {INSTRUMENT}, oid)
            AS tells_carried,
        any(if(is_first_naming, oid, NULL)) OVER {of_request} AS own_named,
        any(if(is_first_naming, arrival, NULL)) OVER {of_request} AS own_named_at
    FROM (
        SELECT
            *,
            greatest(ifNull(sum(is_new_request AND NOT is_copy AND purpose = 'report') OVER named, 0), 1) AS number,
            ifNull(sum(is_first_naming) OVER named, 0) AS named_before,
            anyLast(if(is_first_naming, oid, NULL)) OVER named AS last_named,
            {_NEAREST.format("is_first_naming", "named")} AS former,
            ifNull(former, {_NEAREST.format("is_first_own_naming", "backwards")}) AS likely,
            {_NEAREST.format("is_first_told", "told")} AS exact_before,
            ifNull(exact_before, {_NEAREST.format("is_first_told", "told_backwards")}) AS exact
        FROM (
            SELECT
                *,
                is_naming AND row_number() OVER (
                    PARTITION BY {INSTRUMENT}, name, oid, is_naming ORDER BY arrival
                ) = 1 AS is_first_naming,
                is_naming AND name_told = name AS is_own_naming,
                is_own_naming AND row_number() OVER (
                    PARTITION BY {INSTRUMENT}, name, oid, is_own_naming ORDER BY arrival
                ) = 1 AS is_first_own_naming,
                is_naming AND row_number() OVER (
                    PARTITION BY {INSTRUMENT}, name_told, oid, is_naming ORDER BY arrival
                ) = 1 AS is_first_told,
                max(is_naming) OVER (PARTITION BY {INSTRUMENT}, name_told, oid) AS is_named_so,
                min(arrival) OVER (PARTITION BY {INSTRUMENT}, oid) AS first_arrival
            FROM ({_named(table)})
        )
        WINDOW
            named AS (PARTITION BY {INSTRUMENT}, name ORDER BY arrival ASC, purpose DESC {SO_FAR}),
            backwards AS (PARTITION BY {INSTRUMENT}, name ORDER BY arrival DESC, purpose ASC {SO_FAR}),
            told AS (PARTITION BY {INSTRUMENT}, name_told ORDER BY arrival ASC, purpose DESC {SO_FAR}),
            told_backwards AS (PARTITION BY {INSTRUMENT}, name_told ORDER BY arrival DESC, purpose ASC {SO_FAR})
    )
)"""


def _named(table: str) -> str:
    """A row for each client id that a report names, and what it names it for."""
    names_itself = f"exec_type IN ({words(ABOUT_ITSELF)})"
    about = "oid = '' AND orig_client_order_id != ''"
    others = "oid != '' AND orig_client_order_id != ''"
    return f"""
SELECT
    * EXCEPT (order_names),
    named.1 AS name_told, named.2 AS purpose,
    min(if(is_new_request AND purpose = 'report', arrival, NULL)) OVER (PARTITION BY {INSTRUMENT}, name_told)
        AS requested_at,
    if(mapContains(order_names, name_told) AND ifNull(arrival < requested_at, 1), order_names[name_told], name_told)
        AS name,
    oid != '' AND name_told != '' AND purpose != 'successor' AS is_naming
FROM (
    SELECT
        {", ".join(f"report.{name} AS {name}" for name in _NAMING)},
        ({", ".join(f"report.{name}" for name in _PACKED)}) AS packed,
        first.order_names AS order_names
    FROM (SELECT *, {IDS} AS trade_ids FROM ({_with_trade_ids(table)})) AS report
    ALL LEFT JOIN ({order_names(table)}) AS first USING ({INSTRUMENT})
)
ARRAY JOIN arrayConcat(
    [(if({about}, orig_client_order_id, client_order_id), 'report')],
    if(
        {others} AND {names_itself} AND client_order_id != orig_client_order_id,
        [(orig_client_order_id, 'mention')], []
    ),
    if({others} AND NOT {names_itself}, [(orig_client_order_id, 'successor')], [])
) AS named"""


def _with_trade_ids(table: str) -> str:
    """All reports; one of a trade that tells only its own id has the id of its trade from another of the same id."""
    told = f"PARTITION BY {INSTRUMENT}, rid, is_trade AND rid != ''"
    return f"""
SELECT
    * EXCEPT (tid), if(is_trade AND tid = '' AND rid != '', max(tid) OVER ({told}), tid) AS tid
FROM ({reports(table)})"""
