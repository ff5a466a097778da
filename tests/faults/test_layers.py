"""A writer that runs makes what is lost of orders, fills and sums again, by itself or when it is asked to."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from clickhouse_connect.driver.exceptions import DatabaseError

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.tools.cli import main
from tests.recorded import Recorded, check_derived
from tests.writer_process import WriterProcess

COUNT = 50


def fills_of(server: ClickHouse, database: str) -> int:
    try:
        ((count,),) = server.rows(f"SELECT count() FROM {database}.fills")
    except DatabaseError:
        return -1  # the writer has not made it yet
    return int(count)


@pytest.mark.parametrize("table", ["unique_fills", "unique_orders", "derived"])
def test_a_table_that_is_emptied_under_a_running_writer_is_made_again(
    table: str, clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    ring = Recorded("ring")
    with WriterProcess(data_dir, "--clickhouse", clickhouse_server.url, "--database", database).start() as writer:
        writer.wait_running()
        ring.record(COUNT)
        wait_until(lambda: fills_of(clickhouse_server, database) == COUNT, "fills", 30)
        clickhouse_server.command(f"TRUNCATE TABLE {database}.{table}")
        ring.record(COUNT)
        wait_until(lambda: fills_of(clickhouse_server, database) == 2 * COUNT, "fills made again", 60)
        writer.stop()
    with clickhouse_server.client() as client:
        check_derived(client, database, ring)


def test_rebuild_has_everything_derived_again_while_records_come(
    clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    ring = Recorded("ring")
    with WriterProcess(data_dir, "--clickhouse", clickhouse_server.url, "--database", database).start() as writer:
        writer.wait_running()
        ring.record(COUNT)
        wait_until(lambda: fills_of(clickhouse_server, database) == COUNT, "fills", 30)
        clickhouse_server.command(
            f"ALTER TABLE {database}.unique_fills DELETE WHERE trade_id LIKE 't-1%' SETTINGS mutations_sync = 2"
        )
        assert 0 < fills_of(clickhouse_server, database) < COUNT
        ring.record(COUNT)
        done = CliRunner().invoke(main, ["rebuild", "--data-dir", str(data_dir)])
        assert done.exit_code == 0, done.output
        assert "all orders, fills and sums are derived again" in done.output
        writer.stop()
    with clickhouse_server.client() as client:
        check_derived(client, database, ring)


def test_without_a_writer_rebuild_is_done_by_the_next_one(
    clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    ring = Recorded("ring")
    writer = WriterProcess(data_dir, "--clickhouse", clickhouse_server.url, "--database", database)
    with writer.start():
        writer.wait_running()
        ring.record(COUNT)
        writer.stop()
    clickhouse_server.command(
        f"ALTER TABLE {database}.unique_fills DELETE WHERE trade_id LIKE 't-1%' SETTINGS mutations_sync = 2"
    )
    asked = CliRunner().invoke(main, ["rebuild", "--data-dir", str(data_dir)])
    assert asked.exit_code == 0 and "the next one does it when it starts" in asked.output
    with writer.start():
        writer.wait_running()
        wait_until(lambda: fills_of(clickhouse_server, database) == COUNT, "fills derived again", 30)
        writer.stop()
    with clickhouse_server.client() as client:
        check_derived(client, database, ring)


def test_rebuild_of_a_directory_that_never_had_a_writer_says_so(tmp_path: Path) -> None:
    asked = CliRunner().invoke(main, ["rebuild", "--data-dir", str(tmp_path)])
    assert asked.exit_code == 2 and "no data directory of a writer" in asked.output
    assert not any(tmp_path.iterdir())
