"""The audit on a real database: finds exactly what is missing, and nothing that is only on its way."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from clickhouse_connect.driver.client import Client

from ringbuf import Producer, Schema
from ringbuf.audit.places import BUCKET, Stored, look_at_database
from ringbuf.audit.reconciliation import reconcile
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.query.database import Database, open_database
from ringbuf.record.seqs import Range
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.quarantine import Quarantine
from ringbuf.tools.cli import main
from tests.clickhouse_server import ClickHouseServer
from tests.command import RINGBUF, ringbuf
from tests.recorded import Recorded, recording, wait_stored
from tests.writer_process import WriterProcess

KEY = "session, seq"


@pytest.fixture
def client(clickhouse_server: ClickHouse) -> Iterator[Client]:
    with clickhouse_server.client() as client:
        yield client


@pytest.fixture
def asked(client: Client, database: str) -> Database:
    """The database as the audit asks it."""
    client.command(f"CREATE DATABASE {database}")
    return Database(database, lambda statement: [client.raw_query(statement, fmt="JSONEachRow")])


def create(client: Client, database: str, table: str = "executions", key: str = KEY) -> str:
    """A table with nothing but what identifies a record; returns its name."""
    name = f"{database}.{table}"
    client.command(
        f"CREATE TABLE {name} (session UInt64, seq UInt64, copy UInt8) ENGINE = ReplacingMergeTree ORDER BY ({key})"
    )
    client.command(f"SYSTEM STOP MERGES {name}")
    return name


def insert(client: Client, table: str, session: int, begin: int, end: int, copy: int = 0, where: str = "1") -> None:
    client.command(
        f"INSERT INTO {table} SELECT {session}, number, {copy} FROM numbers({begin}, {end - begin}) WHERE {where}"
    )


def look(asked: Database) -> dict[int, Stored]:
    return look_at_database(asked, ["executions"])["executions"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def audit(data_dir: Path) -> tuple[dict[str, Any], int]:
    result = run("audit", "--json", "--data-dir", str(data_dir))
    assert result.stderr == ""
    return json.loads(result.stdout), result.exit_code


# What the database says


def test_runs_of_stored_records_are_found_to_the_seq_across_buckets(client: Client, asked: Database) -> None:
    table = create(client, asked.name)
    gaps = [(0, 3), (10, 11), (BUCKET - 1, BUCKET + 1), (2 * BUCKET - 2, 2 * BUCKET), (3 * BUCKET, 5 * BUCKET)]
    present = " AND ".join(f"NOT (number >= {begin} AND number < {end})" for begin, end in gaps)
    insert(client, table, 2**64 - 1, 0, 6 * BUCKET + 5, where=present)
    insert(client, table, 7, 0, BUCKET)
    found = look(asked)
    assert found[7].seqs.ranges == (Range(7, 0, BUCKET),)
    assert [(each.first_seq, each.end) for each in found[2**64 - 1].seqs.ranges] == [
        (3, 10),
        (11, BUCKET - 1),
        (BUCKET + 1, 2 * BUCKET - 2),
        (2 * BUCKET, 3 * BUCKET),
        (5 * BUCKET, 6 * BUCKET + 5),
    ]
    assert all((each.raw_duplicates, each.doubled) == (0, 0) for each in found.values())


def test_every_second_record_missing_in_many_buckets_is_found(client: Client, asked: Database) -> None:
    table = create(client, asked.name)
    client.command(f"INSERT INTO {table} SELECT 7, number * {BUCKET // 4} + number % 2, 0 FROM numbers(6000)")
    assert look(asked)[7].seqs.ranges == tuple(
        Range(7, number * (BUCKET // 4) + number % 2, 1) for number in range(6000)
    )


def test_copies_that_final_hides_are_raw_duplicates_and_others_are_doubled(client: Client, asked: Database) -> None:
    hidden = create(client, asked.name)
    insert(client, hidden, 7, 0, 100)
    insert(client, hidden, 7, 90, 110)
    assert look(asked)[7].seqs.ranges == (Range(7, 0, 110),)
    assert (look(asked)[7].raw_duplicates, look(asked)[7].doubled) == (10, 0)
    client.command(f"DROP TABLE {hidden} SYNC")
    visible = create(client, asked.name, key="session, seq, copy")
    insert(client, visible, 7, 0, 100)
    insert(client, visible, 7, 90, 110, copy=1)
    assert (look(asked)[7].raw_duplicates, look(asked)[7].doubled) == (10, 10)


def test_doubled_records_fail_the_audit_and_raw_duplicates_do_not(
    client: Client, asked: Database, namespace: str, tmp_path: Path
) -> None:
    table = create(client, asked.name, "ticks", key="session, seq, copy")
    with Producer.open("mm", Schema.define("ticks", [("value", "u8")]), capacity=4) as producer:
        producer.append(value=1)
        insert(client, table, producer.session, 0, 1)
        insert(client, table, producer.session, 0, 1)
        found = reconcile(tmp_path, namespace, asked)
        assert found.is_proven
        assert found.accounts[0].raw_duplicates == 1
        insert(client, table, producer.session, 0, 1, copy=1)
        assert not reconcile(tmp_path, namespace, asked).is_proven


def test_a_table_set_aside_by_its_owner_does_not_stand_for_the_real_one(
    client: Client, asked: Database, namespace: str, tmp_path: Path
) -> None:
    old, new = create(client, asked.name, "ticks_old"), create(client, asked.name, "ticks")
    with Producer.open("mm", Schema.define("ticks", [("value", "u8")]), capacity=4) as producer:
        producer.append(value=1)
        insert(client, old, producer.session, 0, 1)
        (account,) = reconcile(tmp_path, namespace, asked).accounts
        assert (account.stored.count, account.pending.count) == (0, 1)
        insert(client, new, producer.session, 0, 1)
        (account,) = reconcile(tmp_path, namespace, asked).accounts
        assert (account.stored.count, account.pending.count) == (1, 0)


def test_a_ring_that_cannot_be_read_leaves_the_audit_unproven(asked: Database, namespace: str, tmp_path: Path) -> None:
    Path(f"/dev/shm/ringbuf.{namespace}.foreign").write_bytes(b"no ring at all")
    found = reconcile(tmp_path, namespace, asked)
    assert not found.is_proven
    assert found.problems[0].startswith("ring 'foreign' is not a ring")


# From ring to database


@pytest.fixture
def start(clickhouse_server: ClickHouse, database: str, data_dir: Path) -> Callable[[], WriterProcess]:
    return lambda: WriterProcess(data_dir, "--clickhouse", clickhouse_server.url, "--database", database)


def test_the_audit_is_proven_while_the_writer_runs_and_after_it_stopped(
    start: Callable[[], WriterProcess], data_dir: Path
) -> None:
    ring = Recorded("mm")
    ring.record(500)
    with start() as writer:
        writer.wait_running()
        wait_until(lambda: audit(data_dir)[0]["totals"]["stored"] == 500, "all is stored")
        writer.stop()
    found, code = audit(data_dir)
    assert (code, found["proven"], found["problems"]) == (0, True, [])
    (session,) = found["sessions"]
    assert session == {
        "session": ring.session,
        "ring": "mm",
        "host": session["host"],
        "schema": "executions",
        "recorded": 500,
        "stored": 500,
        "pending": 0,
        "quarantined": 0,
        "removed": 0,
        "removed_ranges": [],
        "expired": 0,
        "retired": 0,
        "lost": 0,
        "gaps": [],
        "doubled": 0,
        "raw_duplicates": 0,
        "dropped": 0,
        "rejected": 0,
        "flagged": 0,
        "ending": "open",
        "lost_ring": None,
    }
    human = run("audit", "--data-dir", str(data_dir))
    assert human.stdout.splitlines()[-1] == "PROVEN: nothing is lost, nothing is doubled."


def test_records_deleted_from_the_database_are_removed_and_lost_ones_lost_both_named_to_the_seq(
    client: Client,
    clickhouse_server: ClickHouse,
    database: str,
    start: Callable[[], WriterProcess],
    data_dir: Path,
) -> None:
    ring = Recorded("mm")
    ring.record(500)
    with start() as writer:
        wait_stored(clickhouse_server, database, ring)
        writer.stop()
    client.command(f"DELETE FROM {database}.executions WHERE seq IN (0, 7, 8, 499)")
    quarantine = Quarantine(DataDirectory(data_dir).quarantine)
    schema = ring.recorder.producer.schema
    quarantine.add_records(schema, Range(ring.session, 8, 1), bytes(schema.record_size), "refused")
    found, code = audit(data_dir)
    assert (code, found["proven"], found["complete"]) == (3, True, False)
    (session,) = found["sessions"]
    assert (session["stored"], session["quarantined"], session["removed"], session["lost"]) == (496, 1, 3, 0)
    assert session["removed_ranges"] == [[0, 1], [7, 8], [499, 500]]
    human = run("audit", "--data-dir", str(data_dir))
    assert human.exit_code == 3
    assert (
        f"stored once and removed since, mm, session {ring.session:016x}: [0, 1), [7, 8), [499, 500)\n" in human.stdout
    )
    last = "PROVEN: nothing is lost, nothing is doubled; but 3 records were stored once and have been removed from the"
    assert human.stdout.splitlines()[-1] == f"{last} database since."
    for segment in DataDirectory(data_dir).journal.iterdir():
        segment.unlink()  # now nothing says that they were stored
    found, code = audit(data_dir)
    assert (code, found["proven"], found["complete"]) == (1, False, True)
    (session,) = found["sessions"]
    assert (session["stored"], session["quarantined"], session["removed"], session["lost"]) == (496, 1, 0, 3)
    assert session["gaps"] == [[0, 1], [7, 8], [499, 500]]
    human = run("audit", "--data-dir", str(data_dir))
    assert human.exit_code == 1
    assert f"lost of mm, session {ring.session:016x}: [0, 1), [7, 8), [499, 500)\n" in human.stdout
    assert human.stdout.splitlines()[-1] == "NOT PROVEN: 3 records are lost."


def test_of_a_ring_that_is_gone_the_journal_still_tells_what_was_there(
    client: Client,
    clickhouse_server: ClickHouse,
    database: str,
    start: Callable[[], WriterProcess],
    data_dir: Path,
) -> None:
    ring = Recorded("mm")
    ring.record(50)
    with start() as writer:
        wait_stored(clickhouse_server, database, ring)
        writer.stop()
    ring.close()
    assert run("rm", "mm").exit_code == 0
    client.command(f"DELETE FROM {database}.executions WHERE seq >= 40")
    found, code = audit(data_dir)
    (session,) = found["sessions"]
    assert (code, session["ring"], session["removed_ranges"], session["dropped"]) == (1, "mm", [[40, 50]], None)


def test_what_waits_for_a_database_that_was_away_is_pending(
    new_clickhouse_server: Callable[[], ClickHouseServer], data_dir: Path
) -> None:
    server = new_clickhouse_server()
    ring = Recorded("mm")
    ring.record(100)
    with WriterProcess(data_dir, "--clickhouse", server.url, "--database", "ringbuf") as writer:
        writer.wait_running()
        wait_until(lambda: audit(data_dir)[0]["totals"]["stored"] == 100, "all is stored")
        server.kill()
        ring.record(50)
        wait_until(lambda: ring.recorder.producer.lag == 0, "all is journaled")
        away = run("audit", "--data-dir", str(data_dir))
        assert (away.exit_code, away.stdout, away.stderr.count("\n")) == (1, "", 1)
        writer.kill()
    server.start()
    ring.record(25)
    found, code = audit(data_dir)
    assert (code, found["proven"]) == (0, True)
    assert {name: found["totals"][name] for name in ("recorded", "stored", "pending", "lost")} == {
        "recorded": 175,
        "stored": 100,
        "pending": 75,
        "lost": 0,
    }


def test_on_a_running_system_nothing_in_flight_counts_as_lost(
    start: Callable[[], WriterProcess], data_dir: Path, namespace: str
) -> None:
    rings = [Recorded(f"mm-{number}") for number in range(3)]
    stored = []
    with start() as writer:
        writer.wait_running()
        with recording(*rings), open_database(data_dir) as asked:
            for _ in range(10):
                found = reconcile(data_dir, namespace, asked)
                assert found.is_proven, [(each.session, each.lost, each.doubled) for each in found.accounts]
                stored.append(sum(each.stored.count for each in found.accounts))
    assert stored == sorted(stored)
    assert stored[-1] > stored[0], "nothing moved, so nothing was in flight"


def test_sql_and_audit_ask_the_writer_while_it_runs_and_the_embedded_database_after_it(data_dir: Path) -> None:
    Recorded("mm").record(3)
    statement = "SELECT seq, symbol FROM executions FINAL ORDER BY seq"
    expected = [{"seq": number, "symbol": "BTC-PERPETUAL"} for number in range(3)]
    with WriterProcess(data_dir) as writer:
        writer.wait_running()
        wait_until(lambda: audit(data_dir)[0]["totals"]["stored"] == 3, "all is stored")
        asked = run("sql", statement, "--data-dir", str(data_dir), "--json")
        assert [json.loads(line) for line in asked.stdout.splitlines()] == expected
        table = run("sql", statement, "--data-dir", str(data_dir)).stdout
        assert [line.split() for line in table.splitlines()[:2]] == [["seq", "symbol"], ["0", "BTC-PERPETUAL"]]
        assert run("sql", "SELECT 1 WHERE 0", "--data-dir", str(data_dir)).stdout == "(no rows)\n"
        writer.stop()
    # In processes of their own: the embedded database stays in the process that opened it.
    for arguments in (("sql", statement, "--json"), ("audit",)):
        answered = ringbuf(*arguments, "--data-dir", str(data_dir))
        assert (answered.stderr, answered.returncode) == ("", 0)
        assert '"BTC-PERPETUAL"' in answered.stdout or "PROVEN: nothing is lost" in answered.stdout


def test_a_reader_that_goes_away_is_noticed_although_output_is_unbuffered(
    start: Callable[[], WriterProcess], data_dir: Path
) -> None:
    statement = "SELECT number FROM numbers(200000)"
    with start() as writer:
        writer.wait_running()
        command = [RINGBUF, "sql", statement, "--data-dir", str(data_dir), "--json"]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
            assert process.stdout is not None and process.stderr is not None
            assert process.stdout.readline() == b'{"number":0}\n'
            process.stdout.close()
            assert (process.stderr.read(), process.wait()) == (b"", 141)


def test_text_that_is_none_is_shown_and_json_stays_utf_8(start: Callable[[], WriterProcess], data_dir: Path) -> None:
    command = ("sql", "SELECT unhex('ff61') AS x, 'INTO OUTFILE' AS y", "--data-dir", str(data_dir))
    with start() as writer:
        writer.wait_running()
        results = [run(*command), run(*command, "--json")]
    assert [result.exit_code for result in results] == [0, 0]
    assert json.loads(results[1].stdout) == {"x": "\ufffda", "y": "INTO OUTFILE"}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT no_such_column",
        "DROP TABLE executions",
        "nonsense",
        "SELECT 1; SELECT 2",
        "SELECT 1 INTO OUTFILE '/dev/shm/ringbuf-test-outfile'",
        "SELECT 1 into /* */ outfile '/dev/shm/ringbuf-test-outfile' TRUNCATE",
    ],
)
def test_what_the_database_refuses_is_one_line_and_changes_nothing(
    statement: str, start: Callable[[], WriterProcess], data_dir: Path
) -> None:
    Recorded("mm").record(3)
    command = ("sql", statement, "--data-dir", str(data_dir))
    with start() as writer:
        writer.wait_running()
        results = [run(*command)]
        writer.stop()
    results.append(run(*command))
    for result in results:
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
        assert result.stderr.startswith("ringbuf: ")
    assert audit(data_dir)[0]["totals"]["stored"] == 3
    assert not Path("/dev/shm/ringbuf-test-outfile").exists()
