"""The records of EXECUTION as the rules see them (`ringbuf.trading.report`).

`reports` adds to each record what it says (`status`, `total`, `is_trade`, …) and its place in the order of arrival of
its instrument. Within a session `seq` tells the order of arrival, across sessions the time of capture.

`order_names` and `trade_changes` have a row for each instrument: what its reports say about other reports.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from ringbuf.sinks.clickhouse.views.expression import (
    EPOCH,
    INSTRUMENT,
    SO_FAR,
    ZERO,
    listed,
    number_of,
    replaced,
    text_of,
)
from ringbuf.trading.number import DECIMALS, DIGITS
from ringbuf.trading.report import CHANGES, TRADES
from ringbuf.trading.states import NO_ID, REQUESTS, STATUS_OF

NUMBERS: Final = {
    "price": "price_told",
    "quantity": "quantity_told",
    "cumulative_quantity": "total",
    "leaves_quantity": "leaves",
    "last_price": "traded_price",
    "last_quantity": "traded_quantity",
}
"""Numbers of a record by the column that has them as decimals."""

_COPY_OF: Final = (
    "exec_type", "status", "side", "oid", "client_order_id", "orig_client_order_id", "tid", "rid", "ref", "venue_time",
    "exchange_seq", "ifNull(toString(total), '')",
    *(f"if({NUMBERS[name]} IS NULL, '', {name}_text)" for name in ("quantity", "leaves_quantity")),
    *(f"if(isFinite({name}), {name}_text, '')" for name in ("price", "last_price", "last_quantity")),
)  # fmt: skip
"""What copies of a report have in common."""


IDS: Final = "arrayFilter(each -> each != '', [if(is_change, ref, ''), tid, rid])"
"""The ids of the trade that a report is about: each is another name of the one before."""


NARROW: Final = (
    "session", "seq", "captured_ns", "exchange", "account", "symbol", "origin", "exec_type", "order_status", "side",
    "position_side", "position_id", "client_order_id", "orig_client_order_id", "exchange_seq",
    "quantity_unit", "received_ns", "market_ns", "trade_type", *NUMBERS,
)  # fmt: skip
"""The columns of EXECUTION that the rules look at as they are. A report is joined to the others by `RECORD`."""
RECORD: Final = "exchange, account, symbol, session, seq"


def words(members: Iterable[IntEnum]) -> str:
    """Members of an enumeration, for IN."""
    return listed(sorted(each.name.lower() for each in members))


FUNDING: Final = f"(exec_type = 'funding' OR (trade_type = 'funding' AND exec_type NOT IN ({words(CHANGES)})))"
"""Whether a record reports a payment of funding, which is neither of a trade nor of an order."""


def reports(table: str) -> str:
    """All records but funding, as reports."""
    texts = ", ".join(f"{text_of(name)} AS {name}_text" for name in NUMBERS)
    decimals = {name: number_of(name, f"{name}_text") for name in NUMBERS}
    for name in ("quantity", "leaves_quantity"):
        decimals[name] = f"if(quantity_unit = 'quote', NULL, {decimals[name]})"  # an amount of money is no quantity
    total = decimals.pop("cumulative_quantity")
    statuses = {key.name.lower(): value.name.lower() for key, value in STATUS_OF.items()}
    arrived = f"PARTITION BY {INSTRUMENT} ORDER BY arrived_ns, session, seq"
    return f"""
SELECT
    *,
    row_number() OVER (PARTITION BY {INSTRUMENT}, mark ORDER BY arrival) > 1 AS is_copy
FROM (
    SELECT *, row_number() OVER ({arrived}) AS arrival
    FROM (
        SELECT
            *,
            if(told_total IS NULL AND leaves > {ZERO} AND leaves <= quantity_told, quantity_told - leaves, told_total)
                AS total,
            oid = '' AND (exec_type IN ({words(REQUESTS)}) OR is_new_request) AS is_request,
            sipHash128({", ".join(_COPY_OF)}, if(is_new_request, (received_ns, market_ns), ({EPOCH}, {EPOCH}))) AS mark,
            max(captured_ns) OVER (PARTITION BY {INSTRUMENT}, session ORDER BY seq {SO_FAR}) AS arrived_ns
        FROM (
            SELECT
                *,
                multiIf(
                    exec_type = 'cancel_rejected' AND order_status = 'rejected', 'unknown',
                    order_status != 'unknown' OR is_trade, toString(order_status),
                    {replaced("exec_type", statuses, "'unknown'")}
                ) AS status,
                oid = '' AND status = 'pending_new' AND exec_type NOT IN ({words(REQUESTS)}) AS is_new_request,
                {", ".join(f"{decimals[name]} AS {NUMBERS[name]}" for name in decimals)},
                {total} AS told_total
            FROM (
                SELECT
                    {", ".join(NARROW)},
                    CAST(origin = 'simulated', 'Bool') AS simulated,
                    toUnixTimestamp64Nano(exchange_ns) AS venue_time,
                    if(order_id IN ({listed(sorted(NO_ID))}), '', order_id) AS oid,
                    if(trade_id IN ({listed(sorted(NO_ID))}), '', trade_id) AS tid,
                    if(report_id IN ({listed(sorted(NO_ID))}), '', report_id) AS rid,
                    if(ref_id IN ({listed(sorted(NO_ID))}), '', ref_id) AS ref,
                    exec_type IN ({words(CHANGES)}) AND (tid != '' OR ref != '') AS is_change,
                    exec_type IN ({words(TRADES)}) AND last_quantity > 0 AND isFinite(last_quantity) AS is_trade,
                    {texts}
                FROM {table} FINAL
                WHERE NOT {FUNDING}
            )
        )
    )
)"""


def order_names(table: str) -> str:
    """For each instrument `order_names`: of client ids of requests, to that of the first order they are about.

    A client id under which something was known before is no other name.
    """
    pairs = _in_order("groupArray((arrival, (client_order_id, orig_client_order_id)))")
    first = "if(mapContains(names, pair.2), names[pair.2], pair.2)"
    names = f"arrayFold((names, pair) -> mapUpdate(names, map(pair.1, {first})), {pairs}, {_NO_NAMES})"
    is_pair = (
        "oid = '' AND NOT is_new_request AND client_order_id != '' AND orig_client_order_id != ''"
        " AND client_order_id != orig_client_order_id"
    )
    known = (
        "if(oid = '' AND orig_client_order_id != '', [orig_client_order_id], [client_order_id, orig_client_order_id])"
    )
    return f"""
SELECT {INSTRUMENT}, mapFilter((own, first) -> own != first, {names}) AS order_names
FROM (
    SELECT *, min(if(told.2, NULL, arrival)) OVER (PARTITION BY {INSTRUMENT}, told.1) AS known_at
    FROM (
        SELECT
            {INSTRUMENT}, arrival, client_order_id, orig_client_order_id,
            arrayJoin(arrayConcat(
                arrayMap(each -> (each, 0), {known}), if({is_pair}, [(client_order_id, 1)], [])
            )) AS told
        FROM ({reports(table)})
    )
)
WHERE told.2 AND ifNull(known_at > arrival, 1)
GROUP BY {INSTRUMENT}"""


def trade_changes(table: str) -> str:
    """For each instrument two maps.

    - `trade_names`: of ids of trades and of reports of them, each to the one that all of the same trade share
    - `changes`: of those to what the venue changed: (is_canceled, canceled_at, arrivals, price, quantity, ranks). Price
      and quantity are (rank, text, f64, decimal) of the latest correction that gives them, with an empty text if there
      is none; ranks are (arrival, rank) of all corrections. A rank is (whether no other change names it, moment of the
      first copy). Moments are (venue_time, arrival), the arrivals those of all changes that are no copies.
    """
    own = "if(rid != '', rid, if(ref != tid, tid, ''))"
    change = (
        f"{IDS}[1], exec_type = 'trade_cancel', ref, {own}, venue_time, last_price_text, last_quantity_text,"
        " last_price, last_quantity, traded_price, traded_quantity, (venue_time, arrival)"
    )
    pairs = f"arrayReverse(arrayZip(arrayPopFront({IDS}), arrayPopBack({IDS})))"
    of_key = "arrayFilter((each, its) -> its = key, told, keys)"
    return f"""
SELECT
    {INSTRUMENT}, trade_names,
    arrayMap(each -> if(mapContains(trade_names, each.1), trade_names[each.1], each.1), told) AS keys,
    CAST(arrayMap(key -> (key, {_changed(of_key)}), arrayDistinct(keys)), '{_MAP}') AS changes
FROM (
    SELECT
        {INSTRUMENT}, told,
        {_joined_names(f"arrayConcat(arrayFlatten({_in_order('change_ids')}), fill_ids)")} AS trade_names
    FROM (
        SELECT
            {INSTRUMENT},
            groupArrayIf((arrival, {pairs}), is_change) AS change_ids,
            groupUniqArrayIf((rid, tid), is_trade AND rid != '' AND tid != '') AS fill_ids,
            groupArrayIf(({change}), is_change) AS told
        FROM (SELECT *, max(is_change) OVER (PARTITION BY {INSTRUMENT}) AS has_changes FROM ({reports(table)}))
        WHERE has_changes
        GROUP BY {INSTRUMENT}
    )
)"""


def _in_order(pairs: str) -> str:
    return f"arrayMap(each -> each.2, arraySort(each -> each.1, {pairs}))"


_NO_NAMES: Final = "CAST(map(), 'Map(String, String)')"
_MOMENT: Final = "Tuple(Int64, UInt64)"
_RANK: Final = f"Tuple(UInt8, {_MOMENT})"
_VALUE: Final = f"Tuple({_RANK}, String, Float64, Nullable(Decimal({DIGITS}, {DECIMALS})))"
_MAP: Final = f"Map(String, Tuple(UInt8, {_MOMENT}, Array(UInt64), {_VALUE}, {_VALUE}, Array(Tuple(UInt64, {_RANK}))))"


def _changed(told: str) -> str:
    """What some changes of one trade come to."""

    def latest(text: int, number: int, decimal: int) -> str:
        values = f"({rank}, each.{text}, each.{number}, each.{decimal})"
        given = f"arrayFilter(each -> isFinite(each.{number}), {corrections})"
        return f"arraySort(each -> each.1, arrayMap(each -> {values}, {given}))[-1]"

    same = "(same.4, same.5, same.6, same.7) = (each.4, each.5, each.6, each.7)"
    corrections = f"arrayFilter(each -> NOT each.2, {told})"
    superseded = f"has(arrayMap(each -> each.3, {told}), each.4) AND each.4 != ''"
    copies = f"arrayFilter(same -> {same}, {corrections})"
    rank = f"(toUInt8(not({superseded})), arrayMin(arrayMap(same -> same.12, {copies})))"
    cancels = f"arrayFilter(each -> each.2, {told})"
    earlier = f"arrayExists(same -> {same} AND same.12.2 < each.12.2, {corrections})"
    news = f"arrayFilter(each -> NOT {earlier}, {corrections})"
    arrivals = f"arrayConcat(arraySlice(arraySort({_ARRIVALS.format(cancels)}), 1, 1), {_ARRIVALS.format(news)})"
    return (
        f"(toUInt8(notEmpty({cancels})), arraySort(arrayMap(each -> each.12, {cancels}))[1],"
        f" {arrivals}, {latest(6, 8, 10)}, {latest(7, 9, 11)},"
        f" arrayMap(each -> (each.12.2, {rank}), {corrections}))"
    )


_ARRIVALS: Final = "arrayMap(each -> each.12.2, {})"


def _joined_names(pairs: str) -> str:
    """For an array of pairs (own name, name of the same thing) a map from each name to one that all of them share."""

    def root(name: str) -> str:
        return f"if(mapContains(roots, {name}), roots[{name}], {name})"

    own, other = root("pair.1"), root("pair.2")
    moved = f"mapApply((name, root) -> (name, if(root = {own}, {other}, root)), roots)"
    added = f"map(pair.1, {other}, {own}, {other}, pair.2, {other})"
    return f"arrayFold((roots, pair) -> mapUpdate({moved}, {added}), {pairs}, {_NO_NAMES})"
