"""One schema's trouble holds up no other: it keeps its place alone, is named, and catches up when it is mended."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from ringbuf.journal.step import Step
from ringbuf.launch.clickhouse_server import ClickHouse, find_engine
from tests.clickhouse_server import NO_ENGINE, ClickHouseServer
from tests.command import ringbuf
from tests.numbered import Numbered, is_all_verified, stragglers, wait_behind, wait_caught_up
from tests.recorded import Recorded, check_stored, recording, wait_stored
from tests.writer_process import QUICK, WriterProcess


def test_a_schema_in_trouble_is_named_and_the_others_go_on(
    writer: WriterProcess,
    numbered: Callable[[str], Numbered],
    clickhouse_server: ClickHouse,
    client: Client,
    database: str,
    data_dir: Path,
) -> None:
    ring, ticks = Recorded("mm"), numbered("ticks")
    writer.start().wait_running()
    ring.record(10)
    ticks.record(10)
    wait_stored(clickhouse_server, database, ring)
    writer.wait_until(lambda: is_all_verified(writer, 20), "find everything in the database")
    ticks.spoil()
    before_ns = time.time_ns()
    ticks.record(700)
    wait_behind(writer, "ticks")
    for _ in range(5):
        ring.record(100)
        ticks.record(100)
        wait_stored(clickhouse_server, database, ring)
    writer.wait_until(lambda: stragglers(writer)["ticks"]["records"] == 1_200, "count what waits")
    straggler = stragglers(writer)["ticks"]
    assert "column number is UInt32, expected UInt64" in straggler["reason"]
    assert f"ALTER TABLE {ticks.table} MODIFY COLUMN number UInt64" in straggler["hint"]
    assert "RENAME TABLE" in straggler["hint"]
    assert before_ns < straggler["since_ns"] < time.time_ns()
    assert writer.status()["sink"]["reachable"]
    audit = json.loads(ringbuf("audit", "--json", "--data-dir", str(data_dir)).stdout)
    assert audit["proven"]
    assert audit["stragglers"] == [straggler]
    assert "1,200 records pending: " in ringbuf("audit", "--data-dir", str(data_dir)).stdout
    segments = data_dir / "journal"
    assert sum(each.stat().st_size for each in segments.iterdir()) > 900_000, "what it needs is kept"
    ticks.mend()
    ticks.wait_stored()
    wait_caught_up(writer)
    writer.wait_until(lambda: len(list(segments.iterdir())) < 3, "give up what was kept for it")
    ticks.record(100)
    ring.record(100)
    writer.stop()
    ticks.check()
    check_stored(client, database, ring)
    assert json.loads((data_dir / "loader.json").read_bytes())["state"]["stragglers"] == {}


def test_a_straggler_catches_up_under_load_and_in_order(
    writer: WriterProcess, numbered: Callable[[str], Numbered], client: Client, database: str
) -> None:
    """Whoever reads the table meanwhile sees a beginning without gaps."""
    ring, ticks = Recorded("mm"), numbered("ticks")
    writer.start(kill_at=(Step.STRAGGLER_MOVED, 1 << 30)).wait_running()  # with small limits, and never
    ticks.record(1)
    ticks.wait_stored()
    ticks.spoil()
    seen: list[tuple[int, int]] = []
    counted = f"SELECT count(), max(seq) + 1 FROM {ticks.table}"
    with recording(ring):
        for _ in range(40):
            ticks.record(100)
            time.sleep(0.01)
        wait_behind(writer, "ticks")
        ticks.mend()
        while stragglers(writer):
            ticks.record(20)
            seen += [(int(a), int(b)) for a, b in client.query(counted).result_rows]
    writer.stop()
    assert all(count == end for count, end in seen), seen
    assert len({count for count, _ in seen}) > 2, "it caught up in several steps"
    ticks.check()
    check_stored(client, database, ring)


def test_of_two_stragglers_one_catches_up_while_the_other_waits(
    writer: WriterProcess,
    numbered: Callable[[str], Numbered],
    clickhouse_server: ClickHouse,
    client: Client,
    database: str,
) -> None:
    ring, ticks, quotes = Recorded("mm"), numbered("ticks"), numbered("quotes")
    writer.start().wait_running()
    for each in (ticks, quotes):
        each.record(1)
        each.wait_stored()
        each.spoil()
        each.record(500)
    wait_behind(writer, "ticks", "quotes")
    quotes.mend()
    quotes.wait_stored()
    writer.wait_until(lambda: stragglers(writer).keys() == {"ticks"}, "take one back")
    for any_ring in (ring, ticks, quotes):
        any_ring.record(50)
    quotes.wait_stored()
    wait_stored(clickhouse_server, database, ring)
    ticks.mend()
    writer.wait_until(lambda: not stragglers(writer), "take the other back")
    ticks.spoil()  # once more
    ticks.record(10)
    wait_behind(writer, "ticks")
    ticks.mend()
    wait_caught_up(writer)
    writer.stop()
    ticks.check()
    quotes.check()
    check_stored(client, database, ring)


def test_a_straggler_stays_one_when_the_writer_stops_and_starts(
    writer: WriterProcess, numbered: Callable[[str], Numbered], client: Client, database: str
) -> None:
    ring, ticks = Recorded("mm"), numbered("ticks")
    writer.start().wait_running()
    ticks.record(1)
    writer.wait_until(lambda: is_all_verified(writer, 1), "find everything in the database")
    ticks.spoil()
    ticks.record(300)
    wait_behind(writer, "ticks")
    writer.stop()
    before = stragglers(writer)["ticks"]
    ring.record(100)
    ticks.record(100)
    writer.start().wait_running()
    writer.wait_until(lambda: stragglers(writer)["ticks"]["records"] == 400, "count what waits")
    assert stragglers(writer)["ticks"] == before | {"records": 400}
    writer.kill()
    writer.start().wait_running()
    writer.wait_until(lambda: stragglers(writer)["ticks"]["records"] == 400, "count what waits")
    ticks.mend()
    wait_caught_up(writer)
    writer.stop()
    ticks.check()
    check_stored(client, database, ring)


def test_a_straggler_that_was_mended_before_the_writer_stops_is_loaded_by_then(
    writer: WriterProcess, numbered: Callable[[str], Numbered]
) -> None:
    ticks = numbered("ticks")
    writer.start().wait_running()
    ticks.record(1)
    ticks.wait_stored()
    ticks.spoil()
    ticks.record(300)
    wait_behind(writer, "ticks")
    writer.wait_until(lambda: writer.status()["errors"].get("TableMismatch", 0) > 6, "try it seldom")
    ticks.mend()
    writer.stop()
    ticks.check()


def test_a_table_that_somebody_else_has_keeps_a_new_schema_waiting_and_nobody_else(
    writer: WriterProcess,
    numbered: Callable[[str], Numbered],
    clickhouse_server: ClickHouse,
    client: Client,
    database: str,
) -> None:
    ring, ticks = Recorded("mm"), numbered("ticks")
    writer.start().wait_running()
    client.command(f"CREATE VIEW {ticks.table} AS SELECT 1 AS x")
    ticks.record(100)
    ring.record(100)
    wait_behind(writer, "ticks")
    wait_stored(clickhouse_server, database, ring)
    assert "engine is View" in stragglers(writer)["ticks"]["reason"]
    client.command(f"DROP VIEW {ticks.table}")
    wait_caught_up(writer)
    writer.stop()
    ticks.check()
    check_stored(client, database, ring)


def test_a_schema_whose_records_are_all_refused_keeps_nobody_waiting(
    writer: WriterProcess,
    numbered: Callable[[str], Numbered],
    clickhouse_server: ClickHouse,
    client: Client,
    database: str,
) -> None:
    """To find that out takes an insert or two for each record: meanwhile it is behind, and the others go on."""
    ring, ticks = Recorded("mm"), numbered("ticks")
    writer.start().wait_running()
    ticks.record(1)
    ticks.wait_stored()
    client.command(f"ALTER TABLE {ticks.table} ADD CONSTRAINT none CHECK number < 1")
    ticks.record(500)
    wait_behind(writer, "ticks")
    assert "VIOLATED_CONSTRAINT" in stragglers(writer)["ticks"]["reason"]
    assert "ringbuf resend" in stragglers(writer)["ticks"]["hint"]
    ring.record(100)
    wait_stored(clickhouse_server, database, ring)
    client.command(f"ALTER TABLE {ticks.table} DROP CONSTRAINT none")
    wait_caught_up(writer)
    writer.stop()
    refused = writer.status()["quarantined"]
    assert 0 < refused < 500
    query = f"SELECT count(), uniqExact(seq) FROM {ticks.table}"
    assert client.query(query).result_rows == [(ticks.count - refused, ticks.count - refused)]
    check_stored(client, database, ring)


def test_sessions_that_cannot_be_stored_keep_no_record_waiting(
    writer: WriterProcess, clickhouse_server: ClickHouse, client: Client, database: str
) -> None:
    ring = Recorded("mm")
    writer.start().wait_running()
    client.command(f"RENAME TABLE {database}.sessions TO {database}.sessions_kept")
    client.command(f"CREATE VIEW {database}.sessions AS SELECT 1 AS x")
    ring.record(100)
    wait_stored(clickhouse_server, database, ring)
    writer.wait_until(lambda: is_all_verified(writer, 100), "move the checkpoint")
    writer.wait_until(lambda: "sessions: engine is View" in str(writer.status()["sink"]["error"]), "say what is wrong")
    assert writer.status()["sink"]["reachable"]
    client.command(f"DROP VIEW {database}.sessions")
    client.command(f"RENAME TABLE {database}.sessions_kept TO {database}.sessions")
    sessions = f"SELECT session FROM {database}.sessions FINAL"
    writer.wait_until(lambda: client.query(sessions).result_rows == [(ring.session,)], "store the session")
    writer.stop()
    check_stored(client, database, ring)


class ServerWithGrants(ClickHouseServer):
    """A server whose user `desk` has the rights that its file of users grants."""

    def allow(self, *rights: str) -> None:
        """Start it anew with these rights of the user."""
        listed = "".join(f"<query>{each}</query>" for each in rights)
        networks = "<password/><networks><ip>127.0.0.1</ip></networks>"
        self.kill()
        (self.directory / "users.xml").write_text(
            f"""<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users>
            <default>{networks}</default><desk>{networks}<grants>{listed}</grants></desk>
            </users></clickhouse>"""
        )
        self.start()


def test_a_table_that_the_user_may_not_write_keeps_its_schema_waiting_until_the_right_is_granted(
    tmp_path_factory: pytest.TempPathFactory, data_dir: Path
) -> None:
    everything = "GRANT ALL ON *.*"
    server = ServerWithGrants(find_engine() or pytest.skip(NO_ENGINE), tmp_path_factory.mktemp("clickhouse"))
    server.start()
    server.allow(everything, "REVOKE INSERT ON db.ticks")
    url = f"http://desk@{server.host}:{server.http_port}"
    ring = Recorded("mm")
    with server.client() as client, WriterProcess(data_dir, "--clickhouse", url, "--database", "db", *QUICK) as writer:
        ticks = Numbered("ticks", client, "db")
        writer.wait_running()
        ticks.record(100)
        ring.record(100)
        wait_behind(writer, "ticks")
        wait_stored(server, "db", ring)
        assert "ACCESS_DENIED" in stragglers(writer)["ticks"]["reason"]
        assert stragglers(writer)["ticks"]["hint"] == "grant the user what is missing"
        server.allow(everything)
        ticks.record(100)
        ring.record(100)
        ticks.wait_stored()
        wait_caught_up(writer)
        writer.stop()
        ticks.check()
        check_stored(client, "db", ring)
        ticks.producer.close()
    server.kill()
