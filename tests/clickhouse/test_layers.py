"""What is lost of the rows that are derived is made again, and no answer changes."""

from collections.abc import Callable
from itertools import cycle
from typing import Any

import pytest

from ringbuf.errors import TableMismatch
from ringbuf.query.questions.earned import profits
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.clickhouse.layers import TABLES
from tests.clickhouse.databases import ON_SERVER, Database, executions
from tests.clickhouse.test_profit import asked
from tests.clickhouse.test_sums import MINUTE, MOMENT, check, fill, insert, rows

OPEN = {"exec_type": "new", "order_status": "new", "quantity": 3.0, "last_quantity": 0.0, "trade_id": ""}


def prepared(database: Database) -> list[Any]:
    """Fills of closed buckets and an open order; gives all answers."""
    insert(database, [fill(number, MOMENT + number * MINUTE) for number in range(20)], 0)
    insert(database, [fill(90, MOMENT, **OPEN)], 20)
    database.close_sums()
    database.fold()
    return answers(database)


def answers(database: Database) -> list[Any]:
    name = database.name()
    shown = [rows(database, f"{name}.{view}", "toString(tuple(*))") for view in ("positions", "fills", "orders")]
    return [*shown, *map(str, profits(asked(database), {}))]


def restarted(database: Database) -> None:
    """What a writer does when it starts."""
    database.ensure()
    database.derive()
    database.fold()


@pytest.mark.parametrize(
    ("table", "how"), [*zip(TABLES, cycle(["DROP TABLE {} SYNC", "TRUNCATE TABLE {}"]), strict=False)]
)
@ON_SERVER
def test_a_table_that_is_dropped_or_emptied_is_made_again(views: Database, table: str, how: str) -> None:
    before = prepared(views)
    views.command(how.format(f"{views.name()}.{table}"))
    restarted(views)
    assert answers(views) == before
    views.close_sums()
    assert answers(views) == before
    check(views)


@pytest.mark.parametrize(
    "change",
    [
        "unique_fills DROP COLUMN content",
        "unique_orders MODIFY COLUMN records UInt32",
        "fill_sums ADD COLUMN note String",
        "buckets DROP COLUMN whole_span",
        "profit_states DROP COLUMN terms",
    ],
)
@ON_SERVER
def test_a_table_that_is_altered_is_made_again(views: Database, change: str) -> None:
    before = prepared(views)
    views.command(f"ALTER TABLE {views.name()}.{change}")
    restarted(views)
    assert answers(views) == before


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("open_orders", "VIEW {} AS SELECT 1 AS number"),
        ("buckets", "TABLE {} ENGINE = MergeTree ORDER BY number AS SELECT 1 AS number"),
        ("derived", "TABLE {} ENGINE = ReplacingMergeTree ORDER BY number AS SELECT 1 AS number"),
    ],
)
@ON_SERVER
def test_what_the_owner_has_under_a_name_of_ours_is_named_and_left_alone(views: Database, name: str, kind: str) -> None:
    table = f"{views.name()}.{name}"
    views.command(f"DROP TABLE {table} SYNC")
    views.command(f"CREATE {kind.format(table)}")
    with pytest.raises(TableMismatch, match=rf"table {table}: (engine|sorting key) is .* RENAME TABLE {table} TO"):
        restarted(views)
    assert views.rows(f"SELECT number FROM {table}") == [(1,)]
    views.command(f"DROP TABLE {table} SYNC")
    restarted(views)


@ON_SERVER
def test_tables_of_a_later_release_are_named_and_left_alone(views: Database) -> None:
    prepared(views)
    name = views.name()
    views.command(f"ALTER TABLE {name}.unique_orders ADD COLUMN news String, MODIFY COMMENT 'ringbuf: form 2'")
    views.command(f"CREATE OR REPLACE VIEW {name}.positions AS SELECT 2 AS form COMMENT 'ringbuf: of form 2'")
    before = rows(views, f"{name}.unique_orders", "toString(tuple(*))")
    for doing in (views.ensure, views._sink.layers.ensure, views._sink.layers.make_again):
        with pytest.raises(TableMismatch, match=r"unique_orders is of a later release: form 2, this one knows 1; run"):
            doing()
    assert rows(views, f"{name}.unique_orders", "toString(tuple(*))") == before
    assert views.rows(f"SELECT form FROM {name}.positions") == [(2,)]
    views.command(f"ALTER TABLE {name}.unique_orders MODIFY COMMENT 'ringbuf: form 1'")
    restarted(views)


@ON_SERVER
def test_records_of_an_earlier_release_are_derived_at_the_first_start(views: Database) -> None:
    before = prepared(views)
    for table in TABLES:
        views.command(f"DROP TABLE {views.name()}.{table} SYNC")
    restarted(views)
    restarted(views)
    assert answers(views) == before


@ON_SERVER
def test_a_record_that_comes_into_a_gap_is_derived_by_the_next_writer(views: Database) -> None:
    """As one does that was in quarantine and is sent once more."""
    insert(views, [fill(number, MOMENT) for number in (0, 1)], 0)
    insert(views, [fill(number, MOMENT) for number in (5, 6)], 5)
    insert(views, [fill(number, MOMENT) for number in (2, 3, 4)], 2)
    assert rows(views, f"{views.name()}.positions", "fills") == [(7,)]


@ON_SERVER
def test_an_order_that_the_owner_removed_with_its_records_is_open_no_more_when_all_is_derived_again(
    views: Database,
) -> None:
    """As OPERATING says that it is done."""
    name = views.name()
    insert(views, [fill(0, MOMENT), fill(1, MOMENT, order_status="partially_filled", quantity=3.0)], 0)
    views.close_sums()
    assert rows(views, f"{name}.positions", "quantity, open_buy") == [(2, 2)]
    for table in ("executions", "unique_orders", "unique_fills"):
        views.command(f"DELETE FROM {name}.{table} WHERE order_id = 'o1'")
    views.rebuild()
    assert rows(views, f"{name}.positions", "quantity, open_buy") == [(1, 0)]
    check(views)


@ON_SERVER
def test_what_one_writer_has_begun_to_make_again_is_made_whatever_another_one_notes(
    views: Database, open_on_server: Callable[[str], Database]
) -> None:
    """The other one does not know yet, and derives what comes; then the first one is killed."""
    insert(views, [fill(number, MOMENT) for number in range(10)], 0)
    other = open_on_server(views.name())
    views.command(f"TRUNCATE TABLE {views.name()}.unique_fills")
    assert other._sink.layers.make_again() == ["unique_fills"]
    deriver, new = views._deriver, executions([fill(10, MOMENT)], first_seq=10)
    assert deriver is not None
    views.insert(new, few=None)
    deriver.derive(SeqSet([Range(1, 10, 1)]))
    deriver.note()
    assert deriver.is_overtaken()
    other.derive()
    assert rows(views, f"{views.name()}.fills", "seq") == [(seq,) for seq in range(11)]
    other.close()
