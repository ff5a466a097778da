"""The tables of the layer `unique`: one row for each order and for each fill, derived from the records.

    unique_fills     the columns of the view `fills`, and the key of its order
    unique_orders    the columns of the view `orders`, its key, that of its chain (`ringbuf.trading.derivation`), its
                     client ids, and which records tell of it
    known_ids        under which ids an order (its client ids, and its key), a record without an order, or a change of a
                     trade is known: what belongs together is found here
    derived          which records are derived, as ranges of the seqs of each session

A row replaces the row of the same key that has a lower version. A version is the server's time in ns when it was asked
what is known of the orders, or, of many records, when these were about to be read.

An order that is none any more has a row that is `is_hard`, so that no view shows it, and is not `is_removed`. Else
FINAL would hide that row, and who has FINAL in his profile would find the order among the copies of open ones, and
nothing that replaces it.
"""

from collections.abc import Iterable
from typing import Final

from ringbuf.sinks.clickhouse.definition import BY_SESSION
from ringbuf.sinks.clickhouse.derived_table import FEW_ROWS, DerivedTable
from ringbuf.sinks.clickhouse.table import literal, quoted
from ringbuf.sinks.clickhouse.views.columns import of_execution
from ringbuf.sinks.clickhouse.views.expression import INSTRUMENT
from ringbuf.sinks.clickhouse.views.orders import ORDERS
from ringbuf.sinks.clickhouse.views.positions import FILLS
from ringbuf.sinks.clickhouse.views.time import NS, since_epoch, time_of

ORDER_COLUMNS: Final = {
    **ORDERS,
    "order_key": "String",
    "chain_key": "String",
    "client_ids": "Array(String)",
    "record_ids": "Array(Tuple(UInt64, UInt64))",
}
FILL_COLUMNS: Final = {**FILLS, "order_key": "String", "minute": "Int64"}
MINUTE_NS: Final = 60 * NS
_TIME: Final = f"toUnixTimestamp64Nano({time_of()})"
MINUTE: Final = since_epoch(MINUTE_NS, _TIME)
"""The minute since the epoch in which a fill counts."""
VERSION: Final = {"version": "UInt64", "is_removed": "UInt8"}
REPLACING: Final = "ReplacingMergeTree(version, is_removed)"
RECORD: Final = {"session": "UInt64", "seq": "UInt64"}

ORDER_KEY: Final = f"{INSTRUMENT}, order_key"
FILL_KEY: Final = f"minute, {INSTRUMENT}, session, seq"
ID_KEY: Final = f"id, {INSTRUMENT}, order_key, session, seq"

_OF_ORDERS: Final = (
    "is_open_index open_quantity != 0 TYPE minmax",
    "version_index version TYPE minmax",
    "chain_key_index chain_key TYPE bloom_filter(0.01)",
    "order_id_index order_id TYPE bloom_filter(0.01)",
    "client_order_id_index client_order_id TYPE bloom_filter(0.01)",
    "order_key_index order_key TYPE bloom_filter(0.001)",
)
_OF_IDS: Final = ("id_index id TYPE bloom_filter(0.001)",)
"""By its key an id would have a place in each part of the table; this tells which parts have it."""
_OF_FILLS: Final = (
    "version_index version TYPE minmax",
    "exchange_ns_index exchange_ns TYPE minmax",
    "captured_ns_index captured_ns TYPE minmax",
    "trade_id_index trade_id TYPE bloom_filter(0.01)",
    "report_id_index report_id TYPE bloom_filter(0.01)",
    "order_id_index order_id TYPE bloom_filter(0.01)",
)

RANGES: Final = DerivedTable(
    {"session": "UInt64", "first_seq": "UInt64", "end": "UInt64"},
    "ReplacingMergeTree(end)",
    "session, first_seq",
    {"session": "0", "first_seq": "0", "end": "0"},
    shard_by=BY_SESSION,
)
"""Records as ranges of the seqs of each session; of those that begin with one record the longest counts."""
TABLES: Final = {
    "unique_fills": DerivedTable(
        {**FILL_COLUMNS, "content": "UInt64", **VERSION},
        REPLACING,
        FILL_KEY,
        {"minute": "-1000000000000", "version": "0"},
        _OF_FILLS,
        FEW_ROWS,
    ),
    "unique_orders": DerivedTable(
        {**ORDER_COLUMNS, "is_hard": "Bool", **VERSION},
        REPLACING,
        ORDER_KEY,
        {"exchange": "''", "order_key": "''", "is_hard": "true"},
        _OF_ORDERS,
        FEW_ROWS,
    ),
    "known_ids": DerivedTable(
        {
            "id": "String",
            **of_execution(("exchange", "account", "symbol")),
            "simulated": "Bool",
            "order_key": "String",
            **RECORD,
        },
        "ReplacingMergeTree",
        ID_KEY,
        {"id": "''", "exchange": "''", "order_key": "''"},
        _OF_IDS,
        FEW_ROWS,
    ),
    "derived": RANGES,
}
"""The tables of the layer, by name."""


def fills(source: str) -> str:
    """Selects rows of the view `fills`.

    Args:
        source: which, as `stored_fills` gives them.
    """
    return f"\nSELECT {', '.join(FILLS)} FROM {source}"


def stored_fills(
    database: str,
    first: str | None = None,
    last: str | None = None,
    conditions: Iterable[str] = (),
    keyed: Iterable[str] = (),
) -> str:
    """What stands behind FROM for the rows of the view `fills`; it is called `answer` there.

    Args:
        first, last: expressions of minutes since the epoch; only fills that count in one of them or between. The table
            is sorted by minutes.
        conditions: only fills that meet them.
        keyed: likewise, on exchange, account and symbol alone.
    """
    limits = [f"minute {limit}" for limit in (first and f">= {first}", last and f"<= {last}") if limit]
    where = " AND ".join(("version != 0", *conditions))
    return f"{quoted(database)}.unique_fills AS answer FINAL{_prewhere((*limits, *keyed))} WHERE {where}"


def orders(database: str) -> str:
    """Selects the rows of the view `orders`."""
    return f"\nSELECT {', '.join(ORDERS)} FROM {stored_orders(database)}"


def stored_orders(database: str, conditions: Iterable[str] = (), keyed: Iterable[str] = ()) -> str:
    """What stands behind FROM for the rows of the view `orders`; it is called `answer` there.

    Args:
        conditions: only orders that meet them.
        keyed: likewise, on columns of `ORDER_KEY` alone.
    """
    where = " AND ".join(("NOT is_hard", *conditions))
    return f"{quoted(database)}.unique_orders AS answer FINAL{_prewhere(keyed)} WHERE {where}"


def _prewhere(keyed: Iterable[str]) -> str:
    """Conditions that are true of all rows of a key or of none: of the others FINAL need not read every column."""
    joined = " AND ".join(keyed)
    return f" PREWHERE {joined}" if joined else ""


def under_id(database: str, ids: Iterable[str]) -> str:
    """That an order may be known under one of these ids, the venue's or its own: a condition that reads few rows."""
    names = ", ".join(literal(name) for each in sorted({*ids}) for name in (each, f"id:{each}"))
    return f"({ORDER_KEY}) IN (SELECT {ORDER_KEY} FROM {quoted(database)}.known_ids WHERE id IN ({names}))"
