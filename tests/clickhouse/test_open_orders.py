"""Copies of open orders: none that is open is missed, and none that is over is taken, whoever inserts when."""

from typing import Any

from ringbuf.sinks.clickhouse.open_orders import MARGIN_NS, latest_orders
from tests.clickhouse.databases import ON_SERVER, Database, executions
from tests.clickhouse.test_sums import MOMENT, fill

SECOND = 10**9
OPEN = {"exec_type": "new", "order_status": "new", "quantity": 3.0, "last_quantity": 0.0, "trade_id": ""}
OVER = {**OPEN, "exec_type": "canceled", "order_status": "canceled"}


def tell(database: Database, seq: int, number: int, state: dict[str, Any]) -> None:
    """A report of an order."""
    database.insert(executions([fill(number, MOMENT + seq, **state)], first_seq=seq))


def is_open(database: Database) -> list[str]:
    """The ids of the orders that are open, with what is open in their position."""
    source = latest_orders(database.name(), ("order_id", "open_quantity"))
    rows = database.rows(
        f"SELECT order_id, toString(open_quantity) FROM ({source}) WHERE is_shown AND open_quantity != 0"
    )
    ((total,),) = database.rows(f"SELECT toString(sum(open_buy)) FROM {database.name()}.positions")
    assert int(total) == sum(int(each) for _, each in rows)
    return sorted(name for name, _ in rows)


def snapshots(database: Database) -> int:
    return int(database.rows(f"SELECT uniqExact(snapshot) FROM {database.name()}.open_orders")[0][0])


@ON_SERVER
def test_an_order_is_open_from_its_first_report_until_its_last_whatever_was_copied_between(views: Database) -> None:
    tell(views, 0, 1, OPEN)
    assert is_open(views) == ["o1"]
    views.copy_open_orders()
    assert is_open(views) == ["o1"]
    tell(views, 1, 2, OPEN)
    tell(views, 2, 1, OVER)
    assert is_open(views) == ["o2"]
    views.copy_open_orders()
    assert is_open(views) == ["o2"]
    tell(views, 3, 1, {**OPEN, "exec_type": "restated"})  # the venue works it again
    assert is_open(views) == ["o1", "o2"]
    views.copy_open_orders()
    assert is_open(views) == ["o1", "o2"]


@ON_SERVER
def test_what_another_writer_inserts_after_the_copies_counts_though_its_version_is_before_them(views: Database) -> None:
    tell(views, 0, 1, OPEN)
    views.copy_open_orders(ahead_ns=MARGIN_NS // 2, margin_ns=MARGIN_NS)
    tell(views, 1, 2, OPEN)
    tell(views, 2, 1, OVER)
    assert is_open(views) == ["o2"]


@ON_SERVER
def test_copies_that_are_made_anew_have_what_came_too_late_for_those_before(views: Database) -> None:
    tell(views, 0, 1, OPEN)
    views.copy_open_orders(ahead_ns=1_000 * SECOND)
    tell(views, 1, 2, OPEN)
    assert is_open(views) == ["o1"]
    views.copy_open_orders(ahead_ns=1_001 * SECOND)
    assert is_open(views) == ["o1"]
    views.copy_open_orders(ahead_ns=1_002 * SECOND, whole=True)
    assert is_open(views) == ["o1", "o2"]


@ON_SERVER
def test_copies_that_are_not_complete_are_not_read_and_old_ones_are_dropped(views: Database) -> None:
    tell(views, 0, 1, OPEN)
    views.copy_open_orders()
    tell(views, 1, 1, OVER)
    views.copy_open_orders(is_complete=False)
    assert is_open(views) == []
    tell(views, 2, 2, OPEN)
    for _ in range(5):
        views.copy_open_orders()
        assert is_open(views) == ["o2"]
    assert snapshots(views) == 3, "a table that is whole, the latest copies and those before them"
