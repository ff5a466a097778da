"""Rows of derived tables that somebody has changed or deleted are noticed, and all is made again."""

import time

import pytest

from ringbuf.sinks.clickhouse.layers import Layers
from tests.clickhouse.databases import ON_SERVER, Database
from tests.clickhouse.test_layers import answers, prepared, restarted
from tests.clickhouse.test_sums import check, rows

FINISHED = " SETTINGS mutations_sync = 2"


def altered(database: Database, change: str) -> None:
    """Somebody changes rows, some time after all was derived and some time before a writer looks."""
    time.sleep(1.1)  # the server tells when somebody did it in whole seconds
    database.command(change.format(database.name()))
    time.sleep(1.1)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE {}.fill_sums UPDATE bought_quantity = 7 WHERE span = 2592000" + FINISHED,
        "ALTER TABLE {}.buckets DELETE WHERE span != 0" + FINISHED,
        "DELETE FROM {}.open_orders WHERE order_key != ''",
        "ALTER TABLE {}.profit_states UPDATE totals = replaceAll(totals, '1', '3') WHERE 1" + FINISHED,
        "DELETE FROM {}.unique_fills WHERE trade_id = 't3'",
        "ALTER TABLE {}.unique_orders UPDATE executed_quantity = 7 WHERE order_id = 'o3'" + FINISHED,
    ],
)
@ON_SERVER
def test_rows_that_somebody_changed_or_deleted_are_made_again(views: Database, change: str) -> None:
    before = prepared(views)
    altered(views, change)
    assert answers(views) != before
    restarted(views)
    views.close_sums()
    views.fold()
    assert answers(views) == before
    check(views)


def test_so_they_are_in_both_engines(views: Database) -> None:
    before = prepared(views)
    altered(views, "DELETE FROM {}.fill_sums WHERE span = 2592000")
    assert answers(views) != before
    restarted(views)
    assert answers(views) == before


@ON_SERVER
def test_what_was_changed_is_made_again_once(views: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(views)
    altered(views, "DELETE FROM {}.fill_sums WHERE span = 86400")
    restarted(views)
    monkeypatch.setattr(Layers, "forget", lambda _: pytest.fail("made again once more"))
    restarted(views)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE {}.fill_sums MATERIALIZE INDEX added" + FINISHED,
        "ALTER TABLE {}.fill_sums APPLY DELETED MASK" + FINISHED,
    ],
)
@ON_SERVER
def test_what_an_owner_does_that_changes_no_row_has_nothing_made_again(
    views: Database, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(views)
    views.command(f"ALTER TABLE {views.name()}.fill_sums ADD INDEX IF NOT EXISTS added version TYPE minmax")
    altered(views, change)
    monkeypatch.setattr(Layers, "forget", lambda _: pytest.fail("made again"))
    restarted(views)


@ON_SERVER
def test_while_rows_are_being_changed_they_are_made_again_all_the_same(views: Database) -> None:
    before = prepared(views)
    altered(views, "ALTER TABLE {}.unique_fills UPDATE traded_quantity = sleepEachRow(0.1) + 7 WHERE 1")
    restarted(views)
    while rows(views, "system.mutations", f"count() - countIf(is_done OR database != '{views.name()}')") != [(0,)]:
        time.sleep(0.1)
    views.close_sums()
    views.fold()
    assert answers(views) == before
