"""The rules of the test suite itself, tried on a small suite of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from ringbuf.ring.registry import SHARED_MEMORY
from tests.checkout import ROOT
from tests.conftest import NO_SKIP_VARIABLE

SUITE = {
    "test_functions.py": """
import pytest

@pytest.fixture
def server():
    pytest.skip("reason one")

def test_with_fixture(server):
    pass

@pytest.mark.skip(reason="reason two")
def test_with_mark():
    pass

def test_with_call():
    pytest.skip("reason three")

@pytest.mark.xfail
def test_expected_to_fail():
    raise AssertionError
""",
    "test_module.py": "import pytest\npytest.skip('reason four', allow_module_level=True)\n",
}


def run_suite(directory: Path, suite: dict[str, str]) -> str:
    """Run files of tests under our conftest.py in a process of its own; returns what it prints."""
    (directory / "pytest.ini").write_text("[pytest]\n")
    for name, code in suite.items():
        (directory / name).write_text(code)
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", "-rs", "--continue-on-collection-errors"]
    command = [sys.executable, "-m", "pytest", *options, str(directory)]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def test_every_skip_is_a_failure_with_its_reason_where_none_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NO_SKIP_VARIABLE, "1")
    output = run_suite(tmp_path, SUITE)
    assert "1 failed, 1 xfailed, 3 errors" in output
    for reason in ("reason one", "reason two", "reason three", "reason four"):
        assert f"may not be skipped ({NO_SKIP_VARIABLE} is set): Skipped: {reason}" in output


def test_a_skip_is_a_skip_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NO_SKIP_VARIABLE, raising=False)
    assert "4 skipped, 1 xfailed" in run_suite(tmp_path, SUITE)


def test_rings_left_by_a_test_are_removed_after_it(tmp_path: Path) -> None:
    leaving = f"""
import os
from pathlib import Path
from ringbuf.ring.registry import ring_path

def test_leaves_a_ring(namespace):
    assert os.environ["RINGBUF_NAMESPACE"] == namespace
    ring = ring_path("left")
    ring.touch()
    Path({str(tmp_path)!r}, "left").write_text(ring.name)
"""
    assert "1 passed" in run_suite(tmp_path, {"test_leaving.py": leaving})
    assert not (SHARED_MEMORY / (tmp_path / "left").read_text()).exists()
