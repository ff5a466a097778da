"""Workspaces: their files and rings are gone when a run ends, however it ends, and nobody else's are."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ringbuf import Producer
from ringbuf.launch.workspace import Workspace
from ringbuf.ring.registry import ring_names

PROGRAM = """
import sys, time
from ringbuf import Producer
from ringbuf.launch.workspace import Workspace
with Workspace.temporary("test", namespace=sys.argv[1]) as work:
    with Producer.open("unread") as producer:
        producer.append()
    print(work.new_directory("data"), flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_leaves_neither_files_nor_rings(number: signal.Signals, namespace: str) -> None:
    command = [sys.executable, "-c", PROGRAM, namespace]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        directory = Path(process.stdout.readline().strip())
        assert directory.exists() and ring_names() == ["unread"]
        process.send_signal(number)
        process.communicate(timeout=60)
    assert not directory.parent.exists()
    assert ring_names() == []


def test_a_workspace_in_a_namespace_of_others_removes_the_rings_named_and_no_others(namespace: str) -> None:
    with Workspace.temporary("test", namespace=namespace, rings=["mine", "never-opened"]):
        for name in ("mine", "theirs"):
            Producer.open(name).close()
    assert ring_names() == ["theirs"]


def test_a_workspace_that_is_kept_keeps_its_files(
    namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Workspace.temporary("test", namespace=namespace) as work:
        (work.directory / "log").touch()
        work.is_kept = True
    assert (work.directory / "log").exists()
    assert work.directory.parent == tmp_path


def test_a_signal_handler_of_its_owner_stays(namespace: str) -> None:
    def handler(*_: object) -> None: ...

    before = signal.signal(signal.SIGTERM, handler)
    try:
        with Workspace.temporary("test", namespace=namespace):
            assert signal.getsignal(signal.SIGTERM) is handler
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)
