"""Programs as child processes: they end when they are told to, and with whoever has started them."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ringbuf.errors import RingbufError
from ringbuf.launch.child_process import ChildProcess
from ringbuf.launch.waiting import wait_until
from tests.checkout import ROOT
from tests.process_group import members

STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    print("ready", flush=True)
time.sleep(60)
"""
ORDERLY = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("ready", flush=True)
signal.sigwait({signal.SIGTERM})
sys.exit(3)
"""
OWNER = """
import sys, time
from pathlib import Path
from ringbuf.launch.child_process import ChildProcess
sleeping = ChildProcess("sleep", ["sleep", "60"], Path(sys.argv[1], "log"))
print(sleeping.pid, flush=True)
time.sleep(60)
"""
OWNER_OF_WRITER = """
import sys, time
from pathlib import Path
from ringbuf.launch.writer_process import WriterProcess
writer = WriterProcess(Path(sys.argv[1], "data")).start().wait_running()
print(writer.pid, flush=True)
time.sleep(60)
"""


@contextmanager
def program(source: str, log: Path, *, answers: bool = False) -> Iterator[ChildProcess]:
    """A Python program; killed at the end of the block."""
    process = ChildProcess("the program", [sys.executable, "-c", source], log, answers=answers)
    try:
        yield process
    finally:
        process.kill()


def test_ending_a_process_ends_all_it_has_forked_even_if_it_ignores_sigterm(tmp_path: Path) -> None:
    with program(STUBBORN, tmp_path / "log", answers=True) as process:
        assert process.first_line() == "ready\n"
        wait_until(lambda: len(members(process.pid)) == 2, "it has forked")
        assert process.end(0.1) == -signal.SIGKILL
        assert members(process.pid) == set()
        assert process.end() == process.kill() == -signal.SIGKILL


def test_a_process_that_ends_in_time_is_not_killed(tmp_path: Path) -> None:
    source = (
        "import signal, sys; signal.sigwait({signal.SIGTERM}) if print('ready', flush=True) is None else 0; sys.exit(3)"
    )
    blocked = f"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGTERM}}); {source}"
    with program(blocked, tmp_path / "log", answers=True) as process:
        process.first_line()
        assert process.exit_code is None
        assert process.end() == process.exit_code == 3


@pytest.mark.parametrize("source", [OWNER, OWNER_OF_WRITER], ids=["any program", "a writer"])
def test_a_process_ends_when_its_owner_is_killed(source: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", source, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        owned = os.pidfd_open(int(owner.stdout.readline()))
        try:
            assert not select.select([owned], [], [], 0)[0], "it does not run"
            owner.kill()
            assert select.select([owned], [], [], 30)[0], "it outlived its owner"
        finally:
            os.close(owned)


def test_a_program_that_cannot_be_run_says_so(tmp_path: Path) -> None:
    process = ChildProcess("the server", ["/nowhere/server"], tmp_path / "log")
    with pytest.raises(RingbufError, match=r"the server ended with 1 .*: /nowhere/server cannot be run: .*No such"):
        process.wait_until(lambda: False, "answer")


def test_a_program_that_ends_before_its_first_line_is_named_with_the_last_it_wrote(tmp_path: Path) -> None:
    source = "import sys; sys.exit('no licence')"
    with program(source, tmp_path / "log", answers=True) as process:
        with pytest.raises(RingbufError, match="the program did not start: no licence"):
            process.first_line()
        assert process.wait(30) == 1


def test_waiting_for_what_does_not_happen_says_what_it_was(tmp_path: Path) -> None:
    with pytest.raises(RingbufError, match="within 0 s: the ring is drained"):
        wait_until(lambda: False, "the ring is drained", 0)
    with program("import time; time.sleep(60)", tmp_path / "log") as process:
        with pytest.raises(RingbufError, match="the program did not answer within 0 s: it wrote nothing"):
            process.wait_until(lambda: False, "answer", 0)
        with pytest.raises(RingbufError, match="the program did not end within"):
            process.wait(0.01)


def test_a_process_has_the_variables_it_is_given_beside_those_of_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "1")
    command = [sys.executable, "-c", "import os; print(os.environ['OURS'], os.environ['ITS'])"]
    process = ChildProcess("the program", command, tmp_path / "log", environment={"ITS": "2"}, answers=True)
    assert process.first_line() == "1 2\n"
    process.kill()
