"""`ringbuf demo` as a user runs it: nothing lost, nothing doubled, nothing left behind."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ringbuf import Producer
from ringbuf.demo.writer_supervisor import WriterSupervisor
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.ring.observer import Observer
from ringbuf.ring.registry import NAMESPACE_VARIABLE, SHARED_MEMORY, ring_names
from tests.command import RINGBUF, ringbuf
from tests.writer_process import WriterProcess

SHORT = ["--strategies", "2", "--rate", "200", "--seconds", "2"]
KEYS = {"captured", "journaled", "stored", "lost", "duplicated", "latency_ms", "faults", "found"}
ESCAPE = "\x1b"


@pytest.fixture
def clean(tmp_path: Path, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A place for temporary files; whatever the demo does, it leaves none, and no ring and no process."""
    temporary = tmp_path / "t"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    yield
    assert list(temporary.iterdir()) == []
    assert ring_names(namespace) == []
    assert processes_of(namespace) == []


def processes_of(namespace: str) -> list[str]:
    """Command lines of the processes that work in a namespace, without this one."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            environment, command = (path / "environ").read_bytes(), (path / "cmdline").read_bytes()
        except OSError:
            continue
        if f"{NAMESPACE_VARIABLE}={namespace}".encode() in environment.split(b"\0") and command:
            found.append(command.replace(b"\0", b" ").decode())
    return found


Demo = subprocess.Popen[str]


@pytest.fixture
def demo() -> Iterator[Callable[..., Demo]]:
    """Starts a demo; one that a failed test leaves behind is told to end."""
    started: list[Demo] = []

    def start(*arguments: str) -> Demo:
        command = [RINGBUF, "demo", *arguments]
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        started.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, stdin=null, text=True))
        return started[-1]

    yield start
    for process in started:
        with process:
            process.terminate()


def outcome(process: Demo) -> tuple[dict[str, Any], str]:
    """The JSON of a demo that must have gone well, and what it wrote for people."""
    output, shown = process.communicate(timeout=60)
    assert process.returncode == 0, shown
    (line,) = output.splitlines()
    found: dict[str, Any] = json.loads(line)
    assert found.keys() >= KEYS
    assert found["captured"] == found["journaled"] == found["stored"] > 50
    assert found["lost"] == found["duplicated"] == found["dropped"] == 0
    assert found["positions_equal"] is found["proven"] is True
    assert found["differences"] == []
    assert found["restarts"] >= 1, "the demo kills the writer"
    assert found["strategy_restarts"] >= 1, "and a strategy"
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99"]
    return found, shown


def shown_pid(process: Demo) -> int:
    """Wait for the first records to be journaled; returns the process id of the writer as it is shown."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"journaled [1-9].* writer (\d+)", line):
            return int(found[1])
    pytest.fail("no writer was shown")


@pytest.mark.usefixtures("clean")
def test_a_writer_and_a_strategy_killed_once_more_change_nothing_in_the_result(
    demo: Callable[..., Demo], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(NAMESPACE_VARIABLE)
    process = demo("--strategies", "2", "--rate", "200", "--seconds", "4", "--json")
    namespace = f"demo-{process.pid}"
    pid = shown_pid(process)
    rings = {path.name for path in SHARED_MEMORY.glob(f"ringbuf.{namespace}.*")}
    assert rings == {f"ringbuf.{namespace}.demo-mm-{number:02}" for number in (1, 2)}
    with Observer.open("demo-mm-02", namespace=namespace) as ring:
        wait_until(lambda: ring.head > 0, "it trades")
        os.kill(ring.state().producer_pid, signal.SIGKILL)
    with suppress(ProcessLookupError):  # the demo may have been faster
        os.kill(pid, signal.SIGKILL)
    found, shown = outcome(process)
    assert found["strategy_restarts"] == 2
    assert ESCAPE not in shown
    assert ring_names(namespace) == []
    assert processes_of(namespace) == []


@pytest.mark.usefixtures("clean")
def test_positions_examples_and_audit_are_shown_and_a_given_directory_is_kept(data_dir: Path) -> None:
    shown = ringbuf("demo", *SHORT, "--data-dir", str(data_dir))
    assert shown.returncode == 0, shown.stderr
    assert ESCAPE not in shown.stdout
    assert shown.stderr == ""
    for expected in (
        r"kill -9 \d+: the writer is killed",
        r"kill -9 \d+: strategy demo-mm-01 is killed",
        r"Positions by symbol\n  SELECT exchange, symbol",
        r"\n  sim-perp  BTC-PERPETUAL +\S+ +\S+ +\S+ +\d+",
        r"FROM hedges\(since = ",
        r"\n  \w{15} +\S+  \w+-USD +-?[0-9.]+ ",
        r"FROM fills",
        r"FROM executions",
        r"rings  recorded  stored .*\n +2 +(\d+) +\1 +0 +0 +0 +0  proven",
        r"\d+ captured, \d+ journaled, \d+ stored, 0 lost, 0 duplicated",
        r"feeds +\d+ messages lost, \d+ late, \d+ repeated; \d connections cut",
        r"kill -9 +strategies: 1, went on with \d+ records of their own; writer: 1",
        r"\n  demo-mm-02 [^d]*\n    ETH-PERPETUAL +(\S+) +\1 +(\S+) +\2 +\2  equal",
        r"\n  demo-mm-02 [^d]*\n    ETH-PERPETUAL +\S+  0.75   ETH-USD +(\S+) +\1 +\S+  equal",
        r"pages, inventory, exchange and database: equal",
    ):
        assert re.search(expected, shown.stdout), (expected, shown.stdout)
    count = ["sql", "SELECT count() AS records FROM executions", "--data-dir", str(data_dir), "--json"]
    answer = ringbuf(*count).stdout
    stored = re.search(r"captured, ([\d,]+) journaled, \1 stored", shown.stdout)
    assert stored is not None
    assert json.loads(answer) == {"records": int(stored[1].replace(",", ""))}


@pytest.mark.usefixtures("clean")
def test_a_difference_is_shown_and_ends_with_exit_code_1() -> None:
    program = """
from dataclasses import replace
from ringbuf.demo.result import StrategyResult
read_all = StrategyResult.read_all

def with_another_position(directory):
    (result,) = read_all(directory)
    return [replace(result, positions=result.positions | {"BTC-PERPETUAL": "0.017000001"})]

StrategyResult.read_all = with_another_position
from ringbuf.tools.cli import main
main(["demo", "--strategies", "1", "--seconds", "1.5"])
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 1
    for expected in (
        r"\n  demo-mm-01 [^d]*\n    BTC-PERPETUAL .* 0.017000001 .* DIFFERS",
        r"\nDIFFERS: demo-mm-01 BTC-PERPETUAL: position by pages \S+, inventory 0.017000001, exchange",
        r"\npages, inventory, exchange and database: DIFFERS",
    ):
        assert re.search(expected, run.stdout), (expected, run.stdout)
    assert run.stdout.count("DIFFERS") == 3, "nothing else differs"


@pytest.mark.usefixtures("clean")
def test_with_a_server_the_records_are_there_afterwards(
    demo: Callable[..., Demo], clickhouse_server: ClickHouse, database: str
) -> None:
    found, _ = outcome(demo(*SHORT, "--clickhouse", clickhouse_server.url, "--database", database, "--json"))
    with clickhouse_server.client() as client:
        assert client.command(f"SELECT count() FROM {database}.executions") == found["stored"]
        assert client.command(f"SELECT uniqExact(strategy) FROM {database}.positions") == 2


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_when_it_is_told_to_end_it_cleans_up(demo: Callable[..., Demo], number: signal.Signals) -> None:
    process = demo("--strategies", "2", "--seconds", "60", "--json")
    shown_pid(process)
    process.send_signal(number)
    output, shown = process.communicate(timeout=60)
    assert process.returncode == 130
    assert output == ""
    assert "interrupted" in shown.splitlines()[-1]


@pytest.mark.usefixtures("clean")
def test_on_a_terminal_there_is_a_live_picture() -> None:
    primary, secondary = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "50"}
    command = [RINGBUF, "demo", *SHORT]
    with subprocess.Popen(command, stdout=secondary, stderr=secondary, stdin=secondary, env=environment) as process:
        os.close(secondary)
        picture = bytearray()
        while piece := read(primary):
            picture += piece
    os.close(primary)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", picture.decode())
    assert process.returncode == 0, text
    assert text.count("captured  ") > 10, "the picture is drawn again and again"
    assert re.search(r"kill -9 \d+", text)
    assert "all stored" in text


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # what Linux gives at the end of a terminal
        return b""


@pytest.mark.usefixtures("clean")
def test_an_unreachable_database_is_one_line(demo: Callable[..., Demo]) -> None:
    process = demo("--clickhouse", "http://127.0.0.1:1")
    output, error = process.communicate(timeout=60)
    assert process.returncode == 1
    (line,) = error.splitlines()
    assert line.startswith("ringbuf: the writer did not start: ")
    assert "127.0.0.1:1" in line
    assert "Positions" not in output


def test_a_namespace_with_rings_is_left_alone(demo: Callable[..., Demo], namespace: str) -> None:
    with Producer.open("mine"):
        process = demo()
        _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"namespace '{namespace}' has rings already" in error
    assert ring_names() == ["mine"]


@pytest.mark.parametrize("package", ["websockets", "chdb"])
@pytest.mark.usefixtures("clean")
def test_a_missing_package_is_one_line_that_says_what_to_install(package: str) -> None:
    program = f"import sys; sys.modules[{package!r}] = None; from ringbuf.tools.cli import main; main(['demo'])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert package in line
    assert "pip install 'ringbuf-capture[demo]'" in line


def test_a_writer_somebody_else_started_is_left_to_do_the_work(data_dir: Path, namespace: str) -> None:
    ours = WriterSupervisor(data_dir, namespace=namespace, log_file=data_dir.with_name("ours.log"))
    try:
        wait_until(ours.check_started, "our writer works")
        assert ours.pid is not None
        os.kill(ours.pid, signal.SIGKILL)
        wait_until(lambda: ours.pid is None, "it is gone")
        with WriterProcess(data_dir) as theirs:
            theirs.wait_running()
            for _ in range(20):
                ours.watch()
                time.sleep(0.01)
            assert ours.pid == theirs.pid
            assert ours.restarts == 0
            ours.stop(others=True)
            assert theirs.process.wait(30) == 0
    finally:
        ours.stop(others=True)
    assert ours.pid is None
