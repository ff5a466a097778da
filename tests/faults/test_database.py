"""The database dies, refuses, forgets, or is changed by somebody else while a writer stores into it."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.state import quarantine
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.quarantine import Entry
from tests.clickhouse_server import PASSWORD, WRITER, ClickHouseServer
from tests.recorded import COMPARED, Recorded, check_stored, recording, wait_rows, wait_stored
from tests.writer_process import PatchedWriter, WriterProcess


@pytest.fixture
def writer(data_dir: Path, clickhouse_server: ClickHouse, database: str) -> Iterator[WriterProcess]:
    """A writer on the server all tests share, running."""
    arguments = ["--clickhouse", clickhouse_server.url, "--database", database, "--flush-ms", "10"]
    with WriterProcess(data_dir, *arguments) as writer:
        yield writer.wait_running()


@pytest.fixture
def admin(clickhouse_server: ClickHouse) -> Iterator[Client]:
    """Somebody else on the server all tests share."""
    with clickhouse_server.client() as client:
        yield client


def sink_error(writer: WriterProcess) -> str:
    """What the status says is wrong with the database."""
    sink = writer.status()["sink"]
    assert isinstance(sink, dict)
    return str(sink["error"])


def wait_checkpoint(writer: WriterProcess) -> None:
    """Wait until the database is known to have all of the journal."""

    def is_reached() -> bool:
        journal = writer.status()["journal"]
        return isinstance(journal, dict) and journal["checkpoint"] == journal["durable"]

    wait_until(is_reached, "the checkpoint is at the journal's end")


def test_a_server_killed_again_and_again_under_load_loses_and_doubles_nothing(
    new_clickhouse_server: Callable[[], ClickHouseServer], data_dir: Path
) -> None:
    server = new_clickhouse_server()
    pause = threading.Event()
    rings = [Recorded("a"), Recorded("b")]
    with WriterProcess(data_dir, "--clickhouse", server.url, "--database", "db", "--flush-ms", "5") as writer:
        writer.wait_running()
        with recording(*rings):
            for number in range(8):
                pause.wait(0.1 + 0.013 * number)
                server.kill()
                server.start()
        writer.stop()
    with server.client() as client:
        check_stored(client, "db", *rings)


NO_SPACE = """
    <storage_configuration><disks><default>
        <keep_free_space_bytes>1000000000000000</keep_free_space_bytes>
    </default></disks></storage_configuration>
</clickhouse>"""


@pytest.mark.parametrize(
    ("file", "good", "bad", "message"),
    [
        ("users.xml", f"<password>{PASSWORD}</password>", "<password>changed</password>", "check user and password"),
        ("users.xml", f"<{WRITER}>", f"<{WRITER}><profile>readonly</profile>", "this user may only read"),
        ("config.xml", "</clickhouse>", NO_SPACE, "NOT_ENOUGH_SPACE"),
    ],
    ids=["wrong password", "read-only user", "no space"],
)
def test_a_server_that_refuses_for_a_while_delays_and_loses_nothing(
    file: str,
    good: str,
    bad: str,
    message: str,
    new_clickhouse_server: Callable[[], ClickHouseServer],
    data_dir: Path,
) -> None:
    server = new_clickhouse_server()
    configuration = server.directory / file
    good_text = configuration.read_text()
    ring = Recorded("mm")
    environment = {"RINGBUF_CLICKHOUSE_USER": WRITER, "RINGBUF_CLICKHOUSE_PASSWORD": PASSWORD}
    arguments = ["--clickhouse", server.url, "--database", "db", "--flush-ms", "10"]
    with WriterProcess(data_dir, *arguments, environment=environment) as writer:
        writer.wait_running()
        ring.record(10)
        wait_stored(server, "db", ring)
        for text in (good_text.replace(good, bad, 1), good_text):
            server.kill()
            configuration.write_text(text)
            server.start()
            ring.record(10)
            if text != good_text:
                wait_until(lambda: message in sink_error(writer), f"the writer says {message}")
                wait_until(lambda: ring.recorder.producer.lag == 0, "the ring is drained")
        wait_stored(server, "db", ring)
        writer.stop()
    assert PASSWORD not in writer.log
    with server.client() as client:
        check_stored(client, "db", ring)


def test_a_batch_is_one_part_so_that_it_is_stored_whole_or_not_at_all(
    clickhouse_server: ClickHouse, admin: Client, database: str, data_dir: Path
) -> None:
    ring = Recorded("mm", capacity=16_384)
    ring.record(12_000)  # before there is a writer, so that they are one batch
    with WriterProcess(data_dir, "--clickhouse", clickhouse_server.url, "--database", database) as writer:
        writer.wait_running().stop()
    parts = f"SELECT rows, min_block_number = max_block_number FROM system.parts WHERE database = '{database}'"
    assert admin.query(f"{parts} AND table = 'executions'").result_rows == [(12_000, 1)]


def test_a_table_dropped_under_load_is_made_again_and_gets_all_that_was_not_verified(
    writer: WriterProcess, admin: Client, clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    ring = Recorded("mm")
    pause = threading.Event()
    with recording(ring):
        for _ in range(3):
            wait_until(lambda: admin.query(f"EXISTS {database}.executions").result_rows == [(1,)], "there is a table")
            pause.wait(0.1)
            admin.command(f"DROP TABLE {database}.executions SYNC")
    wait_checkpoint(writer)
    (row,) = admin.query(f"SELECT count(), uniqExact(seq), max(seq) FROM {database}.executions").result_rows
    assert row[0] == row[1]
    assert row[2] == len(ring.expected) - 1
    writer.stop()
    (data_dir / "loader.json").unlink()
    writer.start().wait_running()
    writer.stop()
    check_stored(admin, database, ring)


def test_a_dropped_database_is_made_again_and_a_fresh_start_loads_the_whole_journal(
    writer: WriterProcess, admin: Client, clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    """What was verified is not sent again by itself. Without `loader.json` everything in the journal is in doubt."""
    ring = Recorded("mm")
    ring.record(20)
    wait_stored(clickhouse_server, database, ring)
    wait_checkpoint(writer)
    admin.command(f"DROP DATABASE {database} SYNC")
    ring.record(20)
    wait_rows(clickhouse_server, database, 20)
    assert admin.query(f"SELECT min(seq) FROM {database}.executions").result_rows == [(20,)]
    writer.stop()
    (data_dir / "loader.json").unlink()
    writer.start().wait_running()
    writer.stop()
    check_stored(admin, database, ring)
    assert admin.query(f"SELECT count() FROM {database}.sessions FINAL").result_rows == [(1,)]
    assert admin.query(f"SELECT count() FROM {database}.fills").result_rows == [(40,)]


def test_a_dropped_column_is_added_again(
    writer: WriterProcess, admin: Client, clickhouse_server: ClickHouse, database: str
) -> None:
    ring = Recorded("mm")
    ring.record(10)
    wait_stored(clickhouse_server, database, ring)
    wait_checkpoint(writer)
    for drop in (
        "DROP COLUMN stop_price",
        "DROP INDEX link_id_index, DROP COLUMN link_id, DROP COLUMN _link_id_raw",
        "DROP INDEX received_ns_index, DROP COLUMN received_ns",
    ):
        admin.command(f"ALTER TABLE {database}.executions {drop}")
        ring.record(10)
        wait_stored(clickhouse_server, database, ring)
    writer.stop()
    check_stored(admin, database, ring)


def test_a_column_of_another_type_keeps_its_records_waiting_until_it_is_mended(
    writer: WriterProcess, admin: Client, clickhouse_server: ClickHouse, database: str
) -> None:
    ring = Recorded("mm")
    ring.record(10)
    wait_stored(clickhouse_server, database, ring)
    admin.command(f"ALTER TABLE {database}.executions MODIFY COLUMN stop_price Float32")
    ring.record(10)
    wait_until(lambda: "column stop_price is Float32, expected Float64" in sink_error(writer), "the writer tells")
    wait_until(lambda: ring.recorder.producer.lag == 0, "the ring is drained")
    admin.command(f"ALTER TABLE {database}.executions MODIFY COLUMN stop_price Float64")
    wait_stored(clickhouse_server, database, ring)
    writer.stop()
    check_stored(admin, database, ring)


def test_records_a_constraint_forbids_are_quarantined_one_by_one_and_the_others_stored(
    writer: WriterProcess, admin: Client, clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    ring = Recorded("mm")
    ring.record(10)
    wait_stored(clickhouse_server, database, ring)
    admin.command(f"ALTER TABLE {database}.executions ADD CONSTRAINT small CHECK quantity < 900")
    ring.record(100)
    quantity = COMPARED.index("quantity")
    forbidden = {seq: row for seq, row in enumerate(ring.expected) if seq >= 10 and row[quantity] >= 900}
    assert 3 < len(forbidden) < 30
    wait_until(lambda: writer.status()["quarantined"] == len(forbidden), "the forbidden records are quarantined")
    wait_checkpoint(writer)
    writer.stop()
    stored = admin.query(f"SELECT seq, quantity FROM {database}.executions ORDER BY seq").result_rows
    assert stored == [(seq, row[quantity]) for seq, row in enumerate(ring.expected) if seq not in forbidden]
    entries = [entry for entry in quarantine.read(DataDirectory(data_dir).quarantine) if isinstance(entry, Entry)]
    assert {entry.first_seq for entry in entries} == set(forbidden)
    assert all("VIOLATED_CONSTRAINT" in entry.reason and "small" in entry.reason for entry in entries)


class WriterWithoutNames(PatchedWriter):
    """A writer for which no name resolves while the file `no-names` exists."""

    patch = """
        import socket
        from pathlib import Path
        resolve, sign = socket.getaddrinfo, Path(sys.argv[1], "no-names")

        def getaddrinfo(*arguments, **options):
            if sign.exists():
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            return resolve(*arguments, **options)

        socket.getaddrinfo = getaddrinfo
    """


class WriterThatFailsOnce(PatchedWriter):
    """A writer whose loader meets an error of our own when it stores sessions for the first time."""

    patch = """
        from ringbuf.sinks.clickhouse.sink import ClickHouseSink
        note_sessions = ClickHouseSink.note_sessions

        def fail(*_):
            ClickHouseSink.note_sessions = note_sessions
            raise AssertionError("once")

        ClickHouseSink.note_sessions = fail
    """


def test_a_loader_that_failed_starts_again_and_stores_records_and_their_session(
    clickhouse_server: ClickHouse, admin: Client, database: str, data_dir: Path
) -> None:
    ring = Recorded("mm")
    with WriterThatFailsOnce(data_dir, "--clickhouse", clickhouse_server.url, "--database", database) as writer:
        writer.wait_running()
        ring.record(20)
        wait_until(lambda: "AssertionError: once" in writer.log, "the loader fails")
        wait_stored(clickhouse_server, database, ring)
        sessions = f"SELECT session FROM `{database}`.sessions FINAL"
        wait_until(lambda: admin.query(sessions).result_rows == [(ring.session,)], "the session is stored")
        assert writer.is_alive
    check_stored(admin, database, ring)


def test_a_name_that_does_not_resolve_for_a_while_delays_and_loses_nothing(
    clickhouse_server: ClickHouse, admin: Client, database: str, data_dir: Path
) -> None:
    ring = Recorded("mm")
    url = f"http://localhost:{clickhouse_server.http_port}"
    with WriterWithoutNames(data_dir, "--clickhouse", url, "--database", database, "--flush-ms", "10") as writer:
        writer.wait_running()
        ring.record(10)
        wait_stored(clickhouse_server, database, ring)
        (data_dir / "no-names").touch()
        writer.kill()  # else its connection would live on
        writer.start().wait_running()
        ring.record(10)
        wait_until(lambda: "name resolution" in sink_error(writer), "the writer says what is wrong")
        wait_until(lambda: ring.recorder.producer.lag == 0, "the ring is drained")
        (data_dir / "no-names").unlink()
        wait_stored(clickhouse_server, database, ring)
        writer.stop()
    check_stored(admin, database, ring)
