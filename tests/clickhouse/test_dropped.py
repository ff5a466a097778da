"""Old records are dropped, and every row that was derived from them stays; what is told of them later is listed."""

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from ringbuf.errors import TableMismatch
from ringbuf.launch.waiting import wait_until
from ringbuf.record.seqs import Range
from ringbuf.sinks.clickhouse import unique_rows
from ringbuf.sinks.clickhouse.views.orders import ORDERS
from ringbuf.sinks.clickhouse.views.positions import FILLS
from ringbuf.writer.derive.dropping import MOST_PENDING
from tests.clickhouse.databases import ON_SERVER, ON_SERVER_AND_CLUSTER, Database, executions
from tests.clickhouse.test_rules import BASE, given, shuffled
from tests.clickhouse.test_unique import WAYS, rows_of
from tests.model.venue import random_venue
from tests.unit.trading.histories import REQUESTS, Fields, histories

OLD, YOUNG = 1_000, 5_000
"""When records were captured; what is from before `BETWEEN` is old."""
BETWEEN = 3_000
ONE = {**BASE, "account": "a", "side": "buy", "captured_ns": OLD}


def order(name: str, **more: Any) -> list[Fields]:
    """An order that is requested, acknowledged and filled."""
    sent = {**ONE, "client_order_id": f"c-{name}", "quantity": 2.0, **more}
    told = {**sent, "order_id": name}
    return [
        {**sent, "exec_type": "pending_new", "order_status": "pending_new"},
        {**told, "exec_type": "new", "order_status": "new", "exchange_ns": 10},
        fill(name, "1", order_status="partially_filled", exchange_ns=20, cumulative_quantity=1.0, **more),
        fill(name, "2", order_status="filled", exchange_ns=30, cumulative_quantity=2.0, **more),
    ]


def fill(name: str, trade: str, **more: Any) -> Fields:
    return {
        **ONE, "client_order_id": f"c-{name}", "order_id": name, "quantity": 2.0, "exec_type": "fill",
        "trade_id": f"{name}-{trade}", "last_quantity": 1.0, "last_price": 10.0, **more,
    }  # fmt: skip


def insert(database: Database, records: Sequence[Fields], first_seq: int, few: int, session: int = 1) -> int:
    """Gives the next seq."""
    database.insert(executions(records, session=session, first_seq=first_seq), few=few)
    return first_seq + len(records)


def answers(database: Database) -> list[Any]:
    return [
        rows_of(database, "orders", ORDERS),
        rows_of(database, "fills", FILLS),
        sorted(database.rows(f"SELECT toString(tuple(*)) FROM {database.name()}.positions")),
    ]


def left(database: Database, columns: str = "seq") -> list[Any]:
    return sorted(database.rows(f"SELECT {columns} FROM {database.name()}.executions FINAL"))


def late(database: Database) -> list[tuple[Any, ...]]:
    name = database.name()
    return sorted(database.rows(f"SELECT order_key, seq FROM {name}.late_records FINAL WHERE order_key != ''"))


def drop(database: Database) -> int:
    """Drop what may go of session 1, and wait until it is gone; how many records that were."""
    before = len(left(database))
    count = database.drop_old(BETWEEN, Range(1, 0, 1_000_000))
    assert count is not None
    wait_until(lambda: len(left(database)) == before - count, "they are dropped")
    database.change_writers()
    return count


@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
def test_what_is_over_and_old_is_dropped_and_every_answer_stays(views: Database, few: int) -> None:
    open_one = order("open")[:2]
    young = [{**each, "captured_ns": YOUNG} for each in order("young")]
    funding = [{**ONE, "exec_type": "funding", "commission": 1.0, "commission_currency": "USD"}]
    unnamed = [{**fill("", "1"), "client_order_id": "", "trade_id": "t"}]
    in_its_place = {
        **ONE, "order_id": "second", "client_order_id": "c-second", "orig_client_order_id": "c-first",
        "exec_type": "replaced", "order_status": "new", "quantity": 3.0, "cumulative_quantity": 0.0, "exchange_ns": 15,
    }  # fmt: skip
    replaced = [*order("first")[:2], in_its_place]
    refused = [{**ONE, "client_order_id": "c-r", "exec_type": "rejected", "order_status": "rejected", "quantity": 1.0}]
    kept = [*open_one, *young, *funding, *unnamed, *replaced, *refused]
    seq = insert(views, order("over"), 0, few)
    seq = insert(views, kept, seq, few)
    end = insert(views, order("over too"), seq, few)
    before = answers(views)
    assert drop(views) == 8
    assert left(views) == [(each,) for each in range(4, end - 4)]
    assert answers(views) == before
    assert drop(views) == 0
    views.close_sums()
    assert answers(views) == before


@ON_SERVER
@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
def test_an_order_whose_request_was_a_row_of_its_own_before_it_had_an_id_is_dropped(views: Database, few: int) -> None:
    request, *reports = order("asked")
    seq = insert(views, [request], 0, few)
    insert(views, reports, seq, few)
    before = answers(views)
    assert drop(views) == 4
    assert answers(views) == before


@ON_SERVER
@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
def test_a_late_report_about_a_dropped_order_changes_no_row_and_is_listed(views: Database, few: int) -> None:
    seq = insert(views, order("gone"), 0, few)
    assert drop(views) == 4
    before = answers(views)
    reports: list[Fields] = [
        fill("gone", "1", exchange_ns=20),  # a copy
        fill("gone", "3", exchange_ns=40, cumulative_quantity=3.0),
        {**fill("gone", "1"), "exec_type": "trade_cancel"},
        {**ONE, "exec_type": "trade_cancel", "trade_id": "gone-2"},
        {**ONE, "exec_type": "canceled", "order_status": "canceled", "client_order_id": "c-gone"},
        {**ONE, "exec_type": "replaced", "order_id": "new", "client_order_id": "c-new",
         "orig_client_order_id": "c-gone", "order_status": "new"},
        {**fill("", "1"), "client_order_id": "", "trade_id": "gone-2"},
    ]  # fmt: skip
    for each in reports:
        insert(views, [each], seq, few)
        assert answers(views) == before, each
        assert late(views) == [("id:gone", number) for number in range(4, seq + 1)], each
        seq += 1
    assert len(views.rows(f"SELECT * FROM {views.name()}.late_reports")) == len(reports)
    views.rebuild()
    assert answers(views) == before
    assert len(late(views)) == len(reports)
    views.close_sums()
    assert answers(views) == before


def of_accounts(database: Database, prefix: str) -> dict[str, list[Any]]:
    """By number of the history all rows of its account, without what tells copies of it apart."""
    found: dict[str, list[Any]] = {}
    for view, columns in {"orders": ORDERS, "fills": FILLS}.items():
        for row in rows_of(database, view, columns):
            account = row.pop("account")
            if account.startswith(prefix):
                found.setdefault(account.removeprefix(prefix), []).append({**row, "session": ""})
    name = database.name()
    for account, row in database.rows(f"SELECT account, toString(tuple(* EXCEPT account)) FROM {name}.positions"):
        if account.startswith(prefix):
            found.setdefault(account.removeprefix(prefix), []).append(row)
    return {account: sorted(each, key=str) for account, each in found.items()}


def of_both(records: Sequence[tuple[int, Fields]], captured_ns: int) -> tuple[list[Fields], list[Fields]]:
    """The same records in accounts of which some are dropped, and in others.

    Our own requests are old: they are captured before what answers them, however late they come.
    """
    told = [
        (number, {**BASE, **each, "captured_ns": OLD if each.get("exec_type") in REQUESTS else captured_ns})
        for number, each in records
    ]
    one, two = ([{**each, "account": f"{prefix}{number}"} for number, each in told] for prefix in ("one-", "two-"))
    return one, two


@ON_SERVER_AND_CLUSTER
@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
def test_whatever_comes_after_a_drop_an_answer_is_as_without_it_or_the_report_is_listed(
    views: Database, few: int
) -> None:
    draw = random.Random(few)
    all_records = [shuffled(draw, each.records) for each in draw.sample([*histories().values()], 80)]
    all_records += [[*map(given, random_venue(f"dropped {number}").arrivals())] for number in range(15)]
    cuts = [draw.randrange(len(each) + 1) for each in all_records]
    seq = 0
    for is_later in (False, True):
        parts = [each[cut:] if is_later else each[:cut] for each, cut in zip(all_records, cuts, strict=True)]
        records = [(number, each) for number, part in enumerate(parts) for each in part]
        for session, each in enumerate(of_both(records, YOUNG if is_later else OLD), 1):
            insert(views, each, seq, few, session)
        seq += len(records)
        if not is_later:
            before = of_accounts(views, "one-")
            assert before == of_accounts(views, "two-")
            assert drop(views) > seq // 10
            assert of_accounts(views, "one-") == before
    keys = views.rows(f"SELECT DISTINCT account, order_key FROM {views.name()}.late_reports")
    listed = {account.removeprefix("one-") for account, _ in keys}
    for is_again in (False, True):
        if is_again:
            views.rebuild(few)
        one, two = of_accounts(views, "one-"), of_accounts(views, "two-")
        wrong = [number for number in two if one[number] != two[number] and number not in listed]
        assert not wrong, [(all_records[int(each)], cuts[int(each)], one[each], two[each]) for each in wrong[:1]]
        for account, key in keys:
            number = account.removeprefix("one-")
            stood = [each for each in before[number] if isinstance(each, dict) and f"id:{each['order_id']}" == key]
            assert all(each in one[number] for each in stood) and stood, all_records[int(number)]
    assert len(listed) > 3


@ON_SERVER
@pytest.mark.parametrize("table", ["unique_fills", "unique_orders", "known_ids"])
def test_rows_that_cannot_be_made_again_are_missed_and_not_given_up_in_silence(views: Database, table: str) -> None:
    seq = insert(views, order("gone"), 0, 1000)
    drop(views)
    name, before = views.name(), answers(views)
    views.command(f"CREATE TABLE {name}.backup AS {name}.{table}")
    views.command(f"INSERT INTO {name}.backup SELECT * FROM {name}.{table}")
    views.command(f"TRUNCATE TABLE {name}.{table}")
    with pytest.raises(TableMismatch, match=f"{table} was emptied, and records it was derived from were dropped"):
        views.derive()
    views.command(f"INSERT INTO {name}.{table} SELECT * FROM {name}.backup")
    views.command(f"DROP TABLE {name}.backup SYNC")
    views.rebuild()
    assert answers(views) == before
    views.command(f"TRUNCATE TABLE {name}.{table}")
    views.command(f"TRUNCATE TABLE {name}.dropped")
    insert(views, order("next"), seq, 1000)
    orders = views.rows(f"SELECT order_id FROM {name}.orders ORDER BY order_id")
    assert orders == [("next",)] if table == "unique_orders" else [("gone",), ("next",)]


@ON_SERVER
@pytest.mark.parametrize(
    "change",
    [
        "unique_fills DROP COLUMN content",
        "unique_orders MODIFY COLUMN records UInt32",
        "known_ids ADD COLUMN note Int8",
    ],
)
def test_a_table_that_is_altered_keeps_the_rows_that_stand_for_what_was_dropped(views: Database, change: str) -> None:
    seq = insert(views, order("gone"), 0, 1000)
    insert(views, order("open")[:2], seq, 1000)
    drop(views)
    before = answers(views)
    views.command(f"ALTER TABLE {views.name()}.{change}")
    views.derive()
    assert answers(views) == before


@ON_SERVER
@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
def test_a_record_that_was_lost_and_comes_again_makes_a_late_report_count(views: Database, few: int) -> None:
    """As when a server acknowledged it and lost it in a crash; the writer sends it again."""
    name, records = views.name(), order("one")
    seq = insert(views, records, 0, few)
    views.command(f"DELETE FROM {name}.executions WHERE seq = 1")
    views.change_writers()
    third = fill("one", "3", exchange_ns=40, cumulative_quantity=3.0, quantity=3.0, order_status="filled")
    insert(views, [third], seq, few)
    assert late(views) == [("id:one", 4)]
    assert views.rows(f"SELECT executed_quantity FROM {name}.orders") == [(Decimal(2),)]
    views.insert(executions([records[1]], session=1, first_seq=1), few=None)
    views.derive(few, Range(1, 1, 1))
    assert late(views) == []
    assert views.rows(f"SELECT executed_quantity, records FROM {name}.orders") == [(Decimal(3), 5)]
    assert views.rows(f"SELECT fills FROM {name}.positions") == [(3,)]


@ON_SERVER
def test_a_client_id_that_is_used_again_after_a_drop_is_that_of_a_new_order(views: Database) -> None:
    again = [{**each, "client_order_id": "c-gone", "captured_ns": YOUNG} for each in order("again")]
    seq = insert(views, order("gone"), 0, 1000)
    drop(views)
    insert(views, again, seq, 1000)
    shown = f"SELECT order_id, records FROM {views.name()}.orders ORDER BY order_id"
    assert views.rows(shown) == [("again", 4), ("gone", 4)]
    assert late(views) == []


@ON_SERVER
@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
def test_what_is_dropped_while_a_copy_of_it_is_derived_is_neither_lost_nor_doubled(
    views: Database, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer drops the records of an order when this one is about to insert what it has derived."""
    seq = insert(views, order("one"), 0, few)
    before = answers(views)
    insert_plain = unique_rows.UniqueRows.insert_plain
    contents = unique_rows.UniqueRows.contents

    def drop_first() -> None:
        views.command(f"DELETE FROM {views.name()}.executions WHERE seq < {seq}")

    def plain(*given: Any) -> set[int]:
        drop_first()
        return insert_plain(*given)

    def asked(*given: Any) -> dict[Any, int]:
        drop_first()
        return contents(*given)

    monkeypatch.setattr(unique_rows.UniqueRows, "insert_plain", plain)
    monkeypatch.setattr(unique_rows.UniqueRows, "contents", asked)
    views.insert(executions([{**fill("one", "1", exchange_ns=20), "captured_ns": YOUNG}], first_seq=seq), few=None)
    views.derive(few, Range(1, seq, 1))
    positions = f"SELECT fills, bought_quantity FROM {views.name()}.positions"
    assert views.rows(positions) == [(2, Decimal(2))]
    assert late(views) == ([] if few else [("id:one", 4)])
    assert answers(views)[2] == before[2]


@ON_SERVER
def test_only_what_a_writer_has_verified_itself_is_dropped(views: Database) -> None:
    """Two writers bring records of one order; one of them keeps all."""
    records = order("shared")
    insert(views, records[:3], 0, 1000, session=1)
    insert(views, [records[3], records[2]], 0, 1000, session=2)
    before = answers(views)
    assert drop(views) == 3
    assert left(views, "session") == [(2,), (2,)]
    views.rebuild()
    assert answers(views) == before
    assert late(views) == []


@ON_SERVER
def test_nothing_is_dropped_that_is_not_derived_or_of_which_more_is_to_be_derived(views: Database) -> None:
    seq = insert(views, order("one"), 0, 1000)
    insert(views, order("two"), seq, 1000)
    copy = {**fill("two", "1", exchange_ns=20), "captured_ns": YOUNG}
    views.insert(executions([copy, *order("three")], first_seq=2 * seq), few=None)
    assert drop(views) == 4
    assert left(views) == [(each,) for each in range(4, 13)]


@ON_SERVER
def test_of_a_history_from_which_its_owner_has_removed_every_other_order_the_rest_is_dropped(views: Database) -> None:
    """As one of an earlier release, or one that is derived again: what is not there is not waited for."""
    orders = [order(f"o{number}") for number in range(2 * MOST_PENDING + 10)]
    views.insert(executions([each for one in orders for each in one]), few=None)
    views.command(f"DELETE FROM {views.name()}.executions WHERE intDiv(seq, 4) % 2 = 1")
    views.derive()
    assert drop(views) == 4 * (MOST_PENDING + 5)
    assert left(views) == []


@ON_SERVER
def test_a_clock_of_the_server_that_was_set_back_changes_nothing_about_what_is_dropped(
    views: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = unique_rows.UniqueRows.version
    with monkeypatch.context() as patch:
        patch.setattr(unique_rows.UniqueRows, "version", lambda rows: version(rows) + 86_400 * 10**9)
        seq = insert(views, order("one"), 0, 1000)
    before = answers(views)
    assert drop(views) == 4
    insert(views, [fill("one", "1", exchange_ns=20)], seq, 1000)
    assert answers(views) == before
    assert late(views) == [("id:one", 4)]
