"""The rows of orders and fills that are kept in the database are those of the views, whatever came in which order."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.record.seqs import Range
from ringbuf.sinks.clickhouse import unique_rows
from ringbuf.sinks.clickhouse.keys import Chosen
from ringbuf.sinks.clickhouse.views.definitions import RECKONED
from ringbuf.sinks.clickhouse.views.orders import ORDERS
from ringbuf.sinks.clickhouse.views.positions import FILLS
from ringbuf.writer.derive import deriver
from ringbuf.writer.derive.closure import Closure
from ringbuf.writer.derive.memory import Memory
from tests.clickhouse.databases import ON_SERVER, ON_SERVER_AND_CLUSTER, Database, executions, server_of
from tests.clickhouse.test_rules import BASE, given, shuffled
from tests.model.corrections import random_corrections
from tests.model.inferred import random_orders
from tests.model.request_chains import WholeChain
from tests.model.venue import random_venue
from tests.unit.trading.histories import BEGIN_NS, Fields, histories

VIEWS = {"orders": ORDERS, "fills": FILLS}
TRADED: Fields = {**BASE, "exec_type": "fill", "side": "buy", "last_quantity": 1.0, "last_price": 5.0}
WAYS = {"by the rules": 1_000_000, "in the database": 0}


def rows_of(database: Database, table: str, columns: Iterable[str]) -> list[dict[str, Any]]:
    shown = ", ".join(f"toString({name}) AS {name}_text" for name in columns)
    found = database.rows(f"SELECT {shown} FROM {database.name()}.{table}")
    return sorted((dict(zip(columns, each, strict=True)) for each in found), key=lambda each: str(list(each.items())))


def check(database: Database, all_records: Sequence[Sequence[Fields]], only: Sequence[str] = tuple(VIEWS)) -> None:
    for view, columns in ((name, VIEWS[name]) for name in only):
        mine, theirs = rows_of(database, view, columns), rows_of(database, RECKONED[view], columns)
        for one in mine:
            assert one in theirs, all_records[int(one["account"])]
        assert len(mine) == len(theirs)


def arrive(
    database: Database,
    all_records: Sequence[Sequence[Fields]],
    few: int,
    draw: random.Random,
    portions: int,
    first_seq: int = 0,
) -> None:
    """Each history in an account of its own, in portions of which each is derived before the next one comes."""
    cuts = [sorted(draw.randrange(len(each) + 1) for _ in range(portions - 1)) for each in all_records]
    for portion in range(portions):
        rows = []
        for number, (records, cut) in enumerate(zip(all_records, cuts, strict=True)):
            begin, end = ([0, *cut][portion], [*cut, len(records)][portion])
            rows += [{**BASE, **each, "account": str(number)} for each in records[begin:end]]
        if rows:
            database.insert(executions(rows, session=1, first_seq=first_seq), few=few)
            first_seq += len(rows)


def arrive_apart(database: Database, all_records: Sequence[Sequence[Fields]], few: int) -> None:
    """Each history in an account of its own, each of its records derived before the next one comes."""
    first_seq = 0
    for place in range(max(map(len, all_records))):
        rows = [{**each[place], "account": str(number)} for number, each in enumerate(all_records) if place < len(each)]
        database.insert(executions(rows, session=1, first_seq=first_seq), few=few)
        first_seq += len(rows)


@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
def test_every_history_ends_the_same_in_the_kept_rows_and_in_the_views(views: Database, few: int) -> None:
    known = [each.records for each in histories().values()]
    arrive(views, known, few, random.Random(1), portions=3)
    check(views, known)


@ON_SERVER
@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
def test_in_any_order_of_arrival_with_any_copies_the_kept_rows_are_those_of_the_views(
    views: Database, few: int
) -> None:
    draw = random.Random(few)
    known = [shuffled(draw, each.records) for each in histories().values()]
    arrive(views, known, few, draw, portions=4)
    check(views, known)


@ON_SERVER_AND_CLUSTER
@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
def test_whatever_a_venue_does_the_kept_rows_are_those_of_the_views(views: Database, few: int) -> None:
    known = [[*map(given, random_venue(f"unique {number}").arrivals())] for number in range(150)]
    arrive(views, known, few, random.Random(few), portions=3)
    check(views, known)


@ON_SERVER
@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
def test_chains_of_replaces_that_arrive_in_portions_are_those_of_the_views(views: Database, few: int) -> None:
    draw = random.Random("chains")
    known = [WholeChain(f"unique {number}").arrivals() for number in range(120)]
    known += [[each for each in records if draw.random() < 0.8] or records for records in known]
    arrive(views, known, few, random.Random(few), portions=4)
    check(views, known)


@ON_SERVER
@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
def test_fills_that_were_inferred_give_way_in_the_kept_rows(views: Database, few: int) -> None:
    known = [random_orders(f"unique {number}") for number in range(40)]
    arrive(views, known, few, random.Random(few), portions=3)
    check(views, known)


@ON_SERVER
@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
def test_corrections_that_tell_commissions_count_in_the_kept_rows(views: Database, few: int) -> None:
    known = [random_corrections(f"unique {number}") for number in range(150)]
    arrive(views, known, few, random.Random(few), portions=3)
    check(views, known, ["fills"])


@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("exec_type", ["fill", "calculated"])
@ON_SERVER
def test_a_trade_that_comes_once_with_its_order_and_once_without_is_one_fill(
    views: Database, few: int, exec_type: str
) -> None:
    nameless = {**TRADED, "exec_type": exec_type, "trade_id": "t"}
    taken_back = {**BASE, "exec_type": "trade_cancel", "trade_id": "t"}
    told = ([{"order_id": "o"}, {}], [{"client_order_id": "c"}, {}], [{"order_id": "o"}, taken_back, {}])
    known = [[nameless | each for each in order] for some in told for order in permutations(some)]
    arrive_apart(views, known, few)
    check(views, known)


@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
@ON_SERVER
def test_a_trade_without_any_id_that_comes_again_is_one_fill_if_its_time_or_total_is_told(
    views: Database, few: int
) -> None:
    told: Sequence[Sequence[Fields]] = (
        [{"exchange_ns": BEGIN_NS}] * 3,
        [{"exchange_ns": BEGIN_NS, "exec_type": "calculated"}] * 2,
        [{"cumulative_quantity": 7.0}] * 2,
        [{"exchange_ns": BEGIN_NS}, {"exchange_ns": BEGIN_NS + 1}],
        [{"exchange_ns": BEGIN_NS}, {"exchange_ns": BEGIN_NS, "last_price": 6.0}],
        [{}, {}],
    )
    known = [[TRADED | each for each in some] for some in told]
    arrive_apart(views, known, few)
    check(views, known)
    fills = Counter(row["account"] for row in rows_of(views, "fills", FILLS))
    assert [fills[str(number)] for number in range(len(known))] == [1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
@ON_SERVER
def test_a_client_id_of_very_many_orders_is_a_label_and_does_not_join_them(
    views: Database, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unique_rows, "MOST_OF_AN_ID", 8)
    closures: list[int] = []

    class Counted(Closure):
        def __init__(self, rows: unique_rows.UniqueRows, chosen: Chosen, memory: Memory) -> None:
            super().__init__(rows, chosen, memory)
            closures.append(len(self.rows))

    monkeypatch.setattr(deriver, "Closure", Counted)
    sent = {**BASE, "client_order_id": "label", "side": "buy"}
    for number in range(20):
        order = {**sent, "order_id": f"o{number}", "quantity": 1.0}
        fill = {**order, "exec_type": "fill", "order_status": "filled", "trade_id": f"t{number}"}
        rows = [
            {**sent, "exec_type": "pending_new", "order_status": "pending_new", "market_ns": number + 1},
            {**order, "exec_type": "new", "order_status": "new"},
            {**fill, "last_quantity": 1.0, "last_price": 2.0, "cumulative_quantity": 1.0},
        ]
        views.insert(executions(rows, session=1, first_seq=3 * number), few=few)
    name = views.name()
    filled = views.rows(f"SELECT count(), sum(executed_quantity) FROM {name}.orders WHERE order_id != ''")
    assert filled == [(20, Decimal(20))]
    assert views.rows(f"SELECT fills, bought_quote FROM {name}.positions") == [(20, Decimal(40))]
    assert max(closures) < 40


@ON_SERVER
def test_a_long_chain_of_orders_is_read_at_once_and_not_one_after_the_other(
    views: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(number: int) -> Fields:
        ids = {"order_id": f"o{number}", "client_order_id": f"c{number}", "captured_ns": number + 1}
        if not number:
            return {**BASE, **ids, "exec_type": "new", "order_status": "new"}
        return {**BASE, **ids, "exec_type": "replaced", "orig_client_order_id": f"c{number - 1}"}

    views.insert(executions([told(number) for number in range(60)], session=1))
    views.change_writers()
    asked: list[int] = []
    known = unique_rows.UniqueRows.known

    def counted(rows: unique_rows.UniqueRows, keys: Any, ids: Any) -> unique_rows.Known:
        asked.append(len(keys))
        return known(rows, keys, ids)

    monkeypatch.setattr(unique_rows.UniqueRows, "known", counted)
    views.insert(executions([told(60)], session=1, first_seq=60))
    assert len(asked) < 12
    orders = f"SELECT countIf(order_status = 'replaced'), uniqExact(chain_key) FROM {views.name()}.unique_orders FINAL"
    assert views.rows(f"{orders} WHERE order_key != ''") == [(60, 1)]


@ON_SERVER
def test_an_order_that_is_not_plain_keeps_its_row_until_the_rules_have_another(
    views: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = {**BASE, "order_id": "o", "client_order_id": "c", "side": "buy", "exec_type": "new", "order_status": "new"}
    views.insert(executions([{**order, "quantity": 1.0, "exchange_ns": 1}], session=1))
    name = views.name()
    shown = f"SELECT toString(tuple(*)) FROM {name}.orders"
    before = views.rows(shown)
    replaced = {**order, "exec_type": "replaced", "quantity": 2.0, "exchange_ns": 2, "orig_client_order_id": "c"}
    with monkeypatch.context() as patch:
        patch.setattr(unique_rows.UniqueRows, "hard", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            views.insert(executions([replaced], session=1, first_seq=1), few=0)
    assert views.rows(shown) == before
    views.derive(0)
    assert views.rows(f"SELECT quantity, records FROM {name}.orders") == [(2.0, 2)]


@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
@ON_SERVER
def test_of_two_that_derive_an_order_at_the_same_moment_the_last_one_sees_what_both_know(
    views: Database, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = {**BASE, "order_id": "o", "side": "buy", "quantity": 9.0, "exec_type": "new", "order_status": "new"}
    fill = {**order, "exec_type": "fill", "order_status": "partially_filled", "last_price": 2.0, "last_quantity": 1.0}
    mine, theirs, copy = ({**fill, "trade_id": each} for each in ("t1", "t2", "t1"))
    views.insert(executions([order], session=1), few=few)
    insert_orders, insert_plain = unique_rows.UniqueRows.insert_orders, unique_rows.UniqueRows.insert_plain
    others = [{**theirs, "cumulative_quantity": 2.0}, copy]

    def of_other() -> None:
        """Another writer's records come, and are derived, when ours were read and nothing of ours is inserted."""
        if others:
            views.insert(executions([others.pop(0), others.pop(0)], session=2), few=None)
            views.derive(few, Range(2, 0, 2))

    def first_other(rows: unique_rows.UniqueRows, *given: Any, **named: Any) -> None:
        of_other()
        insert_orders(rows, *given, **named)

    def first_other_plain(rows: unique_rows.UniqueRows, *given: Any) -> set[int]:
        of_other()
        return insert_plain(rows, *given)

    monkeypatch.setattr(unique_rows.UniqueRows, "insert_orders", first_other)
    monkeypatch.setattr(unique_rows.UniqueRows, "insert_plain", first_other_plain)
    views.insert(executions([{**mine, "cumulative_quantity": 1.0}], session=1, first_seq=1), few=few)
    name = views.name()
    assert views.rows(f"SELECT records, executed_quantity FROM {name}.orders") == [(4, Decimal(2))]
    assert sorted(views.rows(f"SELECT trade_id, copies FROM {name}.fills")) == [("t1", 2), ("t2", 1)]
    assert views.rows(f"SELECT fills, bought_quantity FROM {name}.positions") == [(2, Decimal(2))]


def test_what_another_writer_knows_of_an_order_stays_if_its_row_is_merged_with_ours_before_we_look(
    on_server: Database, clickhouse_server: ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = {**BASE, "order_id": "o", "side": "buy", "quantity": 9.0, "exec_type": "new", "order_status": "new"}
    fill = {**order, "exec_type": "fill", "order_status": "partially_filled", "last_price": 2.0, "last_quantity": 1.0}
    on_server.set_up()
    on_server.insert(executions([order], session=1))
    other = Database(server_of(clickhouse_server), on_server.name())
    other.insert(executions([{**fill, "trade_id": "t2"}], session=2))
    insert_orders = unique_rows.UniqueRows.insert_orders

    def then_merge(rows: unique_rows.UniqueRows, *given: Any, **named: Any) -> None:
        insert_orders(rows, *given, **named)
        clickhouse_server.command(f"OPTIMIZE TABLE {on_server.name()}.unique_orders FINAL")

    monkeypatch.setattr(unique_rows.UniqueRows, "insert_orders", then_merge)
    on_server.insert(executions([{**fill, "trade_id": "t1"}], session=1, first_seq=1))
    assert on_server.rows(f"SELECT records, executed_quantity FROM {on_server.name()}.orders") == [(3, Decimal(2))]


@pytest.mark.parametrize("is_known_to_it", [False, True], ids=["by a killed writer", "by the same one"])
@pytest.mark.parametrize("few", WAYS.values(), ids=WAYS)
@ON_SERVER
def test_records_that_were_derived_and_are_sent_again_with_others_leave_no_fill_twice(
    views: Database, few: int, *, is_known_to_it: bool
) -> None:
    """So it is after a kill: what was on its way is settled, and comes with what was recorded since."""
    told = {**TRADED, "order_id": "o", "trade_id": "t", "origin": "lookback"}
    views.insert(executions([told], session=1), few=few)
    if not is_known_to_it:
        views.change_writers()
    views.insert(executions([told, {**told, "origin": "live"}], session=1), few=None)
    views.derive(few, Range(1, 0, 2), new=[])
    assert views.rows(f"SELECT fills FROM {views.name()}.positions") == [(1,)]
    assert views.rows(f"SELECT copies, origin FROM {views.name()}.fills") == [(2, "live")]
