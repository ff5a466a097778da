"""The command as a process of its own, beside producers that live, die and come back in others."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ringbuf import Consumer, Producer, Schema
from ringbuf.launch.waiting import wait_until
from ringbuf.ring.registry import ring_names
from ringbuf.state.data_directory import DataDirectory
from tests.command import RINGBUF, ringbuf

SIGNALS = Schema.define("signals", [("captured_ns", "i8"), ("value", "u8")])
PRODUCER = """
import sys, time
from ringbuf import Producer, Schema
producer = Producer.open(sys.argv[1], Schema.define("signals", [("captured_ns", "i8"), ("value", "u8")]), capacity=1024)
for line in sys.stdin:
    for _ in range(int(line)):
        producer.append(value=producer.head * 10)
    print(producer.head, flush=True)
"""


class ProducerProcess:
    """A producer in another process, which appends as many records as it is told to."""

    def __init__(self, ring: str) -> None:
        command = [sys.executable, "-c", PRODUCER, ring]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.append(0)

    def append(self, count: int) -> int:
        """Append; returns the ring's head."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def __enter__(self) -> "ProducerProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


@contextmanager
def tool(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """The command with pipes behind it; it does not outlive the block."""
    process = subprocess.Popen([RINGBUF, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def values(process: "subprocess.Popen[str]", count: int) -> list[int]:
    """Read so many records of `tail --json`."""
    assert process.stdout is not None
    return [json.loads(process.stdout.readline())["value"] for _ in range(count)]


def message(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    return process.stderr.readline()


def state(ring: str) -> str:
    shown = json.loads(ringbuf("show", ring, "--json").stdout)
    return f"{shown['producer']['pid']} {shown['producer']['state']}"


def test_a_producer_of_another_process_is_alive_until_it_is_killed() -> None:
    with ProducerProcess("mm") as producer:
        assert state("mm") == f"{producer.process.pid} alive"
        refused = ringbuf("rm", "mm")
        assert refused.returncode == 1
        assert f"has a live producer, process {producer.process.pid}" in refused.stderr
        producer.kill()
        assert state("mm") == f"{producer.process.pid} dead"
        assert ringbuf("rm", "mm").returncode == 0
    assert ring_names() == []


def test_following_goes_on_when_the_producer_is_killed_and_started_again() -> None:
    with ProducerProcess("mm") as first, tool("tail", "mm", "-f", "--json") as tail:
        first.append(5)
        assert values(tail, 5)[-1] == 40
        first.append(5)
        assert values(tail, 5) == [50, 60, 70, 80, 90]
        first.kill()
        with ProducerProcess("mm") as second:
            second.append(3)
            assert values(tail, 3) == [100, 110, 120]


def test_following_begins_with_the_last_records_that_are_there() -> None:
    with ProducerProcess("mm") as producer:
        producer.append(5)
        with tool("tail", "mm", "-f", "-n", "2", "--json") as tail:
            assert values(tail, 2) == [30, 40]
            producer.append(1)
            assert values(tail, 1) == [50]


def test_following_goes_over_to_a_new_ring_of_the_same_name() -> None:
    with ProducerProcess("mm") as producer, tool("tail", "mm", "-f", "--json") as tail:
        producer.append(2)
        assert values(tail, 2) == [0, 10]
        producer.kill()
        assert ringbuf("rm", "mm", "--force").returncode == 0
        assert message(tail) == "ringbuf: ring 'mm' was removed, waiting for it to come back\n"
        with ProducerProcess("mm") as successor:
            successor.append(3)
            assert values(tail, 3) == [0, 10, 20]
        assert message(tail) == "ringbuf: ring 'mm' was made anew\n"


def test_following_reads_a_ring_set_aside_to_its_end_before_it_goes_over() -> None:
    other = Schema.define("other", [("value", "u8")])
    with Producer.open("mm", SIGNALS, capacity=1024) as producer:
        producer.append(value=0)
        with tool("tail", "mm", "-f", "--json") as tail:
            assert values(tail, 1) == [0]
            tail.send_signal(signal.SIGSTOP)
            producer.append(value=1)
            producer.close()
            with Producer.open("mm", other, capacity=8) as successor:
                successor.append(value=2)
                tail.send_signal(signal.SIGCONT)
                assert values(tail, 2) == [1, 2]


def test_a_follower_that_is_lapped_says_how_many_records_it_missed() -> None:
    with Producer.open("mm", SIGNALS, capacity=8) as producer, Consumer.open("mm") as consumer:
        producer.append(value=0)
        with tool("tail", "mm", "-f", "--json") as tail:
            assert values(tail, 1) == [0]
            tail.send_signal(signal.SIGSTOP)
            for number in range(1, 101):
                producer.append(value=number)
                consumer.poll()
                consumer.acknowledge(number)
            tail.send_signal(signal.SIGCONT)
            assert message(tail) == "ringbuf: 93 records of ring 'mm' were overwritten unread\n"
            assert values(tail, 7) == list(range(94, 101))


INTERRUPTING = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["INTERRUPT_AT"]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
"""


@pytest.mark.parametrize(
    ("command", "module"),
    [
        (["ls"], "click"),
        (["ls"], "ringbuf.ring"),
        (["ls"], "numpy"),
        (["ls"], "ringbuf.tools.ls"),
        (["tail", "mm"], "rich.text"),
        (["sql", "SELECT 1", "--data-dir", "."], "ringbuf.query.database"),
        (["audit", "--data-dir", "."], "ringbuf.audit"),
        (["writer", "--data-dir", "data"], "clickhouse_connect"),
        (["writer", "--data-dir", "data"], "chdb"),
        (["demo"], "ringbuf.demo.run"),
        (["bench", "append"], "ringbuf.bench"),
    ],
)
def test_ctrl_c_while_a_command_is_still_being_imported_ends_it_quietly(
    command: list[str], module: str, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTING)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "INTERRUPT_AT": module}
    ended = subprocess.run([RINGBUF, *command], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_ctrl_c_ends_following_quietly() -> None:
    with ProducerProcess("mm") as producer, tool("tail", "mm", "-f", "--json") as tail:
        producer.append(1)
        assert values(tail, 1) == [0]
        tail.send_signal(signal.SIGINT)
        assert tail.communicate() == ("", "")
        assert tail.returncode == 130


@pytest.mark.parametrize("arguments", [("tail", "mm", "-n", "9999"), ("tail", "mm", "-f"), ("show", "mm")])
def test_a_reader_that_goes_away_is_no_error_to_speak_of(arguments: tuple[str, ...]) -> None:
    with ProducerProcess("mm") as producer:
        producer.append(100)
        with tool(*arguments) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.close()
            wait_until(lambda: process.poll() is not None or producer.append(1) < 0, "the tool ends")
            assert process.stderr is not None
            assert process.stderr.read() == ""
            assert process.returncode in (0, 141)


@pytest.mark.parametrize("arguments", [["--help"], ["ls"], ["ls", "--json"], ["show", "mm"]], ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_finds_no_room_is_an_error_of_one_line(arguments: list[str], unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Producer.open("mm", Schema.define("ticks", [("value", "f8")]), capacity=8), open("/dev/full", "w") as full:
        ended = subprocess.run([RINGBUF, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, env=environment)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "No space left on device" in ended.stderr


def test_without_an_output_a_command_still_has_its_exit_code() -> None:
    shell = ["sh", "-c", f"{RINGBUF} ls >&-"]
    ended = subprocess.run(shell, stderr=subprocess.PIPE, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_text_that_the_terminal_cannot_encode_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    with Producer.open("mm", Schema.define("texts", [("symbol", "S32")]), capacity=8) as producer:
        producer.append(symbol="币安人生USDT")
        shown = ringbuf("tail", "mm")
    assert shown.stdout == "#0  symbol=\\u5e01\\u5b89\\u4eba\\u751fUSDT\n"
    assert (shown.stderr, shown.returncode) == ("", 0)


@pytest.mark.parametrize(
    "arguments", [("sql", "SELECT 1"), ("fills",), ("audit",), ("resend",)], ids=lambda each: each[0]
)
def test_a_data_directory_in_which_nobody_can_write_is_an_error_of_one_line_that_says_so(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    directory = DataDirectory(tmp_path)
    directory.status.write_text(json.dumps({"sink": {"kind": "embedded", "url": None, "database": "d"}}))
    directory.database_lock.mkdir()  # not even root can open it to write
    refused = ringbuf(*arguments, "--data-dir", str(tmp_path))
    assert (refused.returncode, refused.stdout) == (2, "")
    why = f"data directory {tmp_path} cannot be used: Is a directory; give a directory that this user can write"
    assert refused.stderr == f"ringbuf: {why}\n"


def test_a_command_leaves_nothing_in_a_directory_that_is_no_data_directory(tmp_path: Path) -> None:
    for arguments in (("fills",), ("audit",), ("rebuild",), ("resend",), ("instruments",)):
        refused = ringbuf(*arguments, "--data-dir", str(tmp_path))
        assert (refused.returncode, "is no data directory of a writer" in refused.stderr) == (2, True)
    assert not list(tmp_path.iterdir())


def test_instruments_are_loaded_without_a_data_directory_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "instruments.csv"
    file.write_text("exchange,symbol,kind\nbinance,BTC/USDT,spot\n")
    monkeypatch.setenv("RINGBUF_DATA_DIR", str(tmp_path / "not made yet"))
    loaded = ringbuf("instruments", "load", str(file), "--json")
    assert (loaded.returncode, json.loads(loaded.stdout or "{}").get("recorded"), loaded.stderr) == (0, 1, "")
    assert "not made yet is no data directory of a writer" in ringbuf("instruments").stderr
