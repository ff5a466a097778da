"""A table's own TTL, or a row policy, takes records as soon as they are inserted: nobody sends them for ever."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ringbuf import Producer, Schema
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from tests.clickhouse.databases import EmbeddedProcess
from tests.clickhouse_server import PASSWORD, WRITER, ClickHouseServer
from tests.command import audit_totals, count
from tests.numbered import wait_behind, wait_caught_up, wait_verified
from tests.writer_process import PatchedWriter, WriterProcess

TICKS = Schema.define("ticks", [("captured_ns", "i8"), ("number", "u8")])
OTHERS = Schema.define("others", [("number", "u8")])
DAY_NS = 86_400 * 10**9
TTL = "MODIFY TTL toDateTime(captured_ns) + INTERVAL 1 DAY"
SAID = "had expired by its own TTL when they came"


class WaitingWriter(PatchedWriter):
    """A writer that asks the database what it has only when there is a file `ask`.

    With a file `kill` it kills itself when it has noted what a TTL took.
    """

    patch = """
        import os, signal
        from pathlib import Path
        from ringbuf.journal import step
        from ringbuf.writer.load.verifier import Verifier
        is_due, directory = Verifier.is_due, Path(sys.argv[1])
        Verifier.is_due = property(lambda self: is_due.fget(self) and (directory / "ask").exists())

        def watch(reached):
            if reached is step.Step.VERIFIED_NOTED and (directory / "kill").exists():
                os.kill(os.getpid(), signal.SIGKILL)

        step.watch = watch
    """


class Ticks:
    """A ring of records that are as old as a test wants."""

    def __init__(self, name: str, schema: Schema) -> None:
        self.producer = Producer.open(name, schema, capacity=4096)
        self.count = 0
        self._is_timed = "captured_ns" in schema.names

    def record(self, count: int, age_ns: int = 0) -> None:
        for _ in range(count):
            times = {"captured_ns": time.time_ns() - age_ns} if self._is_timed else {}
            assert self.producer.append(number=self.count, **times) == self.count
            self.count += 1


@pytest.fixture
def ticks(namespace: str) -> Iterator[Ticks]:
    made = Ticks("ticks", TICKS)
    yield made
    made.producer.close()


@pytest.fixture
def others(namespace: str) -> Iterator[Ticks]:
    made = Ticks("others", OTHERS)
    yield made
    made.producer.close()


@pytest.fixture(params=["server", "embedded"])
def options(request: pytest.FixtureRequest) -> list[str]:
    """Options of a writer."""
    if request.param == "embedded":
        return ["--flush-ms", "10"]
    server: ClickHouse = request.getfixturevalue("clickhouse_server")
    return ["--clickhouse", server.url, "--database", request.getfixturevalue("database"), "--flush-ms", "10"]


def command(data_dir: Path, options: list[str], statement: str) -> None:
    """Do something about the table while no writer runs; `{table}` in the statement stands for it."""
    if "--clickhouse" in options:
        ClickHouse(options[1]).command(statement.format(table=f"{options[3]}.ticks"))
        return
    with EmbeddedProcess() as process, closing(process.open(data_dir / "clickhouse", "ringbuf")) as database:
        database.command(statement.format(table="ringbuf.ticks"))


def wait_tried_again(writer: WriterProcess) -> None:
    tried = writer.status()["errors"].get("TableMismatch", 0)
    writer.wait_until(lambda: writer.status()["errors"].get("TableMismatch", 0) > tried, "try again")


@pytest.mark.parametrize("is_killed", [False, True], ids=["", "killed"])
def test_what_the_tables_ttl_takes_at_once_is_counted_and_not_sent_for_ever(
    is_killed: bool, options: list[str], data_dir: Path, ticks: Ticks, others: Ticks
) -> None:
    (data_dir / "ask").touch()
    with WaitingWriter(data_dir, *options) as writer:
        writer.wait_running()
        ticks.record(10)
        wait_verified(writer, ticks.producer)
        writer.stop()
        command(data_dir, options, f"ALTER TABLE {{table}} {TTL}")
        (data_dir / "ask").unlink()
        if is_killed:
            (data_dir / "kill").touch()
        for _ in range(10):
            ticks.record(5, age_ns=2 * DAY_NS)
            ticks.record(5)
        writer.start().wait_running()
        others.record(20)
        wait_until(
            lambda: count(data_dir, "ticks WHERE number = 109") == 1 and count(data_dir, "ticks") == 60,
            "all are inserted, and the TTL has taken what is old",
        )
        (data_dir / "ask").touch()
        if is_killed:
            writer.wait_killed()
            (data_dir / "kill").unlink()
            writer.start().wait_running()
        wait_verified(writer, ticks.producer)
        status = writer.status()
        assert (status["expired"], status["stragglers"]) == (50, [])
        assert (count(data_dir, "ticks"), count(data_dir, "others")) == (60, 20)
        found, code = audit_totals(data_dir)
        assert (found["recorded"], found["stored"], found["removed"], found["expired"]) == (130, 80, 50, 50)
        assert (found["lost"], found["pending"], code) == (0, 0, 3)
        assert is_killed or writer.log.count(SAID) == 1, "it is said once"
        ticks.record(5, age_ns=2 * DAY_NS)  # they are seen in the database before the TTL takes them
        ticks.record(5)
        wait_verified(writer, ticks.producer)
        writer.stop()
        command(data_dir, options, "OPTIMIZE TABLE {table} FINAL")
        writer.start().wait_running()
        others.record(5)
        wait_verified(writer, others.producer)
        writer.stop()
    found, code = audit_totals(data_dir)
    assert (found["recorded"], found["stored"], found["removed"]) == (145, 90, 55)
    assert 50 <= found["expired"] <= 55, "whether the last five were seen before is up to the server"
    assert (found["lost"], code) == (0, 3)


def test_what_expires_while_the_database_is_away_is_sent_once_and_counted(
    new_clickhouse_server: Callable[[], ClickHouseServer], data_dir: Path, ticks: Ticks
) -> None:
    """Sent all the same: the owner's materialized views may want it."""
    server = new_clickhouse_server()
    (data_dir / "ask").touch()
    with WaitingWriter(data_dir, "--clickhouse", server.url, "--database", "db", "--flush-ms", "10") as writer:
        writer.wait_running()
        ticks.record(10)
        wait_verified(writer, ticks.producer)
        server.command("CREATE TABLE db.seen (seq UInt64) ENGINE = MergeTree ORDER BY seq")
        server.command("CREATE MATERIALIZED VIEW db.seeing TO db.seen AS SELECT seq FROM db.ticks")
        server.command(f"ALTER TABLE db.ticks {TTL}")
        server.kill()
        ticks.record(50, age_ns=2 * DAY_NS)
        wait_until(lambda: ticks.producer.lag == 0, "the ring is drained")
        server.start()
        wait_verified(writer, ticks.producer)
        writer.stop()
    assert server.rows("SELECT uniqExact(seq) FROM db.seen") == [(50,)]
    found, code = audit_totals(data_dir)
    assert (found["stored"], found["removed"], found["lost"], code) == (10, 50, 0, 3)


def test_what_a_row_policy_hides_waits_alone_and_is_not_sent_again(
    new_clickhouse_server: Callable[[], ClickHouseServer], data_dir: Path, ticks: Ticks, others: Ticks
) -> None:
    server = new_clickhouse_server()
    users = server.directory / "users.xml"
    without = users.read_text()
    policy = "<databases><db><ticks><filter>number &lt; 60</filter></ticks></db></databases>"
    environment = {"RINGBUF_CLICKHOUSE_USER": WRITER, "RINGBUF_CLICKHOUSE_PASSWORD": PASSWORD}
    arguments = ["--clickhouse", server.url, "--database", "db", "--flush-ms", "10"]
    with WriterProcess(data_dir, *arguments, environment=environment) as writer:
        writer.wait_running()
        ticks.record(50)
        wait_verified(writer, ticks.producer)
        server.kill()
        users.write_text(without.replace(f"</{WRITER}>", f"{policy}</{WRITER}>"))
        server.start()
        ticks.record(50)
        wait_behind(writer, "ticks")
        (straggler,) = writer.status()["stragglers"]
        assert "a row policy hides what this user has stored: it may see number < 60" in straggler["reason"]
        had = server.rows("SELECT count() FROM db.ticks")
        for _ in range(5):
            others.record(10)
            wait_tried_again(writer)
        wait_until(lambda: server.rows("SELECT count() FROM db.others") == [(50,)], "the others go on")
        assert server.rows("SELECT count() FROM db.ticks") == had, "it is not sent again and again"
        server.kill()
        users.write_text(without)
        server.start()
        wait_caught_up(writer)
        writer.stop()
    assert server.rows("SELECT count() FROM db.ticks FINAL") == [(100,)]
