"""The rows that the rules derive from records are those of the views, in every column and to the last digit."""

import json
import math
import random
from collections.abc import Container, Iterable, Sequence
from typing import Any

from ringbuf.record.fields import Kind, names
from ringbuf.sinks.clickhouse.table import TIME
from ringbuf.sinks.clickhouse.views.definitions import RECKONED
from ringbuf.sinks.clickhouse.views.orders import ORDERS
from ringbuf.sinks.clickhouse.views.placed import placed
from ringbuf.sinks.clickhouse.views.positions import FILLS
from ringbuf.trading.derivation import derive
from tests.clickhouse.databases import ON_SERVER, Database, executions
from tests.clickhouse.test_rules import BASE, CONTRADICTIONS, given, shuffled
from tests.model.corrections import random_corrections
from tests.model.inferred import random_orders
from tests.model.request_chains import WholeChain
from tests.model.venue import random_venue
from tests.unit.trading.histories import BEGIN_NS, Fields, histories

Row = dict[str, Any]
OF_ORDER = {"order_key", "chain_key", "client_ids", "record_ids"}
OF_FILL = {"order_key"}
COLUMNS = {"orders": (ORDERS, OF_ORDER), "fills": (FILLS, OF_FILL)}
FIGURES = ["order_id", "order_status", "side", "executed_quantity", "awaited_quantity", "open_quantity", "records"]
"""What an order comes to, whichever of its records its row names."""


def store(database: Database, all_records: Iterable[Sequence[Fields]], draw: random.Random | None = None) -> None:
    """Each history in an account of its own: in one session, or drawn from several, with other copies of some."""
    rows: dict[int, list[Fields]] = {1: [], 2: [], 3: []}
    captured_ns = BEGIN_NS
    for number, records in enumerate(all_records):
        for each in records:
            captured_ns += draw.randrange(-3, 10) if draw else 1
            row = {**BASE, "captured_ns": captured_ns, **each, "account": str(number)}
            rows[draw.choice((1, 1, 1, 2)) if draw else 1].append(row)
            if draw and draw.random() < 0.2:
                origin = draw.choice(("live", "lookback", "reconciliation"))
                rows[3].append({**row, "captured_ns": captured_ns + draw.randrange(-5, 20), "origin": origin})
    for session, its in rows.items():
        if its:
            database.insert(executions(its, session=session))


def asked(database: Database, source: str, columns: Iterable[str]) -> list[Row]:
    """Rows with times in ns since the epoch."""
    times = ", ".join(f"toUnixTimestamp64Nano({name}) AS {name}" for name in columns)
    return database.dicts(f"SELECT * REPLACE ({times}) FROM {source}")


def of_records(database: Database) -> list[Row]:
    return asked(database, f"{database.name()}.executions FINAL", names(Kind.TIME))


def of_view(database: Database, name: str, columns: dict[str, str]) -> list[Row]:
    times = [column for column, type_ in columns.items() if type_ == TIME]
    return asked(database, f"{database.name()}.{name}", times)


def of_placed(database: Database) -> dict[tuple[Any, ...], list[Any]]:
    """For each order, by `order_of`, what the views know of it without showing it."""
    query = f"""
        SELECT account, simulated, order_key, arraySort(groupArray((session, seq))), arraySort(arrayFilter(
            each -> each != '', arrayDistinct(arrayConcat(
                groupArray(toString(client_order_id)), groupArray(toString(orig_client_order_id))
            ))
        ))
        FROM ({placed(f"{database.name()}.executions")})
        WHERE role = 'report' AND order_key != '' GROUP BY account, simulated, order_key"""
    return {tuple(key): [[*map(tuple, ids)], client_ids] for *key, ids, client_ids in database.rows(query)}


def order_of(row: Row) -> tuple[Any, ...]:
    """What tells the order of a row from others."""
    return row["account"], row["simulated"], row["order_key"]


def comparable(row: Row) -> Row:
    """Numbers that are absent are equal."""
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}


def differences(known: Iterable[Row], derived: Iterable[Row], columns: Iterable[str]) -> list[Any]:
    """What is not the same; rows are told apart by the record that they name."""
    by_record: list[dict[Any, Row]] = [
        {(row["session"], row["seq"]): comparable({name: row[name] for name in columns}) for row in rows}
        for rows in (known, derived)
    ]
    right, found = by_record
    return [
        (
            key,
            (right.get(key) or found[key])["account"],
            {
                name: (right.get(key, {}).get(name), found.get(key, {}).get(name))
                for name in columns
                if right.get(key, {}).get(name) != found.get(key, {}).get(name)
            },
        )
        for key in sorted(right.keys() | found.keys())
        if right.get(key) != found.get(key)
    ]


def check_rows(
    database: Database, all_records: Sequence[Sequence[Fields]], name: str, rows: list[Row], but: Container[str] = ()
) -> None:
    """These rows are those of the view, but for some accounts."""
    columns, more = COLUMNS[name]
    assert all(row.keys() == columns.keys() | more for row in rows)
    shown = [row for row in of_view(database, RECKONED[name], columns) if row["account"] not in but]
    found = differences(shown, rows, columns)
    accounts = sorted({int(account) for _, account, _ in found})
    assert not found, (name, accounts, found[:3], list(all_records[accounts[0]]) if accounts else "")


def joined_late(records: Iterable[Row]) -> set[str]:
    """Accounts in which a change of a trade came before the change that it names.

    Without a venue time it counts from when it was joined with its trade, and the views know nothing of that. So the
    row of its order may name another record there (docs/ARCHITECTURE, "Known difference").
    """
    told: dict[str, set[str]] = {}
    named: dict[str, set[str]] = {}
    found = set()
    for each in sorted(records, key=lambda row: (row["captured_ns"], row["session"], row["seq"])):
        if each["exec_type"] in ("trade_cancel", "trade_correct"):
            account = each["account"]
            if each["report_id"] in named.get(account, ()) and each["report_id"] not in told.get(account, ()):
                found.add(account)
            told.setdefault(account, set()).add(each["report_id"])
            named.setdefault(account, set()).add(each["ref_id"])
    return found


def figures(rows: Iterable[Row]) -> list[Any]:
    return sorted((row["account"], *(row[name] for name in FIGURES)) for row in rows)


def check(database: Database, all_records: Sequence[Sequence[Fields]]) -> None:
    """What is derived from what is stored is what the views show."""
    records = of_records(database)
    derived, late = derive(records), joined_late(records)
    assert derived.unreadable == 0
    assert len(late) <= len(all_records) / 50
    of_late = [row for row in derived.orders if row["account"] in late]
    known = of_view(database, RECKONED["orders"], ORDERS)
    assert figures(of_late) == figures(row for row in known if row["account"] in late)
    check_rows(database, all_records, "orders", [row for row in derived.orders if row["account"] not in late], late)
    check_rows(database, all_records, "fills", derived.fills)
    ids = {order_of(row): [row["record_ids"], row["client_ids"]] for row in derived.orders}
    assert ids == of_placed(database)
    assert all(order_of(row) in ids for row in derived.fills if row["order_key"])


def test_every_history_comes_to_the_rows_of_the_views(views: Database) -> None:
    known = [each.records for each in histories().values()]
    store(views, known)
    check(views, known)


def test_records_that_contradict_each_other_come_to_the_rows_of_the_views(views: Database) -> None:
    known: list[list[Fields]] = json.loads(CONTRADICTIONS.read_text())
    store(views, known)
    check(views, known)


@ON_SERVER
def test_in_any_order_of_arrival_and_from_any_session_rows_are_those_of_the_views(views: Database) -> None:
    for seed in range(3):
        draw = random.Random(seed)
        known = [shuffled(draw, each.records) for each in histories().values()]
        views.command(f"TRUNCATE TABLE {views.name()}.executions")
        store(views, known, draw)
        check(views, known)


@ON_SERVER
def test_whatever_a_venue_does_and_however_it_tells_it_rows_are_those_of_the_views(views: Database) -> None:
    known = [[*map(given, random_venue(f"rows {number}").arrivals())] for number in range(200)]
    store(views, known, random.Random(1))
    check(views, known)


@ON_SERVER
def test_chains_of_replaces_come_to_the_rows_of_the_views(views: Database) -> None:
    draw = random.Random("chains")
    known = [WholeChain(f"rows {number}").arrivals() for number in range(150)]
    known += [[each for each in records if draw.random() < 0.8] or records for records in known]
    store(views, known, draw)
    check(views, known)


@ON_SERVER
def test_fills_that_were_inferred_come_to_the_rows_of_the_views(views: Database) -> None:
    known = [random_orders(f"rows {number}") for number in range(60)]
    store(views, known, random.Random(1))
    check(views, known)


@ON_SERVER
def test_corrections_that_tell_commissions_come_to_the_rows_of_the_views(views: Database) -> None:
    known = [random_corrections(f"rows {number}") for number in range(300)]
    store(views, known, random.Random(1))
    check_rows(views, known, "fills", derive(of_records(views)).fills)


ODD: list[Fields] = [
    *({"last_price": each} for each in (math.inf, math.nan, 0.0, -5.0, 1e300, 1e-300)),
    *({"last_quantity": each} for each in (math.inf, math.nan, 0.0, 1e-30, 1e300)),
    *({"commission": each, "commission_currency": "USD"} for each in (math.inf, math.nan, 0.0, -0.25, 1e-30)),
    {"last_price": 100.12345678901235, "exact": "p=100.123456789012345678"},
    {"commission": 0.12345678901234568, "exact": "f=0.123456789012345678", "commission_currency": "EUR"},
    {"other_commission": 0.5, "other_commission_currency": "EUR"},
    *({"position_side": each} for each in ("long", "short", "both")),
    {"position_id": "p1"},
    {"position_id": "p2"},
    {"client_order_id": "c:1"},
    {"client_order_id": "c1"},
    {"side": "sell"},
    {"origin": "lookback"},
    {"origin": "reconciliation"},
    {"origin": "simulated"},
    {"origin": "unknown"},
    {"exec_type": "funding"},
    {"quantity_unit": "quote"},
    {"trade_id": "0"},
    {"trade_type": "inferred"},
    {"trade_type": "inferred", "cumulative_quantity": 3.0},
    {"strategy": "a", "link_id": "o7", "text": "why", "flags": 3, "exchange_seq": 7},
    {"strategy": "b", "order_type": "limit", "time_in_force": "day", "liquidity": "maker", "flags": 8},
]


@ON_SERVER
def test_odd_values_come_to_the_rows_of_the_views(views: Database) -> None:
    draw = random.Random("odd")
    contradictions: list[list[Fields]] = json.loads(CONTRADICTIONS.read_text())
    known = [each.records for each in histories().values()] + contradictions
    odd = [[each | draw.choice(ODD) if draw.random() < 0.4 else each for each in shuffled(draw, its)] for its in known]
    store(views, odd, draw)
    check(views, odd)
