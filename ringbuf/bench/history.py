"""A long history, made inside the database: the records of an order flow, and the rows that are derived from them.

The writer's deriver would need minutes for millions of records. So its rows are made by the same formulas as the
records, and `equality.py` shows on a part that they are the rows it makes.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Final, NamedTuple

from clickhouse_connect.driver.client import Client

from ringbuf.bench import order_flow
from ringbuf.bench.order_flow import ACCOUNTS, GAP_NS, PER_ORDER, STEPS_NS, STRATEGIES, SYMBOLS_EACH, OrderFlow
from ringbuf.errors import RingbufError
from ringbuf.record.execution import EXECUTION
from ringbuf.record.timestamp import SECOND
from ringbuf.sinks.clickhouse.engine import Engine
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from ringbuf.sinks.clickhouse.sums import Sums
from ringbuf.sinks.clickhouse.table import literal, quoted, table_name
from ringbuf.sinks.clickhouse.views.columns import EXACT, QUOTE
from ringbuf.sinks.clickhouse.views.expression import EPOCH, absent
from ringbuf.writer.derive.folding import Folding

AT_ONCE: Final = 250_000
"""So many orders are made by one statement."""
LOOK_SECONDS: Final = 0.5
QUIET_LOOKS: Final = 4
"""There is nothing more to merge when so many looks in a row find no merge."""
MERGE_SECONDS: Final = 1_800.0
"""Merges that take longer go on while it is measured."""

_FILL_STEPS: Final = (2, 3)
_LAST: Final = PER_ORDER - 1


class Made(NamedTuple):
    """What it took to make a history.

    Attributes:
        records: how many it has.
        seconds: until it was inserted.
        merging_seconds: from then until the database had nothing more to merge.
    """

    records: int
    seconds: float
    merging_seconds: float


def make_history(engine: Engine, database: str, flow: OrderFlow) -> Made:
    """Make the whole history of a flow in a database of its own, and wait until it is merged."""
    begin = time.monotonic()
    with closing(ClickHouseSink(engine, database)) as sink, closing(engine.connect()) as client:
        sink.ensure(EXECUTION)
        sink.layers.make_again()  # they are new, and nothing of them is lost
        for first in range(0, flow.orders, AT_ONCE):
            count = min(AT_ONCE, flow.orders - first)
            insert_records(client, database, flow, first, count)
            insert_rows(client, database, flow, first, count)
        noted = sink.unique.noted
        noted.note(flow.history(), noted.generation())
        version = sink.unique.version()
        sink.layers.open_orders.copy(version, whole=True)
        sink.layers.open_orders.complete(version)
        sum_history(sink.sums)
        folding = Folding(sink.profit)
        while folding.fold():
            pass
        inserted = time.monotonic()
        _wait_for_merges(client, database)
        return Made(PER_ORDER * flow.orders, inserted - begin, time.monotonic() - inserted)


def sum_history(sums: Sums) -> None:
    """Sum all fills up, and close every bucket that is over, as the writer does."""
    sums.reopen()
    while (over := sums.due()) is not None:
        sums.sum_up(over)
        sums.close(over)


def insert_records(client: Client, database: str, flow: OrderFlow, first: int, count: int) -> None:
    """Insert the records of some orders."""
    source = _source(flow, first, count, range(PER_ORDER))
    _insert(client, table_name(EXECUTION, database), _record(flow), source)


def insert_rows(client: Client, database: str, flow: OrderFlow, first: int, count: int) -> None:
    """Insert what the writer derives from the records of some orders, with the versions of a second later."""
    of_table = {"is_hard": "false", "version": f"toUInt64(t + {SECOND})", "is_removed": "0"}
    for name, known, steps in (
        ("unique_fills", _fill(flow), _FILL_STEPS),
        ("unique_orders", _order(flow), (_LAST,)),
        ("known_ids", _known_id(flow), (0, _LAST)),
    ):
        table = f"{quoted(database)}.{quoted(name)}"
        columns = _columns(_described(client, table), {**known, **of_table})
        _insert(client, table, columns, _source(flow, first, count, steps))


def _insert(client: Client, table: str, columns: Mapping[str, str], source: str) -> None:
    selected = ", ".join(f"{expression} AS {quoted(name)}" for name, expression in columns.items())
    client.command(
        f"INSERT INTO {table} ({', '.join(map(quoted, columns))}) SELECT {selected} FROM ({source})",
        settings={"prefer_column_name_to_alias": 1, "async_insert": 0},
    )


def _wait_for_merges(client: Client, database: str) -> None:
    statement = f"SELECT count() FROM system.merges WHERE database = {literal(database)}"
    deadline, quiet = time.monotonic() + MERGE_SECONDS, 0
    while quiet < QUIET_LOOKS and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        quiet = 0 if int(client.query(statement).result_rows[0][0]) else quiet + 1


# The formulas of `OrderFlow.records`, in SQL


def _source(flow: OrderFlow, first: int, count: int, steps: Iterable[int]) -> str:
    """What the values of some steps of some orders are computed from."""
    return f"""
SELECT *, arrayJoin({[*steps]}) AS step
FROM (
    SELECT
        toInt64(number) AS i, intDiv(i, {STRATEGIES}) AS nth, i % {STRATEGIES} AS s,
        (nth + 37 * s) % {flow.open_every} = 0 AS is_open,
        120000 + i * 7919 % 1000 AS halves, 1 + i * 31 % 18 AS lots, {flow.begin_ns} + i * {GAP_NS} AS t
    FROM numbers({first}, {count})
)"""


def _record(flow: OrderFlow) -> dict[str, str]:
    """The columns of EXECUTION that a record has, and how they are computed."""
    symbol = "i % 10" if SYMBOLS_EACH[flow.keys] == 1 else f"nth % {SYMBOLS_EACH[flow.keys]}"
    captured = f"(t + {[*STEPS_NS]}[step + 1])"
    return {
        "session": f"{flow.first_session} + s",
        "seq": f"nth * {PER_ORDER} + step",
        "captured_ns": _time(captured),
        "received_ns": f"if(step > 0, {_time(f'{captured} - {order_flow.RECEIVED_NS}')}, {EPOCH})",
        "exchange_ns": f"if(step > 0, {_time(f'{captured} - {order_flow.VENUE_NS}')}, {EPOCH})",
        "exchange": literal(order_flow.EXCHANGE),
        "origin": "'live'",
        "account": f"concat('a', toString(i % {ACCOUNTS}))",
        "symbol": f"concat('S', leftPad(toString({symbol}), 3, '0'), '-USDT')",
        "strategy": "concat('s', leftPad(toString(s), 3, '0'))",
        "client_order_id": "concat('c', leftPad(toString(i), 12, '0'))",
        "order_id": f"if(step > 0, toString({order_flow.FIRST_ORDER_ID} + i), '')",
        "trade_id": "if(step > 1, concat('t', leftPad(toString(2 * i + step - 2), 12, '0')), '')",
        "exec_type": "['pending_new', 'new', 'fill', 'fill'][step + 1]",
        "order_status": "['pending_new', 'new', 'partially_filled', if(is_open, 'partially_filled', 'filled')]"
        "[step + 1]",
        "side": "if(i * 7919 % 1013 % 2 = 0, 'buy', 'sell')",
        "price": "halves / 2",
        "quantity": "lots * if(is_open, 4, 2) / 1000",
        "cumulative_quantity": "if(step > 0, lots * (step - 1) / 1000, nan)",
        "last_price": "if(step > 1, halves / 2, nan)",
        "last_quantity": "if(step > 1, lots / 1000, nan)",
        "commission": "if(step > 1, halves * lots / 1e7, nan)",
        "commission_currency": f"if(step > 1, {literal(order_flow.CURRENCY)}, '')",
        "liquidity": "if(step > 1, if(i % 3 = 0, 'taker', 'maker'), 'unknown')",
    }


def _fill(flow: OrderFlow) -> dict[str, str]:
    """The columns of a fill that are not absent."""
    record = _record(flow)
    captured = f"(t + {[*STEPS_NS]}[step + 1])"
    return {
        **record,
        "minute": f"intDiv({captured} - {order_flow.VENUE_NS}, 60000000000)",
        "content": "0",
        "simulated": "false",
        "corrected": "false",
        "copies": "1",
        "counted": "true",
        "priced": "true",
        "traded_price": _decimal("halves", "0.5", EXACT),
        "traded_quantity": _decimal("lots", "0.001", EXACT),
        "traded_quote": _decimal("halves * lots", "0.0005", QUOTE),
        "commission_paid": _decimal("halves * lots", "0.0000001", EXACT),
        "other_commission_paid": "NULL",
        "order_key": _ORDER_KEY,
    }


def _order(flow: OrderFlow) -> dict[str, str]:
    """The columns of an order that are not absent, as its last record leaves it."""
    record = _record(flow)
    seqs = ", ".join(f"(toUInt64({record['session']}), toUInt64(nth * {PER_ORDER} + {step}))" for step in range(4))
    return {
        **record,
        "simulated": "false",
        "executed_quantity": _decimal("lots * 2", "0.001", EXACT),
        "awaited_quantity": "0",
        "open_quantity": _decimal("if(is_open, lots * 2, 0)", "0.001", EXACT),
        "records": str(PER_ORDER),
        "first_captured_ns": _time("t"),
        "requested_ns": _time("t"),
        "acknowledged_ns": _time(f"t + {STEPS_NS[1]}"),
        "order_key": _ORDER_KEY,
        "chain_key": "''",
        "client_ids": f"[{record['client_order_id']}]",
        "record_ids": f"[{seqs}]",
    }


def _known_id(flow: OrderFlow) -> dict[str, str]:
    """What is known of an order: its client id by its first record, its key by the last one."""
    record = _record(flow)
    of_instrument = {name: record[name] for name in ("exchange", "account", "symbol")}
    of_order = {
        "simulated": "false",
        "id": f"if(step = 0, {record['client_order_id']}, {_ORDER_KEY})",
        "order_key": _ORDER_KEY,
    }
    return {**of_instrument, **of_order, "session": "0", "seq": "0"}


def _described(client: Client, table: str) -> list[str]:
    """The columns of a table that can be inserted."""
    rows = client.query(f"DESCRIBE TABLE {table}").result_rows
    return [name for name, _, default, *_ in rows if default not in ("MATERIALIZED", "ALIAS")]


def _columns(names: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """Some columns of derived rows, and how they are computed; what of a record is not known is absent.

    Raises:
        RingbufError: nothing is known here of one of them.
    """
    if unknown := [name for name in names if name not in known and name not in EXECUTION.names]:
        raise RingbufError(
            f"the benchmark cannot make the column {unknown[0]} of derived rows",
            "give its formula in ringbuf/bench/history.py",
        )
    return {name: known[name] if name in known else absent(name) for name in names}


def _decimal(number: str, unit: str, type_: str) -> str:
    return f"toDecimal256({number}, 0) * CAST('{unit}', '{type_}')"


def _time(ns: str) -> str:
    return f"fromUnixTimestamp64Nano(toInt64({ns}), 'UTC')"


_ORDER_KEY: Final = f"concat('id:', toString({order_flow.FIRST_ORDER_ID} + i))"
