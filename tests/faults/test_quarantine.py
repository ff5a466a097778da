"""Records that the database refuses for good, from the refusal to the second sending."""

import json
import subprocess
from pathlib import Path

import pytest

from ringbuf.journal.step import Step
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.lock_file import holder
from tests.command import RINGBUF, ringbuf
from tests.proxy import Proxy, hang
from tests.recorded import Recorded, check_stored
from tests.writer_process import WriterProcess


@pytest.mark.parametrize("kill_at", [None, (Step.RECORD_QUARANTINED, 2)], ids=["undisturbed", "killed in between"])
def test_records_a_constraint_refuses_wait_alone_in_quarantine_until_they_are_sent_again(
    kill_at: tuple[Step, int] | None, clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    ring = Recorded("mm")
    writer = WriterProcess(data_dir, "--clickhouse", clickhouse_server.url, "--database", database)
    with writer, clickhouse_server.client() as client:
        writer.wait_running()
        writer.stop()
        client.command(f"ALTER TABLE {database}.executions ADD CONSTRAINT few CHECK seq % 50 != 7")
        ring.record(200)
        if kill_at is not None:
            writer.start(kill_at=kill_at).wait_killed()
        writer.start().wait_running()
        count = f"SELECT count() FROM {database}.executions FINAL"
        wait_until(lambda: client.query(count).result_rows == [(196,)], "all but four are stored")
        wait_until(lambda: writer.status()["quarantined"] == 4, "four are in quarantine")
        running = ringbuf("resend", "--data-dir", str(data_dir))
        assert (running.returncode, "is held by a writer, process" in running.stderr) == (1, True)
        writer.stop()

        audit = ringbuf("audit", "--data-dir", str(data_dir), "--json")
        totals = json.loads(audit.stdout)["totals"]
        assert (audit.returncode, totals["stored"], totals["quarantined"], totals["lost"]) == (0, 196, 4, 0)

        refused = ringbuf("resend", "--data-dir", str(data_dir), "--json")
        found = json.loads(refused.stdout)
        assert (refused.returncode, found["stored"]) == (1, 0)
        assert [each["first_seq"] for each in found["refused"]] == [7, 57, 107, 157]
        assert all("few" in each["reason"] for each in found["refused"])

        client.command(f"ALTER TABLE {database}.executions DROP CONSTRAINT few")
        mended = ringbuf("resend", "--data-dir", str(data_dir), "--json")
        assert (mended.returncode, json.loads(mended.stdout)) == (0, {"stored": 4, "expired": 0, "refused": []})
        check_stored(client, database, ring)
        again = ringbuf("resend", "--data-dir", str(data_dir), "--json")
        assert (again.returncode, json.loads(again.stdout)) == (0, {"stored": 0, "expired": 0, "refused": []})

        ring.record(10)
        writer.start().wait_running()
        writer.stop()
        assert writer.status()["quarantined"] == 0
        check_stored(client, database, ring)


def test_a_writer_that_starts_ends_a_resend_that_hangs_and_what_was_not_sent_stays_in_quarantine(
    clickhouse_server: ClickHouse, proxy: Proxy, writer: WriterProcess, database: str, data_dir: Path
) -> None:
    ring = Recorded("mm")
    with clickhouse_server.client() as client:
        client.command(f"ALTER TABLE {database}.executions ADD CONSTRAINT few CHECK seq % 50 != 7")
        ring.record(100)
        wait_until(lambda: writer.status()["quarantined"] == 2, "two are in quarantine")
        writer.stop()
        client.command(f"ALTER TABLE {database}.executions DROP CONSTRAINT few")
        proxy.play(hang, applies=lambda _: True)
        command = [RINGBUF, "resend", "--data-dir", str(data_dir)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as resend:
            lock = DataDirectory(data_dir).database_lock
            wait_until(lambda: holder(lock) is not None, "it is at it")
            writer.start().wait_running()
            printed, said = resend.communicate(timeout=60)
        assert (resend.returncode, printed) == (1, "")
        assert said.startswith(f"ringbuf: data directory {data_dir} is held by a writer, process {writer.pid}; stop it")
        ring.record(10)
        wait_until(lambda: ring.recorder.producer.lag == 0, "the ring is drained")
        proxy.behave()
        proxy.cut()
        wait_until(lambda: writer.status()["stored"] == 10, "its records are stored")
        assert writer.status()["quarantined"] == 2
        writer.stop()
        again = ringbuf("resend", "--data-dir", str(data_dir), "--json")
        assert (again.returncode, json.loads(again.stdout)) == (0, {"stored": 2, "expired": 0, "refused": []})
        check_stored(client, database, ring)
