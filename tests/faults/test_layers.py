"""A writer that runs makes what is lost of orders, fills and sums again, by itself or when it is asked to."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE

import pytest
from click.testing import CliRunner, Result
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from ringbuf.launch.waiting import wait_until
from ringbuf.tools.cli import main
from tests.command import RINGBUF
from tests.recorded import Recorded, check_derived
from tests.writer_process import WriterProcess

COUNT = 50
DAMAGE = "ALTER TABLE {}.unique_fills DELETE WHERE trade_id LIKE 't-1%' SETTINGS mutations_sync = 2"


@pytest.fixture
def wait_fills(client: Client, database: str) -> Callable[[int], None]:
    """Waits until there are so many fills."""

    def fills() -> int:
        try:
            return int(client.query(f"SELECT count() FROM {database}.fills").result_rows[0][0])
        except DatabaseError:
            return -1  # the writer has not made it yet

    return lambda count: wait_until(lambda: fills() == count, f"{count} fills", 60)


@pytest.fixture
def ring(writer: WriterProcess, wait_fills: Callable[[int], None], client: Client, database: str) -> Iterator[Recorded]:
    """A ring of which a running writer has derived `COUNT` fills; in the end there are all that were recorded."""
    recorded = Recorded("ring")
    recorded.record(COUNT)
    wait_fills(COUNT)
    yield recorded
    writer.stop()
    check_derived(client, database, recorded)


def rebuild(data_dir: Path) -> Result:
    return CliRunner().invoke(main, ["rebuild", "--data-dir", str(data_dir)])


@pytest.mark.parametrize("table", ["unique_fills", "unique_orders", "derived"])
def test_a_table_that_is_emptied_under_a_running_writer_is_made_again(
    table: str, ring: Recorded, wait_fills: Callable[[int], None], client: Client, database: str
) -> None:
    client.command(f"TRUNCATE TABLE {database}.{table}")
    ring.record(COUNT)
    wait_fills(2 * COUNT)


def test_rows_that_somebody_deletes_under_a_running_writer_are_made_again(
    ring: Recorded, wait_fills: Callable[[int], None], client: Client, database: str
) -> None:
    time.sleep(1.1)  # the server tells in whole seconds when it was
    client.command(DAMAGE.format(database))
    wait_fills(COUNT)


def test_rebuild_has_everything_derived_again_while_records_come(
    ring: Recorded, client: Client, database: str, data_dir: Path
) -> None:
    client.command(DAMAGE.format(database))
    ring.record(COUNT)
    done = rebuild(data_dir)
    assert (done.exit_code, "all orders, fills and sums are derived again" in done.output) == (0, True)


def test_without_a_writer_rebuild_is_done_by_the_next_one(
    ring: Recorded,
    writer: WriterProcess,
    wait_fills: Callable[[int], None],
    client: Client,
    database: str,
    data_dir: Path,
) -> None:
    writer.stop()
    client.command(DAMAGE.format(database))
    asked = rebuild(data_dir)
    assert (asked.exit_code, "the next one does it when it starts" in asked.output) == (0, True)
    writer.start().wait_running()
    wait_fills(COUNT)


def test_rebuild_says_what_keeps_the_writer_from_going_on_and_ends_when_that_is_mended(
    ring: Recorded, client: Client, database: str, data_dir: Path
) -> None:
    client.command(f"DROP TABLE {database}.buckets SYNC")
    client.command(f"CREATE VIEW {database}.buckets AS SELECT 1 AS mine")
    command = [RINGBUF, "rebuild", "--data-dir", str(data_dir)]
    with subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True) as asked:
        assert asked.stderr is not None
        assert any("the writer cannot go on" in line and "engine is View" in line for line in asked.stderr)
        client.command(f"DROP VIEW {database}.buckets SYNC")
        output, _ = asked.communicate(timeout=60)
    assert (asked.returncode, "all orders, fills and sums are derived again" in output) == (0, True)


def test_rebuild_of_a_directory_that_never_had_a_writer_says_so(tmp_path: Path) -> None:
    asked = rebuild(tmp_path)
    assert (asked.exit_code, "no data directory of a writer" in asked.output) == (2, True)
    assert not any(tmp_path.iterdir())
