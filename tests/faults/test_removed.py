"""Records that somebody removes from the database after they were stored, told apart from records that are lost."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from ringbuf.journal.step import Step
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from tests.command import audit, ringbuf
from tests.numbered import Numbered, wait_verified
from tests.writer_process import QUICK, WriterProcess

TOTALS = ("recorded", "stored", "pending", "removed", "lost")


def totals(found: dict[str, Any]) -> tuple[int, ...]:
    """Of the audit: recorded, stored, pending, removed, lost."""
    return tuple(found["totals"][name] for name in TOTALS)


def kept_options(url: str, database: str, *, keeps_journal: bool) -> list[str]:
    """Options of a writer that keeps, or deletes, the segments that are loaded."""
    options = [*QUICK[:-2], *(() if keeps_journal else QUICK[-2:])]
    return ["--clickhouse", url, "--database", database, *options]


@pytest.fixture
def ticks(numbered: Callable[[str], Numbered]) -> Numbered:
    return numbered("ticks")


def fill(writer: WriterProcess, ticks: Numbered, *, keeps_journal: bool) -> None:
    """Record until segments were deleted, and all is verified."""
    while True:
        ticks.record(200)
        ticks.wait_stored()
        wait_verified(writer, ticks.producer)
        begin = writer.status()["journal"]
        if keeps_journal or (isinstance(begin, dict) and begin["begin"] > 0):
            return


REMOVALS = {
    "delete": "ALTER TABLE {table} DELETE WHERE seq < 100 SETTINGS mutations_sync = 2",
    "lightweight delete": "DELETE FROM {table} WHERE seq < 100",
    "partition": "ALTER TABLE {table} DROP PARTITION 0",
    "truncate": "TRUNCATE TABLE {table}",
    "drop": "DROP TABLE {table} SYNC",
}


@pytest.mark.parametrize("keeps_journal", [True, False], ids=["journal kept", "journal deleted"])
@pytest.mark.parametrize("removal", REMOVALS)
def test_what_the_owner_removed_after_it_was_stored_is_told_by_range_and_is_not_sent_again(
    removal: str,
    keeps_journal: bool,
    clickhouse_server: ClickHouse,
    client: Client,
    database: str,
    data_dir: Path,
    ticks: Numbered,
) -> None:
    with WriterProcess(data_dir, *kept_options(clickhouse_server.url, database, keeps_journal=keeps_journal)) as writer:
        writer.wait_running()
        if removal == "partition":
            ticks.record(1)
            ticks.wait_stored()
            ((shape,),) = client.query(
                f"SELECT create_table_query FROM system.tables WHERE database = '{database}' AND name = 'ticks'"
            ).result_rows
            client.command(f"DROP TABLE {ticks.table} SYNC")
            client.command(shape.replace(" ORDER BY", " PARTITION BY seq >= 100 ORDER BY"))
            writer.stop()
            (data_dir / "loader.json").unlink()
            writer.start().wait_running()
        fill(writer, ticks, keeps_journal=keeps_journal)
        found, code = audit(data_dir)
        assert (totals(found), found["complete"], code) == ((ticks.count, ticks.count, 0, 0, 0), True, 0)
        client.command(REMOVALS[removal].format(table=ticks.table))
        gone = ticks.count if removal in ("truncate", "drop") else 100
        for _ in range(2):
            ticks.record(10)  # they come, and what was removed does not
            wait_verified(writer, ticks.producer)
            found, code = audit(data_dir)
            assert totals(found) == (ticks.count, ticks.count - gone, 0, gone, 0)
            assert found["sessions"][0]["removed_ranges"] == [[0, gone]]
            assert (found["proven"], found["complete"], code) == (True, False, 3)
            writer.stop()
            writer.start().wait_running()
        said = ringbuf("audit", "--data-dir", str(data_dir))
        assert said.returncode == 3
        assert f"stored once and removed since, ring-ticks, session {ticks.producer.session:016x}: [0, {gone})" in (
            said.stdout
        )
        writer.stop()


def test_what_was_removed_comes_again_on_request_as_far_as_the_journal_has_it(
    clickhouse_server: ClickHouse, client: Client, database: str, data_dir: Path, ticks: Numbered
) -> None:
    with WriterProcess(data_dir, *kept_options(clickhouse_server.url, database, keeps_journal=True)) as writer:
        writer.wait_running()
        fill(writer, ticks, keeps_journal=True)
        client.command(f"TRUNCATE TABLE {ticks.table}")
        writer.stop()
        assert audit(data_dir)[1] == 3
        (data_dir / "loader.json").unlink()
        assert totals(audit(data_dir)[0]) == (ticks.count, 0, ticks.count, 0, 0)
        writer.start().wait_running()
        ticks.wait_stored()
        writer.stop()
    assert audit(data_dir)[1] == 0
    ticks.check()


def test_a_writer_killed_before_it_deletes_what_it_has_noted_forgets_nothing_of_it(
    clickhouse_server: ClickHouse, client: Client, database: str, data_dir: Path, ticks: Numbered
) -> None:
    options = kept_options(clickhouse_server.url, database, keeps_journal=False)
    for step in (Step.VERIFIED_NOTED, Step.SEGMENT_REMOVED):
        with WriterProcess(data_dir, *options).start(kill_at=(step, 1)) as writer:
            while writer.is_alive:
                ticks.record(20)
                time.sleep(0.02)
            writer.wait_killed()
            writer.start().wait_running()
            ticks.wait_stored()
            writer.stop()
    client.command(f"TRUNCATE TABLE {ticks.table}")
    found, code = audit(data_dir)
    assert (totals(found), code) == ((ticks.count, 0, 0, ticks.count, 0), 3)


def test_what_was_never_stored_is_lost_also_if_its_segment_comes_back_later(
    clickhouse_server: ClickHouse, client: Client, database: str, data_dir: Path, ticks: Numbered
) -> None:
    target = kept_options(clickhouse_server.url, database, keeps_journal=True)
    with WriterProcess(data_dir, *target) as writer:
        writer.wait_running()
        ticks.record(10)
        ticks.wait_stored()
        wait_verified(writer, ticks.producer)
        ticks.spoil()
        while len(list((data_dir / "journal").glob("*.journal"))) < 4:
            ticks.record(100)
            wait_until(lambda: ticks.producer.lag == 0, "the ring is drained")
        writer.stop()
        (_, second, *_) = sorted((data_dir / "journal").glob("*.journal"))
        second.rename(data_dir / "aside")
        ticks.mend()
        writer.start().wait_running()
        wait_verified(writer, ticks.producer)
        writer.stop()
    found, code = audit(data_dir)
    missing = found["totals"]["lost"]
    assert missing > 0
    assert code == 1
    (data_dir / "aside").rename(second)
    found, code = audit(data_dir)
    assert (totals(found), code) == ((ticks.count, ticks.count - missing, 0, 0, missing), 1)
