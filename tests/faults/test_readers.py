"""Who reads an embedded database never keeps a writer out, at no moment of start, stop or death of either.

All of it with real processes: `ringbuf sql` as a reader, the process that it has open the database, and writers.
"""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ringbuf.launch.waiting import wait_until
from ringbuf.query.database import open_database
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.lock_file import LockFile, holder
from tests.command import RINGBUF, ringbuf
from tests.recorded import Recorded
from tests.writer_process import WriterProcess

pytestmark = pytest.mark.skipif(find_spec("chdb") is None, reason="the embedded database is not installed")

COUNT = "SELECT count() AS records FROM executions FINAL"
ENDLESS = "SELECT sum(sleepEachRow(3)) FROM numbers(100000) SETTINGS max_block_size = 1"
ROWS_WITHOUT_END = "SELECT number, repeat('x', 1000) AS x FROM numbers(1000000000)"


class Reader:
    """`ringbuf sql` on a data directory."""

    def __init__(self, data_dir: Path, statement: str, *options: str) -> None:
        self._directory = DataDirectory(data_dir)
        command = [RINGBUF, "sql", statement, "--data-dir", str(data_dir), "--json", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait_reading(self) -> int:
        """Wait until a process has the database open for it; its process id."""
        wait_until(self._directory.query_socket.exists, "a process serves questions")
        pid = holder(self._directory.database_lock)
        assert pid is not None
        assert pid != self.process.pid
        return pid

    def answer(self) -> tuple[int, str, str]:
        """Its exit code, what it printed, and its errors."""
        printed, said = self.process.communicate(timeout=60)
        return self.process.returncode, printed, said


@pytest.fixture
def read(data_dir: Path) -> Iterator[Callable[..., Reader]]:
    """Starts readers, which do not outlive the test."""
    readers: list[Reader] = []

    def start(statement: str, *options: str) -> Reader:
        readers.append(Reader(data_dir, statement, *options))
        return readers[-1]

    yield start
    for each in readers:
        each.process.kill()
        each.process.communicate()


@pytest.fixture
def writer(data_dir: Path) -> Iterator[WriterProcess]:
    """A writer that has run on the directory and stopped; to stop, it waits for its database as long as it takes."""
    with WriterProcess(data_dir, "--stop-timeout", "60") as writer:
        writer.wait_running().stop()
        yield writer


def stored(writer: WriterProcess) -> Any:
    return writer.status().get("stored")


def is_reachable(writer: WriterProcess) -> bool:
    status: dict[str, Any] = writer.status()
    return bool(status["sink"]["reachable"])


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_gone(pid: int) -> None:
    wait_until(lambda: is_gone(pid), f"process {pid} is gone")


def check_works(writer: WriterProcess, ring: Recorded) -> None:
    """The writer drains the ring at once and stores what is in it."""
    ring.record(10)
    wait_until(lambda: ring.recorder.producer.lag == 0, "the ring is drained")
    wait_until(lambda: stored(writer) == len(ring.expected), "its records are stored")


def test_a_writer_that_starts_takes_the_database_over_and_the_reader_has_its_answer_from_it(
    writer: WriterProcess, read: Callable[..., Reader]
) -> None:
    statement = f"SELECT count() + sum(sleepEachRow(0.5)) AS records FROM ({COUNT})"
    ring = Recorded("mm")
    waiting = read(ENDLESS)
    reading = waiting.wait_reading()
    quick = [read(statement) for _ in range(3)]
    check_works(writer.start().wait_running(), ring)
    wait_gone(reading)
    assert [each.answer() for each in quick] == [(0, '{"records":1}\n', "")] * 3
    assert waiting.process.poll() is None
    writer.stop()


def test_a_reader_whose_answer_had_begun_says_in_one_line_that_a_writer_came(
    writer: WriterProcess, read: Callable[..., Reader]
) -> None:
    reader = read(ROWS_WITHOUT_END)
    assert reader.process.stdout is not None
    assert reader.process.stdout.readline().startswith('{"number":0,')
    writer.start().wait_running()
    code, _, said = reader.answer()
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith(f"ringbuf: a writer, process {writer.pid}, started and took the database of")
    check_works(writer, Recorded("mm"))


def test_a_reader_that_is_stopped_is_killed_for_a_writer(writer: WriterProcess, read: Callable[..., Reader]) -> None:
    reading = read(ENDLESS).wait_reading()
    os.kill(reading, signal.SIGSTOP)
    check_works(writer.start().wait_running(), Recorded("mm"))
    wait_gone(reading)
    assert f"process {reading} had the database open and did not give way: killed" in writer.log


def test_a_writer_told_to_stop_before_a_reader_gave_way_stores_what_is_there(
    writer: WriterProcess, read: Callable[..., Reader], data_dir: Path
) -> None:
    os.kill(read(ENDLESS).wait_reading(), signal.SIGSTOP)
    Recorded("mm").record(10)
    writer.start().wait_running()
    assert not is_reachable(writer)
    writer.stop()
    assert Reader(data_dir, COUNT).answer() == (0, '{"records":10}\n', "")


def test_a_writer_drains_while_somebody_who_cannot_be_killed_has_the_database(
    writer: WriterProcess, data_dir: Path
) -> None:
    """As a process of another container would, this one holds the lock as if it could not be seen."""
    script = (
        "import fcntl, sys; file = open(sys.argv[1], 'a'); fcntl.flock(file, fcntl.LOCK_EX);"
        " print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(DataDirectory(data_dir).database_lock)]
    ring = Recorded("mm")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        ring.record(10)
        impatient = WriterProcess(data_dir, "--stop-timeout", "0.2").start().wait_running()
        wait_until(lambda: ring.recorder.producer.lag == 0, "the ring is drained")
        assert not is_reachable(impatient)
        assert stored(impatient) == 0
        asked = Reader(data_dir, COUNT, "--timeout", "1").answer()
        assert (asked[0], asked[1], asked[2].count("\n")) == (1, "", 1)
        assert "takes no questions for 1 s" in asked[2]
        assert "database not reachable: the database is not open yet" in asked[2]
        impatient.stop()
        writer.start().wait_running()
        other.communicate("")
    wait_until(lambda: stored(writer) == 10, "the records are stored")
    wait_until(lambda: is_reachable(writer), "it says so")


@pytest.mark.parametrize("who", ["the command", "the process that reads"])
def test_whoever_of_the_readers_is_killed_a_writer_starts(
    who: str, writer: WriterProcess, read: Callable[..., Reader], data_dir: Path
) -> None:
    reader = read(ENDLESS)
    reading = reader.wait_reading()
    os.kill(reader.process.pid if who == "the command" else reading, signal.SIGKILL)
    wait_gone(reading)
    check_works(writer.start().wait_running(), Recorded("mm"))


def test_a_process_that_reads_and_is_killed_has_a_successor(
    writer: WriterProcess, read: Callable[..., Reader], data_dir: Path
) -> None:
    reader = read("SELECT count() + sum(sleepEachRow(2)) AS x FROM numbers(1)")
    os.kill(reader.wait_reading(), signal.SIGKILL)
    assert reader.answer() == (0, '{"x":1}\n', "")


def test_a_statement_that_kills_the_process_that_reads_is_an_error_and_is_not_asked_for_ever(
    writer: WriterProcess, read: Callable[..., Reader], data_dir: Path
) -> None:
    reader = read(ENDLESS)
    for _ in range(2):
        killed = reader.wait_reading()
        os.kill(killed, signal.SIGKILL)
        wait_gone(killed)
        DataDirectory(data_dir).query_socket.unlink()  # so that only the next one makes it
    code, printed, said = reader.answer()
    assert (code, printed, said.count("\n")) == (1, "", 1)
    assert said.startswith("ringbuf: the process that opened the database ended with code -9")


def test_a_reader_that_waits_for_a_writer_that_is_killed_opens_the_database_itself(
    writer: WriterProcess, read: Callable[..., Reader]
) -> None:
    ring = Recorded("mm")
    check_works(writer.start().wait_running(), ring)
    reader = read(f"SELECT count() + sum(sleepEachRow(2)) AS records FROM ({COUNT})")
    wait_until(lambda: "query from" in writer.log or reader.process.poll() is None, "it asks")
    writer.kill()
    assert reader.answer() == (0, '{"records":1}\n', "")


def test_many_readers_at_once_are_all_answered(writer: WriterProcess, read: Callable[..., Reader]) -> None:
    readers = [read(f"SELECT {number} AS number") for number in range(12)]
    assert [each.answer() for each in readers] == [(0, f'{{"number":{number}}}\n', "") for number in range(12)]


def test_readers_that_start_while_a_writer_stops_and_starts_are_all_answered(
    writer: WriterProcess, read: Callable[..., Reader]
) -> None:
    ring = Recorded("mm")
    readers = []
    for _ in range(3):
        readers.append(read("SELECT 1 AS x"))
        writer.start()
        readers.append(read("SELECT 1 AS x"))
        check_works_again(writer.wait_running(), ring)
        readers.append(read("SELECT 1 AS x"))
        writer.stop()
        readers.append(read("SELECT 1 AS x"))
    assert [each.answer() for each in readers] == [(0, '{"x":1}\n', "")] * len(readers)


def check_works_again(writer: WriterProcess, ring: Recorded) -> None:
    """As `check_works`, for a further run: `stored` counts from its start."""
    ring.record(5)
    wait_until(lambda: ring.recorder.producer.lag == 0, "the ring is drained")
    wait_until(lambda: stored(writer) == 5, "its records are stored")


def test_no_kill_of_either_at_any_moment_keeps_a_writer_out_or_loses_a_record(
    writer: WriterProcess, read: Callable[..., Reader], data_dir: Path
) -> None:
    draw = random.Random(7)
    ring = Recorded("mm")
    directory = DataDirectory(data_dir)
    for _ in range(8):
        readers = [read(draw.choice([ENDLESS, COUNT, ROWS_WITHOUT_END])) for _ in range(2)]
        wait_until(lambda: directory.query_socket.exists() or draw.random() < 0.02, "some moment of their start")
        writer.start()
        ring.record(5)
        wait_until(lambda: ring.recorder.producer.lag == 0 or draw.random() < 0.02, "some moment of its start")
        victims = draw.sample([*(each.process.pid for each in readers), holder(directory.database_lock)], 2)
        for victim in victims:
            if victim is not None:
                kill(victim)
        if draw.random() < 0.7 or writer.pid in victims:
            writer.kill()
        else:
            writer.wait_running().stop()
        for each in readers:
            each.process.kill()
            each.process.wait()
    writer.start().wait_running()
    wait_until(lambda: ring.recorder.producer.lag == 0, "the ring is drained")
    writer.stop()
    code, printed, _ = Reader(data_dir, COUNT).answer()
    assert (code, json.loads(printed)) == (0, {"records": len(ring.expected)})
    audited = ringbuf("audit", "--data-dir", str(data_dir))
    assert audited.returncode == 0, audited.stdout


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


# Behind a writer that hangs


@pytest.mark.parametrize("command", [("sql", "SELECT 1"), ("audit",)], ids=["sql", "audit"])
def test_behind_a_writer_that_is_stopped_a_reader_says_who_hangs_and_since_when(
    command: tuple[str, ...], writer: WriterProcess, data_dir: Path
) -> None:
    writer.start().wait_running()
    assert Reader(data_dir, "SELECT 1 AS x").answer() == (0, '{"x":1}\n', "")
    os.kill(writer.pid, signal.SIGSTOP)
    asked = ringbuf(*command, "--data-dir", str(data_dir), "--timeout", "0.5")
    assert (asked.returncode, asked.stdout, asked.stderr.count("\n")) == (1, "", 1)
    assert asked.stderr.startswith(f"ringbuf: process {writer.pid}, the writer of {data_dir}, hangs: no sign")
    assert " for 0.5 s; it is stopped; its status, " in asked.stderr
    assert f"`kill -CONT {writer.pid}` lets it go on" in asked.stderr
    os.kill(writer.pid, signal.SIGCONT)
    again = ringbuf(*command, "--data-dir", str(data_dir))
    assert (again.returncode, again.stderr) == (0, "")


def test_a_statement_that_takes_longer_than_it_may_is_no_writer_that_hangs(
    writer: WriterProcess, read: Callable[..., Reader], data_dir: Path
) -> None:
    writer.start().wait_running()
    code, printed, said = read(ENDLESS, "--timeout", "2").answer()
    assert (code, printed, said.count("\n")) == (1, "", 1)
    assert said.startswith(f"ringbuf: process {writer.pid}, the writer of {data_dir}, has no answer after 2 s; it ")
    assert said.endswith("database reachable; wait longer: --timeout SECONDS\n")


def test_ls_shows_that_a_writer_stands_still_and_that_it_goes_on(writer: WriterProcess) -> None:
    ring = Recorded("mm")
    check_works(writer.start().wait_running(), ring)
    wait_until(lambda: consumer()["state"] == "alive", "it shows heartbeats")
    os.kill(writer.pid, signal.SIGSTOP)
    wait_until(lambda: consumer() == {"pid": writer.pid, "state": "stalled"}, "its heartbeat is old")
    assert f"{writer.pid} stalled" in ringbuf("ls").stdout
    os.kill(writer.pid, signal.SIGCONT)
    wait_until(lambda: consumer() == {"pid": writer.pid, "state": "alive"}, "its heartbeat is new")


def consumer() -> Any:
    (ring,) = json.loads(ringbuf("ls", "--json").stdout)["rings"]
    return ring["consumer"]


# In Python


def test_a_process_that_reads_a_database_does_not_load_its_engine_and_ends_its_reader(
    writer: WriterProcess, data_dir: Path
) -> None:
    with open_database(data_dir) as database:
        assert database.rows("SELECT 1 AS x") == [{"x": 1}]
        reading = holder(DataDirectory(data_dir).database_lock)
        assert database.rows("SELECT 2 AS x") == [{"x": 2}]
        assert holder(DataDirectory(data_dir).database_lock) == reading
    assert reading is not None
    assert is_gone(reading)
    assert not any(name.partition(".")[0] == "chdb" for name in sys.modules)
    assert LockFile.take(DataDirectory(data_dir).database_lock) is not None
