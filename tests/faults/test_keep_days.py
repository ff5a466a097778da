"""What is verified and older than the writer keeps is dropped, and known to be meant so; nothing else is."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ringbuf import Producer, Schema
from ringbuf.journal.step import Step
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.record.instrument import INSTRUMENTS
from ringbuf.strategies import Recorder
from tests.command import audit_totals, count, ringbuf
from tests.numbered import wait_derived, wait_verified
from tests.writer_process import PatchedWriter, WriterProcess

TICKS = Schema.define("ticks", [("captured_ns", "i8"), ("number", "u8")])
KEPT = ["--keep-days", "2", "--flush-ms", "10"]


class LaterWriter(PatchedWriter):
    """A writer that looks for old records all the time, and believes that it is as many days later as a file says.

    It kills itself at a step that another file names, and asks the database what it has only without a third one. With
    a fourth one only the clock of its host is so many days ahead.
    """

    patch = """
        import os, signal, time
        from pathlib import Path
        from ringbuf.journal import step
        from ringbuf.state.verified import DAY_NS
        from ringbuf.writer.load import keeping
        from ringbuf.writer.load.verifier import Verifier
        look, is_due, directory = keeping.Keeping.look, Verifier.is_due, Path(sys.argv[1])
        keeping.LOOK_SECONDS = 0.05
        looks = 0

        def later(self):
            global looks
            days = int((directory / "later").read_text())
            told = "_clock" if (directory / "host alone").exists() else "_now"
            setattr(self, told, lambda: time.time_ns() + days * DAY_NS)
            look(self)
            looks += 1
            (directory / "looks.tmp").write_text(f"{os.getpid()} {looks} {days}")
            (directory / "looks.tmp").rename(directory / "looks")

        def watch(reached):
            kill = directory / "kill"
            if kill.exists() and kill.read_text() == reached.name:
                os.kill(os.getpid(), signal.SIGKILL)

        keeping.Keeping.look, step.watch = later, watch
        Verifier.is_due = property(lambda self: is_due.fget(self) and not (directory / "blind").exists())
    """

    def be_later(self, days: int) -> None:
        """Let it be so many days later than now, and wait until it has looked for what is old by then."""
        (self.data_dir / "later.tmp").write_text(str(days))
        (self.data_dir / "later.tmp").rename(self.data_dir / "later")
        self.wait_looked(days)

    def wait_looked(self, days: int, more: int = 2) -> None:
        _, begin, _ = self._looks()

        def has_looked() -> bool:
            pid, count, found = self._looks()
            return pid == self.pid and found == days and (count >= begin + more or count < begin)

        self.wait_until(has_looked, "look for what is old")

    def _looks(self) -> tuple[int, int, int]:
        path = self.data_dir / "looks"
        pid, count, days = map(int, path.read_text().split()) if path.exists() else (0, 0, 0)
        return pid, count, days


class Orders:
    """A ring of orders; the filled ones have three records each, those that work have two."""

    def __init__(self, name: str = "mm") -> None:
        self.recorder = Recorder.open(name)
        self.count = self._orders = 0
        self._bound = self.recorder.bind(exchange="deribit", account="A-1", symbol="BTC-PERPETUAL", strategy=name)

    def record(self, filled: int = 0, working: int = 0) -> None:
        for number in range(filled + working):
            self._report("pending_new", "")
            self._report("new", f"o-{self._orders}")
            if number < filled:
                self.fill()
            self._orders += 1
            self.count += 2

    def fill(self, number: int | None = None, trade: int = 0) -> None:
        """A fill of an order, the one that is being recorded if none is given."""
        order = self._orders if number is None else number
        self._bound.fill(
            order_id=f"o-{order}", client_order_id=f"c-{order}", trade_id=f"t-{order}-{trade}", last_price=10.5,
            order_status="filled", side="buy", quantity=2.0, last_quantity=2.0, cumulative_quantity=2.0,
        )  # fmt: skip
        self.count += 1

    def _report(self, status: str, order_id: str) -> None:
        self._bound.order(
            order_id=order_id, client_order_id=f"c-{self._orders}", exec_type=status, order_status=status, side="buy",
            quantity=2.0, price=10.5,
        )  # fmt: skip


class Ticks:
    """A ring of records that are captured now."""

    def __init__(self) -> None:
        self.producer = Producer.open("ticks", TICKS, capacity=4096)
        self.count = 0

    def record(self, count: int) -> None:
        for _ in range(count):
            assert self.producer.append(number=self.count, captured_ns=time.time_ns()) == self.count
            self.count += 1


@pytest.fixture
def ticks(namespace: str) -> Iterator[Ticks]:
    made = Ticks()
    yield made
    made.producer.close()


@pytest.fixture(params=["server", "embedded"])
def options(request: pytest.FixtureRequest) -> list[str]:
    """Options of a writer."""
    if request.param == "embedded":
        return KEPT
    server: ClickHouse = request.getfixturevalue("clickhouse_server")
    return ["--clickhouse", server.url, "--database", request.getfixturevalue("database"), *KEPT]


@pytest.fixture
def start(data_dir: Path) -> Callable[[list[str]], LaterWriter]:
    (data_dir / "later").write_text("0")
    return lambda options: LaterWriter(data_dir, *options)


def test_what_is_verified_and_older_is_dropped_and_the_audit_knows_that_it_is_meant_so(
    options: list[str], start: Callable[[list[str]], LaterWriter], data_dir: Path, ticks: Ticks
) -> None:
    orders, instruments = Orders(), Producer.open("instruments", INSTRUMENTS, capacity=16)
    with start(options) as writer, instruments:
        writer.wait_running()
        ticks.record(50)
        orders.record(working=10)
        instruments.append(captured_ns=time.time_ns())
        wait_verified(writer, ticks.producer, orders.recorder.producer, instruments)
        writer.be_later(2)
        assert (count(data_dir, "ticks"), audit_totals(data_dir)[1]) == (50, 0), "two days and today are kept"
        writer.be_later(3)
        wait_until(lambda: count(data_dir, "ticks") == 0, "what is older is dropped")
        kept = count(data_dir, "executions"), count(data_dir, "instruments")
        assert kept == (20, 1), "the orders work, and the latest instrument counts"
        found, code = audit_totals(data_dir)
        assert (found["stored"], found["removed"], found["retired"], found["lost"], code) == (21, 50, 50, 0, 0)
        said = ringbuf("audit", "--data-dir", str(data_dir)).stdout
        assert "50 of the removed were older than the writer keeps" in said
        assert said.splitlines()[-1] == "PROVEN: nothing is lost, nothing is doubled."

        writer.be_later(0)
        (data_dir / "blind").touch()
        ticks.record(30)
        wait_until(lambda: count(data_dir, "ticks") == 30, "they are stored")
        writer.be_later(3)
        assert count(data_dir, "ticks") == 30, "what is not verified is never dropped"
        (data_dir / "blind").unlink()
        wait_verified(writer, ticks.producer)
        wait_until(lambda: count(data_dir, "ticks") == 0, "now it is")
        writer.be_later(0)
        ticks.record(5)
        wait_verified(writer, ticks.producer)
        writer.stop()
    found, code = audit_totals(data_dir)
    assert (found["recorded"], found["stored"], found["retired"], found["lost"], code) == (106, 26, 80, 0, 0)


def test_a_clock_of_the_host_that_is_years_ahead_for_a_moment_drops_nothing(
    clickhouse_server: ClickHouse,
    database: str,
    start: Callable[[list[str]], LaterWriter],
    data_dir: Path,
    ticks: Ticks,
) -> None:
    (data_dir / "host alone").touch()
    with start(["--clickhouse", clickhouse_server.url, "--database", database, *KEPT]) as writer:
        writer.wait_running()
        ticks.record(50)
        wait_verified(writer, ticks.producer)
        writer.be_later(3_000)
        writer.stop()
    assert count(data_dir, "ticks") == 50
    assert audit_totals(data_dir)[0]["retired"] == 0


def test_what_the_owner_removes_is_meant_so_only_if_it_is_older(
    clickhouse_server: ClickHouse,
    database: str,
    start: Callable[[list[str]], LaterWriter],
    data_dir: Path,
) -> None:
    orders = Orders()
    with start(["--clickhouse", clickhouse_server.url, "--database", database, *KEPT]) as writer:
        writer.wait_running()
        orders.record(working=10)
        wait_verified(writer, orders.recorder.producer)
        writer.be_later(3)
        writer.be_later(0)
        orders.record(working=15)
        wait_verified(writer, orders.recorder.producer)
        assert count(data_dir, "executions") == 50
        clickhouse_server.command(f"DELETE FROM {database}.executions WHERE seq < 20")
        found, code = audit_totals(data_dir)
        assert (found["removed"], found["retired"], code) == (20, 20, 0)
        clickhouse_server.command(f"DELETE FROM {database}.executions WHERE seq < 25")
        found, code = audit_totals(data_dir)
        assert (found["removed"], found["retired"], code) == (25, 20, 3)
        writer.stop()
    said = ringbuf("audit", "--data-dir", str(data_dir)).stdout
    assert f"stored once and removed since, mm, session {orders.recorder.producer.session:016x}: [20, 25)\n" in said
    assert "but 5 records were stored once and have been removed" in said


@pytest.mark.parametrize("step", [Step.VERIFIED_NOTED, Step.RECORDS_DROPPED])
def test_a_writer_killed_when_it_drops_what_is_older_goes_on_with_it(
    step: Step, options: list[str], start: Callable[[list[str]], LaterWriter], data_dir: Path, ticks: Ticks
) -> None:
    with start(options) as writer:
        writer.wait_running()
        ticks.record(50)
        wait_verified(writer, ticks.producer)
        (data_dir / "kill").write_text(step.name)
        (data_dir / "later").write_text("3")
        writer.wait_killed()
        (data_dir / "kill").unlink()
        writer.start().wait_running()
        ticks.record(1)  # it has nothing to do with the table before
        wait_until(lambda: count(data_dir, "ticks") <= 1, "what is older is dropped")
        writer.stop()
    found, code = audit_totals(data_dir)
    assert (found["recorded"], found["stored"] + found["retired"], found["lost"], code) == (51, 51, 0, 0)


def answers(data_dir: Path) -> list[str]:
    """What is derived from the records."""
    views = ("positions", "orders", "fills")
    asked = [
        ringbuf("sql", f"SELECT * FROM {each} ORDER BY ALL", "--json", "--data-dir", str(data_dir)) for each in views
    ]
    assert all(each.returncode == 0 for each in asked), asked
    return [each.stdout for each in asked]


def forget(writer: LaterWriter) -> None:
    """Let another writer go on, which has no record in its memory, and for which nothing else is old."""
    writer.stop()
    (writer.data_dir / "later").write_text("0")
    writer.start().wait_running()


def test_what_orders_that_are_over_were_derived_from_is_dropped_and_no_answer_changes(
    options: list[str], start: Callable[[list[str]], LaterWriter], data_dir: Path, namespace: str
) -> None:
    orders = Orders()
    with start(options) as writer:
        writer.wait_running()
        orders.record(filled=20, working=5)
        wait_derived(writer, orders.recorder.producer)
        before = answers(data_dir)
        writer.be_later(3)
        wait_until(lambda: count(data_dir, "executions") == 10, "what is over is dropped")
        assert answers(data_dir) == before
        found, code = audit_totals(data_dir)
        assert (found["stored"], found["retired"], found["lost"], code) == (10, 60, 0, 0)

        forget(writer)
        orders.fill(number=3, trade=1)  # the venue tells of a trade three days late
        wait_derived(writer, orders.recorder.producer)
        writer.wait_until(lambda: writer.status()["derivation"]["late"] == 1, "count what came too late")
        assert answers(data_dir) == before
        said = ringbuf("audit", "--data-dir", str(data_dir)).stdout
        assert "1 came too late for their orders: SELECT * FROM late_reports" in said
        assert count(data_dir, "late_reports") == 1

        done = ringbuf("rebuild", "--data-dir", str(data_dir))
        assert done.returncode == 0, done.stdout
        assert answers(data_dir) == before
        orders.record(filled=1)
        wait_derived(writer, orders.recorder.producer)
        assert answers(data_dir) != before
        writer.stop()
    found, code = audit_totals(data_dir)
    assert (found["stored"], found["retired"], found["lost"], code) == (14, 60, 0, 0)


@pytest.mark.parametrize("step", [Step.DROPPING_NOTED, Step.RECORDS_DROPPED, Step.LATE_NOTED])
def test_a_writer_killed_when_it_drops_executions_or_finds_a_late_one_goes_on_with_it(
    step: Step, clickhouse_server: ClickHouse, database: str, start: Callable[[list[str]], LaterWriter], data_dir: Path
) -> None:
    orders = Orders()
    with start(["--clickhouse", clickhouse_server.url, "--database", database, *KEPT]) as writer:
        writer.wait_running()
        orders.record(filled=10, working=1)
        wait_derived(writer, orders.recorder.producer)
        before = answers(data_dir)
        if step is Step.LATE_NOTED:
            writer.be_later(3)
            wait_until(lambda: count(data_dir, "executions") == 2, "what is over is dropped")
            forget(writer)
        (data_dir / "kill").write_text(step.name)
        if step is Step.LATE_NOTED:
            orders.fill(number=3)
        else:
            (data_dir / "later").write_text("3")
        writer.wait_killed()
        (data_dir / "kill").unlink()
        writer.start().wait_running()
        if step is not Step.LATE_NOTED:
            orders.fill(number=10)
        wait_derived(writer, orders.recorder.producer)
        left = 3 if step is Step.LATE_NOTED else 0
        wait_until(lambda: count(data_dir, "executions") == left, "what is over is dropped")
        if step is Step.LATE_NOTED:
            assert answers(data_dir) == before
            assert count(data_dir, "late_reports") == 1
        else:
            assert count(data_dir, "fills") == 11, "of the last one, too, which is over now"
        writer.stop()
    found, code = audit_totals(data_dir)
    assert (found["recorded"], found["stored"] + found["retired"], found["lost"], code) == (33, 33, 0, 0)


def test_what_another_hosts_writer_drops_by_age_is_known_by_an_audit_here(
    clickhouse_server: ClickHouse,
    database: str,
    start: Callable[[list[str]], LaterWriter],
    data_dir: Path,
    tmp_path: Path,
    ticks: Ticks,
) -> None:
    orders = Orders()
    options = ["--clickhouse", clickhouse_server.url, "--database", database]
    here = tmp_path / "here"
    with start([*options, *KEPT]) as writer, WriterProcess(here, *options, "--namespace", "here") as other:
        writer.wait_running()
        other.wait_running()
        ticks.record(20)
        orders.record(filled=10, working=5)
        wait_derived(writer, orders.recorder.producer, ticks.producer)
        writer.be_later(3)
        wait_until(lambda: count(data_dir, "executions") == 10, "what is over is dropped")
        wait_until(lambda: count(data_dir, "ticks") == 0, "what is old is dropped")
        found, code = audit_totals(here)
        assert (found["stored"], found["removed"], found["retired"], found["lost"], code) == (10, 50, 50, 0, 0)
        clickhouse_server.command(f"TRUNCATE TABLE {database}.retired")
        found, code = audit_totals(here)
        assert (found["retired"], found["lost"], code) == (0, 30, 1), "only its own writer knows what was there"
        writer.stop()
        writer.start().wait_running()
        wait_until(lambda: audit_totals(here)[1] == 0, "the database is told once more")
        writer.stop()
        other.stop()
