"""The settings by which the server merges parts of our tables."""

import time
from uuid import uuid4

import pytest

from ringbuf.errors import SinkUnavailable
from ringbuf.sinks.clickhouse.merging import SETTINGS, give_settings
from tests.clickhouse.databases import ON_SERVER, Database, executions
from tests.clickhouse.test_rules import BASE

INDEXED = ("executions", "known_ids", "unique_fills", "unique_orders")
"""Tables that have skip indexes and get few rows at a time."""


def tables_without(database: Database) -> list[str]:
    """The tables that lack a setting."""
    conditions = " AND ".join(f"position(engine_full, '{each} = {value}') > 0" for each, value in SETTINGS.items())
    found = database.rows(
        f"SELECT name FROM system.tables WHERE database = '{database.name()}' AND engine LIKE '%MergeTree'"
        f" AND NOT ({conditions}) ORDER BY name"
    )
    return [name for (name,) in found]


def without_settings(database: Database) -> list[str]:
    """Have some tables as an earlier release made them."""
    ours = ["executions", "known_ids", "sessions", "unique_fills"]
    for table in ours:
        database.command(f"ALTER TABLE {database.name()}.{table} RESET SETTING {', '.join(SETTINGS)}")
    return ours


def test_each_table_has_them_and_one_of_an_earlier_release_gets_them(store: Database) -> None:
    store.set_up()
    assert tables_without(store) == []
    older = without_settings(store)
    assert tables_without(store) == older
    store.prepare()
    store.ensure()
    assert tables_without(store) == []
    store.derive()


@ON_SERVER
def test_what_the_owner_has_set_stays(views: Database) -> None:
    views.command(f"ALTER TABLE {views.name()}.unique_orders MODIFY SETTING merge_selector_base = 7")
    views.ensure()
    assert tables_without(views) == ["unique_orders"]
    views.command(f"ALTER TABLE {views.name()}.unique_orders MODIFY SETTING merge_selector_base = 10")


def test_nobody_waits_for_a_user_who_may_not_set_them(caplog: pytest.LogCaptureFixture) -> None:
    name = uuid4().hex

    def refuse(sql: str) -> None:
        assert sql == f"ALTER TABLE db.{name} MODIFY SETTING merge_selector_base = 10"
        raise SinkUnavailable("ACCESS_DENIED")

    has_one = "MergeTree ORDER BY id SETTINGS merge_selector_enable_heuristic_to_remove_small_parts_at_right = false"
    for _ in range(3):
        give_settings(name, f"db.{name}", has_one, refuse)
    (record,) = caplog.records
    assert record.getMessage().endswith("takes more of its time: ACCESS_DENIED")


@ON_SERVER
def test_a_trickle_does_not_have_what_is_there_written_again_with_each_insert(views: Database) -> None:
    table = f"{views.name()}.known_ids"
    columns = "(id, exchange, account, symbol, order_key)"
    views.command(f"INSERT INTO {table} {columns} SELECT number, 'x', 'a', 's', number FROM numbers(20000)")
    inserts = 24
    for number in range(inserts):
        views.command(f"INSERT INTO {table} {columns} VALUES ('new {number}', 'x', 'a', 's', '')")
        time.sleep(0.05)
    time.sleep(0.5)
    ((merges,),) = views.rows(
        f"SELECT max(level) FROM system.parts WHERE database = '{views.name()}' AND table = 'known_ids'"
    )
    assert merges <= inserts // 8 + 1


def indexed(database: Database) -> dict[str, set[bool]]:
    """By table whether its parts have skip indexes; without the row by which a table is known to be whole."""
    found: dict[str, set[bool]] = {}
    for table, has_indexes in database.rows(
        "SELECT DISTINCT table, secondary_indices_marks_bytes > 0 FROM system.parts"
        f" WHERE active AND rows > 1 AND database = '{database.name()}' AND table IN {INDEXED}"
    ):
        found.setdefault(table, set()).add(bool(has_indexes))
    return found


def test_few_rows_get_their_skip_indexes_when_they_are_merged_and_many_at_once(store: Database) -> None:
    store.set_up()
    fill = {**BASE, "exec_type": "fill", "side": "buy", "last_quantity": 1.0, "last_price": 5.0}
    fills = [{**fill, "order_id": f"o{n}", "client_order_id": f"c{n}", "trade_id": f"t{n}"} for n in range(2_000)]
    for table in INDEXED:
        store.command(f"SYSTEM STOP MERGES {store.name()}.{table}")
    store.insert(executions(fills[:3]))
    assert indexed(store) == {each: {False} for each in INDEXED}
    assert store.rows(f"SELECT order_id FROM {store.name()}.orders WHERE client_order_id = 'c1'") == [("o1",)]
    for table in INDEXED:
        store.command(f"SYSTEM START MERGES {store.name()}.{table}")
        store.command(f"OPTIMIZE TABLE {store.name()}.{table} FINAL")
    assert indexed(store) == {each: {True} for each in INDEXED}
    store.insert(executions(fills[3:], first_seq=3))
    assert indexed(store) == {each: {True} for each in INDEXED}
