"""A deriver looks whether another one derived an order at the same moment, but not if nobody else inserts anything."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.sinks.clickhouse.keys import Chosen, RecordId
from ringbuf.sinks.clickhouse.part_numbers import PartNumbers
from ringbuf.sinks.clickhouse.unique_rows import UniqueRows
from ringbuf.writer.derive import others
from ringbuf.writer.derive.closure import Closure
from tests.clickhouse.databases import ON_SERVER_AND_CLUSTER, Database, executions, server_of
from tests.clickhouse.test_rules import BASE
from tests.clickhouse.test_unique import check

ORDER = {**BASE, "side": "buy", "quantity": 9.0, "exec_type": "new", "order_status": "new"}
FILL = {**ORDER, "exec_type": "fill", "order_status": "partially_filled", "last_price": 2.0, "last_quantity": 1.0}
CLOCK = 1_000.0


@pytest.fixture(autouse=True)
def looks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Each look whether somebody else was faster, and what it found."""
    found: list[bool] = []
    has_grown = Closure.has_grown

    def noting(closure: Closure, *given: Any) -> bool:
        found.append(has_grown(closure, *given))
        return found[-1]

    monkeypatch.setattr(Closure, "has_grown", noting)
    return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that derivers see; a test sets it."""
    now = [CLOCK]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def first(on_server: Database) -> Database:
    """A writer that has derived an order and looked."""
    on_server.set_up()
    on_server.insert(executions([{**ORDER, "order_id": "o"}], session=1))
    return on_server


@pytest.fixture
def second(first: Database, clickhouse_server: ClickHouse) -> Iterator[Database]:
    """Another writer into the same database."""
    other = Database(server_of(clickhouse_server), first.name())
    yield other
    other.close()


def add(writer: Database, session: int, seq: int, **fields: Any) -> None:
    """Store a record, and derive it alone."""
    writer.insert(executions([{**FILL, **fields}], session=session, first_seq=seq))


def test_who_is_alone_never_looks(first: Database, looks: list[bool]) -> None:
    for seq in range(1, 6):
        add(first, 1, seq, order_id="o", trade_id=f"t{seq}")
    assert looks == []
    assert first.rows(f"SELECT records FROM {first.name()}.orders") == [(6,)]


@pytest.mark.parametrize("alone", [True, False])
def test_of_many_records_too_who_is_alone_does_not_ask_again_what_belongs_to_them(
    first: Database, second: Database, monkeypatch: pytest.MonkeyPatch, *, alone: bool
) -> None:
    related, asked = UniqueRows.related, list[Chosen]()

    def noting(rows: UniqueRows, chosen: Chosen) -> set[RecordId]:
        asked.append(chosen)
        return related(rows, chosen)

    monkeypatch.setattr(UniqueRows, "related", noting)
    for seq in range(1, 4):
        first.insert(executions([{**FILL, "order_id": "o", "trade_id": f"t{seq}"}], session=1, first_seq=seq), few=0)
        if not alone:
            add(second, 2, seq, order_id="p", trade_id=f"theirs{seq}")
    assert len(asked) == (3 if alone else 5), "it notices the next time that somebody else has written"
    assert first.rows(f"SELECT records FROM {first.name()}.orders WHERE order_id = 'o'") == [(4,)]
    check(first, [[]])


def test_who_is_not_looks_each_time_and_after_a_minute_no_more(
    first: Database, second: Database, looks: list[bool], clock: list[float]
) -> None:
    add(second, 2, 0, order_id="o", trade_id="theirs")
    looks.clear()
    for seq in range(1, 4):
        add(first, 1, seq, order_id="o", trade_id=f"t{seq}")
    assert looks == [False] * 3
    clock[0] += others.SHARED_SECONDS + 1.0
    for seq in range(4, 7):
        add(first, 1, seq, order_id="o", trade_id=f"t{seq}")
    assert looks == [False] * 3
    assert first.rows(f"SELECT records FROM {first.name()}.orders") == [(8,)]


@pytest.mark.parametrize("later", [0, 1, 2])
def test_what_another_writer_tells_of_an_id_that_is_remembered_is_not_missed(
    first: Database, second: Database, clock: list[float], later: int
) -> None:
    """The client id is used again: the report without an order id is about the order that was named last."""
    named = {"client_order_id": "c", "exec_type": "new", "order_status": "new", "last_quantity": 0.0, "trade_id": ""}
    canceled = {**named, "exec_type": "canceled", "order_status": "canceled"}
    add(first, 1, 1, **{**named, "order_id": "a", "captured_ns": 1})
    add(second, 2, 0, **{**named, "order_id": "b", "captured_ns": 2})
    for number in range(later):
        add(first, 1, 2 + number, order_id="o", trade_id=f"t{number}")
        clock[0] += others.SHARED_SECONDS + 1.0
    add(first, 1, 2 + later, **{**canceled, "order_id": "", "captured_ns": 3})
    shown = f"SELECT order_id, order_status FROM {first.name()}.orders WHERE client_order_id = 'c' ORDER BY order_id"
    assert first.rows(shown) == [("a", "new"), ("b", "canceled")]
    check(first, [[]])


@pytest.mark.parametrize("alone", [True, False])
def test_who_derives_the_same_order_at_the_same_moment_is_noticed(
    first: Database, second: Database, looks: list[bool], monkeypatch: pytest.MonkeyPatch, *, alone: bool
) -> None:
    if not alone:
        add(second, 3, 0, order_id="o", trade_id="earlier")
        add(first, 1, 8, order_id="o", trade_id="t8")
    looks.clear()
    insert, waiting = UniqueRows.insert_orders, [1]

    def after_other(rows: UniqueRows, *given: Any) -> None:
        if waiting:
            waiting.clear()
            add(second, 2, 0, order_id="o", trade_id="theirs")
        insert(rows, *given)

    monkeypatch.setattr(UniqueRows, "insert_orders", after_other)
    add(first, 1, 1, order_id="o", trade_id="mine")
    assert True in looks
    check(first, [[]])


def test_a_user_who_may_not_see_parts_looks_each_time(
    first: Database, looks: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PartNumbers, "last", lambda _: None)
    first.change_writers()
    looks.clear()
    for seq in range(1, 4):
        add(first, 1, seq, order_id="o", trade_id=f"t{seq}")
    assert looks == [False] * 3


@ON_SERVER_AND_CLUSTER
def test_on_a_cluster_numbers_of_parts_tell_nothing(views: Database, looks: list[bool]) -> None:
    views.insert(executions([{**ORDER, "order_id": "o"}], session=1))
    looks.clear()
    for seq in range(1, 3):
        add(views, 1, seq, order_id="o", trade_id=f"t{seq}")
    assert len(looks) == (2 if is_cluster(views) else 0)


def is_cluster(database: Database) -> bool:
    return bool(database.rows(f"SELECT 1 FROM system.databases WHERE name = '{database.name()}_local'"))
