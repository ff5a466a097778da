"""A locked file keeps everybody out, tells who has it, and is free when its holder is gone, however it went."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ringbuf.state.lock_file import LockFile, holder

HOLDING = """
import sys
from pathlib import Path
from ringbuf.state.lock_file import LockFile
lock = LockFile.take(Path(sys.argv[1]))
print("refused" if lock is None else "held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.lock"


def other(path: Path) -> "subprocess.Popen[str]":
    """A process that tries to take the lock, and holds it until it is killed."""
    command = [sys.executable, "-c", HOLDING, str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_lock_that_was_never_taken_has_no_holder_and_asking_makes_no_file(path: Path) -> None:
    assert holder(path) is None
    assert not path.exists()


def test_only_the_user_may_open_the_file(path: Path) -> None:
    before = os.umask(0)
    try:
        assert LockFile.take(path) is not None
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_lock_keeps_other_processes_out_and_tells_them_who_has_it(path: Path) -> None:
    with other(path) as first, other(path) as second:
        lines = [first_line(first), first_line(second)]
        assert sorted(lines) == ["held", "refused"]
        holding = first if lines[0] == "held" else second
        assert LockFile.take(path) is None
        assert holder(path) == holding.pid
        holding.kill()
        holding.wait()
        assert holder(path) is None
        taken = LockFile.take(path)
        assert taken is not None
        assert holder(path) == os.getpid()
        taken.close()
        for each in (first, second):
            each.kill()


def test_the_holder_may_ask_and_try_again_and_others_still_see_it(path: Path) -> None:
    """A record lock is lost when its process closes any descriptor of the file."""
    taken = LockFile.take(path)
    assert taken is not None
    assert LockFile.take(path) is None
    assert holder(path) == os.getpid()
    program = (
        "import sys, pathlib; from ringbuf.state.lock_file import holder; print(holder(pathlib.Path(sys.argv[1])))"
    )
    asked = subprocess.run([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True, check=True)
    assert int(asked.stdout) == os.getpid()
    taken.close()
    again = LockFile.take(path)
    assert again is not None
    again.close()
